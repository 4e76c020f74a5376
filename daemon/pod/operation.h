/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One change of one pod: stations 5 to 9 of the request path, a function each, called in this order and within one
 * turn of the event loop by the dispatcher for a client and by pods_recover() for nobody. An operation that ended is
 * freed by whoever made it; one that was executed goes on without its maker (operation_abandon) until it is recorded.
 *
 * Operations of one pod take turns, in the order of their first operation_validate(): one whose pod is not free is told
 * OPERATION_WAIT, and its resume function is called when its turn has come.
 */

#include "admit/caller.h"
#include "plan/holder.h"
#include "pod/damage.h"
#include "pod/pods.h"
#include "spec/spec.h"
#include "util/failure.h"

enum operation_verb {
        OPERATION_CREATE,
        OPERATION_MOUNT,
        OPERATION_UNMOUNT,
        OPERATION_COLLECT,
        OPERATION_ADD_CONTAINER,
        OPERATION_REMOVE_CONTAINER,
        OPERATION_REPAIR,
        OPERATION_OPEN_TREE,
        OPERATION_REPLACE,
        OPERATION_SET_NAMESPACES,
        OPERATION_PREPARE_PROCESS,
        OPERATION_FIND,
        OPERATION_EXAMINE,
        OPERATION_SEEK,
        OPERATION_LAYER_CREATE,
        OPERATION_LAYER_REMOVE,
        OPERATION_LAYER_PURGE,
        OPERATION_LAYER_GET,
        OPERATION_LAYER_PUT,
        OPERATION_LAYER_APPLY,
        OPERATION_LAYER_IMPORT,
        OPERATION_LAYER_READ,
        OPERATION_HOLDERS,
        OPERATION_REMOVE_CGROUPS,
        _OPERATION_VERB_MAX,
};
/* "create", "layer-create"… */
const char *operation_verb_name(enum operation_verb verb);

/* fds that came with the call; duplicated by the operation. */
struct operation_fds {
        char *const *names; /* NULL-terminated, in the order of fds */
        const int *fds;
};

struct create_arguments {
        const char *uuid;  /* NULL: a new one */
        const char *name;  /* NULL: the spec's, or none */
        const char *lease; /* NULL: "none"; "pid" takes the fd named LEASE_FD */
        const char *visibility; /* NULL: the spec's */
        uint64_t connection; /* that a lease of the caller hangs on; 0: none */
        const char *spec;
        size_t spec_size;
        bool restored;     /* Restore(): the spec is an export, and may be as long as those are */
        bool dry_run;      /* Plan(): ends after operation_plan() */
};

struct mount_arguments {
        const char *container; /* NULL: the only one, FAILURE_INVALID_ARGS if there are more */
        struct spec_mount *mounts; /* taken over */
        size_t n_mounts;
        bool stack;
};

struct replace_arguments {
        const char *container; /* NULL as above */
        struct spec_mount *mounts; /* one, at the target that is meant; taken over */
        size_t n_mounts;
        uint64_t mount_id;     /* of the old mount; 0: whichever was mounted there last */
};

struct unmount_arguments {
        const char *container; /* NULL as above */
        const char *target;    /* NULL with an id */
        uint64_t mount_id;     /* 0: by target */
        uint64_t namespace;    /* the mount namespace of a container, by id; 0: not said */
        bool lazy, missing_ok;
};

struct container_arguments {
        const char *name;
        const char *spec;      /* AddContainer */
        size_t spec_size;
        bool lazy, missing_ok; /* RemoveContainer */
};

struct collect_arguments {
        bool lazy, dry_run;
        const char *reason; /* of PodRemoved: "collected", "garbage", "failed" */
        bool gc_ended;      /* a try of the same request before this one has told the pod's registry and had its gc program run… */
        char *const *warnings; /* …with these; copied, may be NULL */
};

struct repair_arguments {
        const char *container; /* NULL: all of them */
        bool dry_run;
};

struct spaces_arguments {
        const char *container; /* NULL: all of them */
};

struct process_arguments {
        const char *container; /* NULL: the only one */
};

