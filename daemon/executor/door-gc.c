/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that runs for a pod. The front says which and for whom; that nobody else's program ever runs as root is said here,
 * by what the configuration lists, and whose the pod is the hands look up (gc-program.c). */

#include <limits.h>
#include <string.h>

#include "executor/door.h"
#include "util/path.h"
#include "util/prefixes.h"

static int refuse(struct failure *f, const char *what) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", what);
}

int door_check_gc_program(const struct job *job, const struct step *step, struct failure *f) {
        _cleanup_free_ char *normal = NULL;

        if (job->n_steps != 1 || job->n_fds > 0 || !door_names_pod(job))
                return refuse(f, "a gc program runs alone, and for a pod");
        if (!step->container || !name_is_valid(step->container))
                return refuse(f, "a container's name is none");
        if (!step->target || strlen(step->target) >= PATH_MAX || path_normalize(step->target, &normal) != 0 || strcmp(step->target, normal) != 0 ||
            strcmp(step->target, "/") == 0)
                return refuse(f, "a gc program has no normalised absolute path");
        if (step->flags & STEP_GC_REGISTRY) {
                if (!job->caller.root || job->caller.uid != 0 || job->caller.gid != 0 || job->caller.n_groups > 0)
                        return refuse(f, "a registry program runs as root");
                return (step->flags & ~(uint32_t) (STEP_GC_REGISTRY | STEP_GC_DEBUG)) == 0 ? 0 : refuse(f, "a flag of another step");
        }
        if (job->caller.uid != job->owner || job->caller.gid != job->owner_group)
                return refuse(f, "a gc program runs as the pod's owner");
        if (job->caller.uid == 0 && !job->caller.root)
                return refuse(f, "the root of another place has nothing run as root");
        return (step->flags & ~(uint32_t) (STEP_GC_LISTED | STEP_GC_DEBUG)) == 0 ? 0 : refuse(f, "a flag of another step");
}

int door_check_gc(const struct job *job, const char *programs, const char *registry, bool in_pods, bool in_root_pods, struct failure *f) {
        const struct step *step = job->steps;

        if (job->n_steps != 1 || step->kind != STEP_GC_PROGRAM)
                return 0;
        if (step->flags & STEP_GC_REGISTRY)
                return prefixes_has(registry, step->target) ? 0 : failure_set(f, FAILURE_NOT_SUPPORTED, "it is not RegistryProgram= of podmountd.conf(5)");
        if (step->flags & STEP_GC_LISTED)
                return prefixes_has(programs, step->target)
                               ? 0
                               : failure_set(f, FAILURE_NOT_SUPPORTED, "it is not on GcPrograms= of podmountd.conf(5)");
        if (!in_pods)
                return failure_set(f, FAILURE_NOT_SUPPORTED, "GcInPods= of podmountd.conf(5) allows no program of a pod's own");
        if (job->caller.uid == 0 && !in_root_pods)
                return failure_set(f, FAILURE_NOT_SUPPORTED,
                        "as root run only programs on GcPrograms= of podmountd.conf(5), unless GcInRootPods= allows those of root's own pods");
        return 0;
}
