/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One job on its way: what the executor process has, what the job has made so far, and how it fails. The hands (one
 * file a noun) work on it; run_job() calls them in order and takes back what they made when one fails.
 *
 * Hands return 0, a negative errno (logged), or a positive enum failure_kind with run->failure filled: util/failure.h.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "executor/grants.h"
#include "executor/intent.h"
#include "executor/opener.h"
#include "kernel/features.h"
#include "plan/step.h"
#include "util/failure.h"
#include "util/settings.h"

/* What lives as long as the process. */
struct executor {
        unsigned slot;
        int runtime_fd, pods_fd; /* the executor's; pods_fd is -1 until pods/ is there */
        int layers_fd; /* where layers lie, or -1 */
        int stores[SETTINGS_STORES_MAX]; /* where those of additional stores lie, or -1… */
        size_t n_stores;
        struct features features;
        const struct executor_grants *grants; /* NULL: nothing is allowed */
        struct intent *intent;
};

struct mapping;
struct prepared;
struct run_cgroups;

/* What one step holds until the job ends. */
struct hand {
        int source;    /* its source, -1 while it is not opened */
        int mount;     /* the mount it made, -1 where nothing will be asked of it any more */
        bool placed;   /* a mount of this step is at its target */
        bool attached; /* that mount is attached in a living pod: the undo detaches it */
        int base;      /* the directory below which mount points were made, or -1… */
        char *rest;    /* …and which */
        bool file;     /* …the last of them a file */
        uint32_t below; /* mounts that its clone brought along, unless root's; UINT32_MAX: not known */
        bool ahead;    /* STEP_UNMOUNT: it is gone already, with others */
        bool kept;     /* STEP_RESTORE: it was there, and has been taken off… */
        uint64_t inode; /* …with this root */
        bool linked, pinned; /* STEP_LINK: the interface may be there; the namespace is kept for it, which this step saw to */
        bool left;     /* STEP_DETACH: it could not be reached, and is to go with what it hangs below */
};

struct run {
        struct executor *executor;
        const struct job *job;
        const int *fds; /* the job's, job->n_fds of them */
        const struct step *at; /* the step that it is at; NULL before the first */
        struct job_result *result;
        struct failure failure;
        int error;             /* the errno behind the failure, 0 if none */
        uint32_t culprit;      /* the later step, from 1, whose source a step failed for: it needs a stub for it; 0: none */
        struct opener *opener; /* started when first needed */
        struct hand *hands;    /* one a step */
        int tree;              /* STEP_TREE's mount until the job ends, or -1 */
        uint64_t propagation;  /* …what it is to be */
        bool staged;           /* the tree is attached in the staging directory */
        bool published;        /* …at pods/<uuid> */
        bool made_pod_directory;
        uint32_t brought; /* mounts that clones have brought along, unless root's… */
        bool brought_unknown; /* …and more with a detached mount, which tells of none until it is attached */
        size_t told;        /* bytes of what is in other mount namespaces, in the result */
        unsigned waited_ms; /* for what a dead executor has left */
        int kept;           /* restore.h: the clone of the pod's tree that mounts come back from, -1 while there is none… */
        bool kept_none;     /* …and none can be had */
        size_t ahead_from, ahead; /* STEP_UNMOUNT: the steps from the one to before the other have been looked at together */
        bool making;     /* the last target was missing and was made */
        uint64_t plain;  /* the last mount found to be neither proc nor sysfs; 0: none yet */
        struct mapping *mappings; /* mapping.h */
        size_t n_mappings;
        int pods_fd;     /* pods/ where the pod is: the executor's, or own.pods; -1: nowhere */
        struct {
                int namespace;  /* of a pod that has one to itself (private.h), or -1… */
                int pods;       /* …and pods/ there */
                bool pinned;    /* this job has bound it to its file */
        } own;
        bool link_stays; /* an interface could not be taken back: what keeps its namespace stays, too */
        int namespace, namespace_root; /* STEP_ENTER's, in which the steps after it mount, and its root directory; or -1 */
        bool namespace_foreign;        /* it is owned by another user namespace than ours */
        struct prepared *prepared; /* prepare.h */
        size_t n_prepared;
        struct run_cgroups *cgroups; /* cgroup.h; NULL: no step was about any */
        char *root_name; /* the container whose root was last looked up… */
        int root_fd;     /* …and that */
};

/* Runs a job that passed the door. Fills `result`; always returns, whatever happened. */
void run_job(struct executor *executor, const struct job *job, const int *fds, struct job_result *result);

