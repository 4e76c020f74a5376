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
        uid_t owner;
        gid_t owner_group;
        const struct job_caller *caller;
        char *const *fd_names; /* NULL-terminated; "fd:NAME" becomes its index here */
};

/* The whole pod: STEP_TREE, each container's root and mounts, STEP_PUBLISH. FAILURE_INVALID_ARGS for a source whose fd
 * name is not in fd_names. Deferred mounts get no step. */
int plan_create(const struct plan_pod *pod, const struct wanted *wanted, struct job **ret, struct failure *f);

/* Mounts into a living pod. `stack`: an occupied target is allowed. */
int plan_mount(const struct plan_pod *pod, const struct wanted *wanted, const struct plan_present *present, size_t n_present,
               bool stack, struct job **ret, struct failure *f);

/* One mount that is to go. */
struct plan_doomed {
        uint64_t id;
        uint32_t mount_id;
        const char *path; /* physical, relative to pods/<uuid>; "" is the pod's own tmpfs */
        uint32_t made;
        bool made_file;
};

/* Unmounts in the order given (descendants first); lazily: one STEP_DETACH for each. */
int plan_unmount(const struct plan_pod *pod, const struct plan_doomed *doomed, size_t n, bool lazy, struct job **ret, struct failure *f);
/* The whole pod: like plan_unmount() (lazily: detaching the last of `doomed`, the pod's tmpfs, takes all), then STEP_REMOVE_POD. */
int plan_collect(const struct plan_pod *pod, const struct plan_doomed *doomed, size_t n, bool lazy, struct job **ret, struct failure *f);

/* A dry run for people and programs: {"steps": [{"step": "bind", "container": …, "target": …, "source": …, "options": […],
 * "undo": "close-tree"}…], "tree": […], "warnings": […]}. Owned by the caller. */
int plan_to_json(const struct job *job, const struct wanted *wanted, char **ret);
