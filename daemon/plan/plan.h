/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Plans: wanted × actual → a job. Pure; the same functions serve a request, a dry run and the recovery at start.
 */

#include "plan/step.h"
#include "spec/wanted.h"

/* What lies under a target already, as far as creating a missing mount point goes. */
enum plan_ground { PLAN_GROUND_NEVER, PLAN_GROUND_FREELY, PLAN_GROUND_CALLER };
struct plan_present {
        const char *container;
        const char *target; /* normalised; "/" for the container's root */
        uint64_t id;        /* unique id, or the recycled one where the kernel has none */
        enum plan_ground ground;
};

struct plan_pod {
        uint64_t job; /* id for the job */
        const char *uuid;
        bool private; /* it has a mount namespace to itself */
        uid_t owner;
        gid_t owner_group;
        const struct job_caller *caller;
        char *const *fd_names; /* NULL-terminated; "fd:NAME" becomes its index here */
        const char *cgroup_parent; /* absolute; "": below systemd's unit */
};

/* The whole pod: STEP_TREE, each container's root and mounts, STEP_PUBLISH, its mounts on the host. FAILURE_INVALID_ARGS for a source whose fd
 * name is not in fd_names. Deferred mounts get no step. */
int plan_create(const struct plan_pod *pod, const struct wanted *wanted, struct job **ret, struct failure *f);

/* One more container of a living pod, the only one of `wanted`: STEP_CONTAINER, its root and mounts, STEP_JOIN. */
int plan_add_container(const struct plan_pod *pod, const struct wanted *wanted, struct job **ret, struct failure *f);

/* Mounts into a living pod. `present` is in the order in which the mounts were made (one with id 0, deferred, counts
 * for nothing): of those that cover a target, the last is what it lies on. `stack`: an occupied target is allowed. */
int plan_mount(const struct plan_pod *pod, const struct wanted *wanted, const struct plan_present *present,
        size_t n_present, bool stack, struct job **ret, struct failure *f);

/* Whether mount points that the mount lacks are stubs, which come with it alone: what is to lie on it is then of its job. */
bool plan_gives_stubs(const struct wanted_mount *mount);

/* One mount that takes the place of the mount `id` at the same target, which is detached. A deferred one has no step. */
int plan_replace(const struct plan_pod *pod, const struct wanted *wanted, uint64_t id, struct job **ret,
        struct failure *f);
/* The one mount of `wanted`, which is there with these ids, is brought to what it says: STEP_REMOUNT; in the mount namespace
 * with this id, 0 for the pod itself. */
int plan_remount(const struct plan_pod *pod, const struct wanted *wanted, uint64_t id, uint32_t mount_id,
        uint64_t namespace, struct job **ret, struct failure *f);

/* One STEP_FIND: `name` as it is if it has a slash (relative to `cwd`, "" for "/"), else in each absolute directory of
 * `path` ("" for the usual ones). FAILURE_INVALID_ARGS. */
int plan_find(const struct plan_pod *pod, const char *container, const char *name, const char *path, const char *cwd,
        struct job **ret, struct failure *f);

/* One STEP_EXAMINE: what `path`, absolute, lies on in the container, or on the host for "" (and a pod of no uuid).
 * FAILURE_INVALID_ARGS. */
int plan_examine(const struct plan_pod *pod, const char *container, const char *path, struct job **ret,
        struct failure *f);

/* One STEP_GC_PROGRAM with these flags: `path` in the container, or, with STEP_GC_LISTED or STEP_GC_REGISTRY, on the host. */
int plan_gc_program(const struct plan_pod *pod, const char *container, const char *path, uint32_t flags, struct job **ret);

/* One step about the cgroup of this name below the parent, as plan_pod's: in front of a STEP_REMOVE_POD that is the job's last
 * step, else at the end of *job, which is made if it is NULL. -ENOMEM. */
int plan_cgroup(const struct plan_pod *pod, enum step_kind kind, const char *name, const char *parent, struct job **job);

/* One mount that is to go. */
struct plan_doomed {
        uint64_t id;
        uint32_t mount_id;
        uint64_t device;  /* st_dev of its root, which has to be this; 0: any */
        const char *path; /* physical, relative to pods/<uuid>; "" is the pod's own tmpfs */
        bool host;        /* …or absolute: it is on the host… */
        bool kept;        /* plan_collect(), strictly, has it mounted again (STEP_RESTORE) when something else is busy… */
        bool of_tree;     /* …from a clone of the whole tree (STEP_OF_TREE)… */
        uint64_t propagation; /* …with this; 0: as it comes */
        uint32_t made;
        bool made_file;
};