struct find_arguments {
        const char *container; /* "": the only one */
        const char *name, *path, *cwd; /* plan_find() */
};

/* What a path lies on. */
struct examined {
        char *const *texts; /* by enum examine_text */
        uint64_t mount_id;  /* unique, or the recycled one where the kernel has no other */
        dev_t device;       /* of the file system */
        bool system_mount, host_device;
};

struct holders_arguments {
        const char *container; /* NULL or "": the only one, or, without a target, all of them */
        const char *target;    /* NULL or "": all mounts */
        uint64_t mount_id;     /* or by id; 0: not */
        bool brief;            /* some of them do */
};

struct operation;

/* A new pod, or, for a dry run, what it would be. What the arguments point to is copied; the caller is, too. */
int operation_new_create(struct pods *pods, const struct caller *caller, const struct create_arguments *arguments,
                         const struct operation_fds *fds, struct operation **ret, struct failure *f);
/* Bind and Mount: all of the mounts or none. The arguments are emptied. */
int operation_new_mount(struct pods *pods, const struct caller *caller, struct pod *pod,
                        struct mount_arguments *arguments, const struct operation_fds *fds, struct operation **ret,
                        struct failure *f);
/* A mount in the place of a recorded one, which is detached, with no moment in between. */
int operation_new_replace(struct pods *pods, const struct caller *caller, struct pod *pod,
                          struct replace_arguments *arguments, const struct operation_fds *fds, struct operation **ret,
                          struct failure *f);
/* One mount of a pod, with what podmount made below it. */
int operation_new_unmount(struct pods *pods, const struct caller *caller, struct pod *pod,
                          const struct unmount_arguments *arguments, struct operation **ret, struct failure *f);
/* One more container of a living pod; equal to one that was added by the same call, it is a retry. */
int operation_new_add_container(struct pods *pods, const struct caller *caller, struct pod *pod,
                                const struct container_arguments *arguments, const struct operation_fds *fds,
                                struct operation **ret, struct failure *f);
/* The end of one container: strictly all of it or nothing. */
int operation_new_remove_container(struct pods *pods, const struct caller *caller, struct pod *pod,
                                   const struct container_arguments *arguments, struct operation **ret,
                                   struct failure *f);
/* The end of a pod. */
int operation_new_collect(struct pods *pods, const struct caller *caller, struct pod *pod,
                          const struct collect_arguments *arguments, struct operation **ret, struct failure *f);
/* The leftover directory pods/<directory>, with the mounts below it, that belongs to no pod (pod/garbage.h). Its
 * operation_pod() is always NULL. */
int operation_new_collect_orphan(struct pods *pods, const struct caller *caller, const char *directory,
                                 const struct collect_arguments *arguments, struct operation **ret, struct failure *f);
/* Makes a pod's missing mounts again, as the pod's owner, each for itself (pod/damage.h says what comes of each). */
int operation_new_repair(struct pods *pods, const struct caller *caller, struct pod *pod,
                         const struct repair_arguments *arguments, struct operation **ret, struct failure *f);
/* A clone of what `path` shows in a container ("" for the only one), to be had from operation_tree(). */
int operation_new_open_tree(struct pods *pods, const struct caller *caller, struct pod *pod, const char *container,
                            const char *path, struct operation **ret, struct failure *f);
/* Makes the mounts that wait for a namespace of which an fd is given, all or none; the fds have the names that
 * spec_namespace_find() knows. With nothing that waits for them it is a retry. */
int operation_new_set_namespaces(struct pods *pods, const struct caller *caller, struct pod *pod,
                                 const struct spaces_arguments *arguments, const struct operation_fds *fds,
                                 struct operation **ret, struct failure *f);
/* Binds namespaces of the process that the one fd is of to the files that the spec names for its container, all or none:
 * those that wait or are missing. With none that is, it is a retry. operation_ids() are all of them. */
int operation_new_prepare_process(struct pods *pods, const struct caller *caller, struct pod *pod,
                                  const struct process_arguments *arguments, const struct operation_fds *fds,
                                  struct operation **ret, struct failure *f);