/* Fills the failure: the sentence, then, with an errno, its name and meaning. Returns the kind. */
int run_fail(struct run *run, enum failure_kind kind, int error, const char *format, ...) _printf_(4, 5);
int run_warn(struct run *run, const char *format, ...) _printf_(2, 3);
/* What the job is answered with beside its result; takes the fd over, also on failure. */
int run_answer_fd(struct run *run, int fd);
/* Forgets the failure of something that can be done without. */
void run_forgive(struct run *run);
/* resolve_unmake(), once more where that may help; what stays for want of memory and the like is logged. */
void run_unmake(int directory, const char *rest, bool file);
/* Takes back what one step has done outside a tree that nobody sees yet. */
void run_undo_step(struct run *run, size_t step);

/* Whether what the step makes becomes part of a tree of this job: nobody sees it before that is published. */
bool run_is_in_tree(const struct run *run, const struct step *step);

/* The root directory of a container, to resolve targets in; the fd stays the run's. */
int run_container_root(struct run *run, const char *container, int *ret_fd);
/* Forgets the look-up above, because something was mounted there. */
void run_forget_root(struct run *run);

/* The opener of this job; the run's. */
int run_opener(struct run *run, struct opener **ret);

/* Writes ids, device and attributes of a step's mount into its result and its ids into the intent file: before the
 * mount is attached anywhere. *ret_directory (may be NULL): whether its root is a directory. */
int run_note(struct run *run, size_t step, int mount, bool *ret_directory);

/* The id that says which mount a step made: unique, or the recycled one where the kernel has no other. */
uint64_t run_key(const struct run *run, size_t step);

/* Sets the attributes of a detached mount, cuts it from its peer groups and gives it its propagation. `recursive`: the
 * mount has others below it that it brought along. */
int run_dress(struct run *run, size_t step, int mount, bool recursive);
/* Whether the step's mount gets what is mounted on the host below its source later on: asked for, and nobody sees it but the pod. */
bool run_is_slave(const struct run *run, const struct step *step);
/* The last part of it, enough for a new file system, which is made with its attributes and has no peers. */
int run_share(struct run *run, size_t step, int mount);
/* The step's attributes without what the caller may not undo, for a mount that has `inherited` ones. */
uint64_t run_attributes(struct run *run, const struct step *step, uint64_t inherited);
/* FAILURE_NOT_SUPPORTED for a step with a label where the kernel has no SELinux: some types would swallow it. */
int run_check_labels(struct run *run, const struct step *step);
/* Puts a dressed and noted mount on a target and takes its fd over. */
int run_attach(struct run *run, size_t step, int *mount, int target);
/* From made to attached, for a new file system: shared, noted, its target opened. Takes the fd over. */
int run_place(struct run *run, size_t step, int *mount);
/* Attaching made a mount shared if what it was attached to is: sets what was asked for instead. */
int run_settle(struct run *run, size_t step);

/* The hands, one a step kind. */
int hand_tree(struct run *run, size_t step);
int hand_publish(struct run *run, size_t step);
int hand_root(struct run *run, size_t step);
int hand_bind(struct run *run, size_t step);
int hand_filesystem(struct run *run, size_t step);
int hand_image(struct run *run, size_t step);
int hand_overlay(struct run *run, size_t step);
int hand_mkdir(struct run *run, size_t step);
int hand_unmake(struct run *run, size_t step);
int hand_remount(struct run *run, size_t step);
int hand_mask(struct run *run, size_t step);
int hand_unmount(struct run *run, size_t step);
int hand_remove_pod(struct run *run, size_t step);
int hand_find(struct run *run, size_t step);
int hand_examine(struct run *run, size_t step);
int hand_open_tree(struct run *run, size_t step);
int hand_identify(struct run *run, size_t step);
int hand_enter(struct run *run, size_t step);
int hand_seek(struct run *run, size_t step);
int hand_withdraw(struct run *run, size_t step);
int hand_layer_make(struct run *run, size_t step);
int hand_layer_retire(struct run *run, size_t step);
int hand_layer_purge(struct run *run, size_t step);
int hand_layer_apply(struct run *run, size_t step);
int hand_layer_adopt(struct run *run, size_t step);
int hand_layer_merge(struct run *run, size_t step);
int hand_layer_clear(struct run *run, size_t step);
int hand_pin(struct run *run, size_t step);
int hand_holders(struct run *run, size_t step);
int hand_link(struct run *run, size_t step);
int hand_unlink(struct run *run, size_t step);
int hand_gc_program(struct run *run, size_t step);
int hand_cgroup_make(struct run *run, size_t step);
int hand_cgroup_remove(struct run *run, size_t step);
int hand_image_read(struct run *run, size_t step);
int hand_image_blob(struct run *run, size_t step);
int hand_layer_read(struct run *run, size_t step);
int hand_layer_open(struct run *run, size_t step);
int hand_layer_mount(struct run *run, size_t step);
int hand_layer_unmount(struct run *run, size_t step);