/* Unmounts in the order given (descendants first); lazily: one STEP_DETACH for each. */
int plan_unmount(const struct plan_pod *pod, const struct plan_doomed *doomed, size_t n, bool lazy, struct job **ret,
        struct failure *f);
/* A whole container, `doomed` being all that is mounted there: strictly all or nothing, since what was unmounted is
 * mounted again (STEP_RESTORE) when something is busy; lazily as plan_collect() does. */
int plan_remove_container(const struct plan_pod *pod, const struct plan_doomed *doomed, size_t n, bool lazy,
        struct job **ret, struct failure *f);
/* Directories that podmount made in a source, beyond mount points: removed as the pod's owner where they are empty. */
struct plan_directory {
        const char *root; /* the source, a directory of the host */
        const char *path; /* absolute within it */
        uint32_t made;    /* trailing components; 0: it stays */
        bool file;        /* the last of them an empty file */
        bool work;        /* the kernel makes directories of its own in it */
};

/* A STEP_UNMAKE for each directory, in the order given, by job->caller, at the end of *job, which is made if it is NULL. */
int plan_unmake(const struct plan_pod *pod, const struct plan_directory *directories, size_t n, struct job **job);
/* The same before all other steps. What was left behind keeps directories from going with the last mount in them, and mounts keep
 * those that were left behind: so such go twice. */
int plan_unmake_first(const struct plan_pod *pod, const struct plan_directory *directories, size_t n, struct job **job);

/* The whole pod: like plan_unmount(), then STEP_UNMAKE for each directory, in the order given, by job->caller, then
 * STEP_REMOVE_POD. Lazily, detaching the last of `doomed`, the pod's tmpfs,
 * takes all below it; only those on the host, and those whose mount point was made (leave `made` 0 for one on a file system that goes with the pod) are
 * detached before it, so that the mount point can be removed. */
int plan_collect(const struct plan_pod *pod, const struct plan_doomed *doomed, size_t n,
        const struct plan_directory *directories, size_t n_directories, bool lazy, struct job **ret, struct failure *f);

/* A mount in another mount namespace, by both ids. */
struct plan_inside {
        uint64_t id, namespace;
        bool deep;   /* others came along with it, and are locked to it where it is in another user namespace's */
        bool nested; /* one of those, that one being among the same mounts */
};

/* The three that follow add to *job, or make it if it is NULL.
 *
 * The steps of the job are done in the mount namespace that the fd says: STEP_ENTER before them. `namespace`: the id that it
 * must have, 0 for any. FAILURE_INVALID_ARGS for a name that is not in fd_names. */
int plan_enter(const struct plan_pod *pod, const char *container, const char *fd_name, uint64_t namespace, struct job **job,
        struct failure *f);
/* A STEP_SEEK for each, at the end; `deep`: which tells of it and of what is below it. */
int plan_seek(const struct plan_pod *pod, const struct plan_inside *mounts, size_t n, bool deep, struct job **job);
/* A STEP_WITHDRAW for each, the last first: before all other steps, but behind those that unmount strictly. These can be taken back,
 * so that a busy one costs no container its mounts. */
int plan_withdraw(const struct plan_pod *pod, const struct plan_inside *mounts, size_t n, bool lazy, struct job **job);

/* One STEP_OPEN_TREE: what `path` shows in a container. */
int plan_open_tree(const struct plan_pod *pod, const char *container, const char *path, struct job **ret);

/* What takes one step back when a later one fails: words with ", " between them, in the order in which they are done.
 * "close-tree" (nothing was attached yet), "detach" (the mount), "remove-mount-point" (that was created for it),
 * "remove-directories" (that were made beside mount points), "remove-cgroups", "mount-again" (a mount of a container that stays), "remove-link", "move-back" (of a network interface), "none" (any other step that takes away is not taken back). */
const char *plan_undo(const struct job *job, const struct step *step);

/* A dry run for people and programs, as JSON text that the caller owns; `wanted` is NULL for a job that only removes:
 *     {"steps": [{"step": "bind", "container": …, "target": …, "type": …, "source": …, "options": […],
 *                 "mount-point": "created", "undo": "close-tree"}…],
 *      "tree": [{"container": …, "target": "/", "type": …, "source": …, "options": […], "mounts": [the same]}…],
 *      "deferred": [{"container": …, "target": …, "type": …, "namespace": "pid"}…],
 *      "warnings": […]}
 * What a step does not have is left out; the source of a cgroup is its parent. Deeper than PLAN_TREE_DEPTH_MAX, the tree goes on beside its last level, so
 * that every parser's nesting limit holds it. -ENOMEM. */
enum { PLAN_TREE_DEPTH_MAX = 12 };
int plan_to_json(const struct job *job, const struct wanted *wanted, char **ret);