/* Which file a program's name means in a container; operation_found() says it. */
int operation_new_find(struct pods *pods, const struct caller *caller, struct pod *pod,
                       const struct find_arguments *arguments, struct operation **ret, struct failure *f);
/* What a path lies on, in a container ("" for the only one), or on the host if `pod` is NULL; operation_examined() says it. */
int operation_new_examine(struct pods *pods, const struct caller *caller, struct pod *pod, const char *container,
                          const char *path, struct operation **ret, struct failure *f);
/* Who keeps mounts of the pod alive; operation_holders() says it. It takes no turn, and the pod may go meanwhile. */
int operation_new_holders(struct pods *pods, const struct caller *caller, const struct pod *pod, const struct holders_arguments *arguments,
                          struct operation **ret, struct failure *f);
/* Before operation_execute() everything is taken back; an executing operation goes on as after operation_abandon(). */
struct operation *operation_free(struct operation *operation);
DEFINE_CLEANUP(struct operation *, operation_free)

enum operation_next {
        OPERATION_GO_ON = 0,
        OPERATION_FINISHED = -1000000, /* nothing to execute: a retry of what is done, a dry run, nothing to remove */
        OPERATION_WAIT = -1000001,     /* another operation changes the pod: the resume function is called in turn */
};

/* Called from the event loop, never from within a function of this file, when the pod that the operation waited for is
 * free or gone: start again with operation_validate() (which may say OPERATION_WAIT anew). A waiting operation may be
 * freed at any time. */
typedef void (*operation_resume_fn)(struct operation *operation, void *userdata);
void operation_set_resume(struct operation *operation, operation_resume_fn resume, void *userdata);

/* 5: state of the pod, quotas, retries. An enum operation_next, or a failure. A create of what is being created already
 * waits for that one, and is then a retry. */
int operation_validate(struct operation *operation, struct failure *f);
/* 6: makes the job. Pure but for the table, which is brought up to date. OPERATION_GO_ON; OPERATION_FINISHED after a
 * dry run. */
int operation_plan(struct operation *operation, struct failure *f);
/* 7: the store knows. */
int operation_intend(struct operation *operation, struct failure *f);
/* 8: hands the job to the executors; `done` is called once, from the event loop, after station 9, with an empty or a
 * filled failure (moved out by the callee). */
typedef void (*operation_done_fn)(struct operation *operation, struct failure *f, void *userdata);
int operation_execute(struct operation *operation, operation_done_fn done, void *userdata, struct failure *f);

/* The maker goes away. True: nothing had begun, everything is taken back and the operation freed. False: it goes on by
 * itself and frees itself when it is recorded. */
bool operation_abandon(struct operation *operation);

/* What came out. NULL for a pod that is not there (any more): before a creation is executed, after a collection. */
struct pod *operation_pod(const struct operation *operation);
/* Of the pod, also of one that is not there. */
const char *operation_uuid(const struct operation *operation);
enum operation_verb operation_verb(const struct operation *operation);
/* Ids of the mounts, in the order of the arguments (0 for a deferred one). */
const uint64_t *operation_ids(const struct operation *operation, size_t *ret_n);
/* A dry run's plan as JSON; the operation's. */
const char *operation_plan_text(const struct operation *operation);
/* What came of each of the pod's mounts that are not as recorded, of an operation_new_repair(); the operation's. */
const struct damage *operation_damages(const struct operation *operation, size_t *ret_n);
/* The detached mount of an operation_new_open_tree(); the operation's. */
int operation_tree(const struct operation *operation);
/* Sentences of a collection or a creation that went well all the same; the operation's, may be NULL. */
char *const *operation_warnings(const struct operation *operation);
/* Whether a collection has told the pod's registry and had its gc program run, as far as there is either. */
bool operation_gc_ended(const struct operation *operation);
/* The path that an operation_new_find() has found; the operation's. */
const char *operation_found(const struct operation *operation);
/* What an operation_new_examine() has found; the operation's, NULL before. */
const struct examined *operation_examined(const struct operation *operation);
/* What an operation_new_holders() has found; the operation's, NULL for none. */
const struct mount_holder *operation_holders(const struct operation *operation, size_t *ret_n);
