/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps that look at something and change nothing: each is alone in its job. */

#include <limits.h>
#include <string.h>

#include "executor/door.h"
#include "util/path.h"

static int refuse(struct failure *f, const char *what) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", what);
}

static int check_container(const struct step *step, struct failure *f) {
        if (!step->container || !name_is_valid(step->container))
                return refuse(f, "a container's name is none");
        return 0;
}

static int check_flags(const struct step *step, struct failure *f) {
        return step->flags == 0 ? 0 : refuse(f, "looking has no flags");
}

int door_check_find(const struct job *job, const struct step *step, struct failure *f) {
        int r = check_container(step, f);

        if (r == 0 && (job->n_steps != 1 || !door_names_pod(job)))
                return refuse(f, "a program is looked for alone, and in a pod");
        if (r == 0 && !step->stubs)
                return refuse(f, "a program is looked for nowhere");
        for (size_t i = 0; r == 0 && step->stubs[i]; i++)
                if (i >= JOB_CANDIDATES_MAX || step->stubs[i][0] != '/' || strlen(step->stubs[i]) >= PATH_MAX)
                        return failure_set(f, FAILURE_INVALID_ARGS,
                                "refused at the executor's door: a program is looked for at %d absolute paths at most",
                                JOB_CANDIDATES_MAX);
        return r != 0 ? r : check_flags(step, f);
}

/* In a container of the pod, or, without either, on the host. */
int door_check_examine(const struct job *job, const struct step *step, struct failure *f) {
        bool host = step->container && !*step->container;
        int r = host ? 0 : check_container(step, f);

        if (r == 0 && (job->n_steps != 1 || (host ? job->uuid[0] != 0 : !door_names_pod(job))))
                return refuse(f, "a path is looked at alone, and in a pod or on the host");
        if (r == 0 && (!step->target || step->target[0] != '/' || strlen(step->target) >= PATH_MAX))
                return refuse(f, "what is looked at is no absolute path");
        return r != 0 ? r : check_flags(step, f);
}

/* Of mounts of any kind, for what it says of others than the caller's processes is little. */
int door_check_holders(const struct job *job, const struct step *step, struct failure *f) {
        for (size_t i = 0; i < job->n_steps; i++)
                if (job->steps[i].kind != STEP_HOLDERS)
                        return refuse(f, "holders are looked for alone");
        if (job->n_steps > HOLDERS_MOUNTS_MAX)
                return refuse(f, "holders are looked for of too many mounts");
        if (step->id == 0 && step->mount_id == 0)
                return refuse(f, "holders are looked for of no mount");
        return (step->flags & ~(uint32_t) STEP_RECURSIVE) == 0 ? 0 : refuse(f, "a flag of another step");
}

int door_check_identify(const struct job *job, const struct step *step, struct failure *f) {
        if (step->source.kind != STEP_SOURCE_FD || step->source.fd >= job->n_fds)
                return refuse(f, "who is to be identified comes as a pidfd");
        return check_flags(step, f);
}

int door_check_open_tree(const struct job *job, const struct step *step, struct failure *f) {
        _cleanup_free_ char *normal = NULL;
        int r = check_container(step, f);

        if (r == 0 && (job->n_steps != 1 || !door_names_pod(job)))
                return refuse(f, "a tree is opened alone, and of a pod");
        if (r == 0 && (!step->target || path_normalize(step->target, &normal) != 0 || strcmp(step->target, normal) != 0))
                return refuse(f, "what is to be opened is no normalised absolute path");
        return r != 0 ? r : check_flags(step, f);
}
