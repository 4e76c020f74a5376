/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cgroups: one name below the parent that the configuration says, or below systemd's unit, which the front has no hand in. */

#include <string.h>

#include "executor/door.h"
#include "spec/spec.h"
#include "util/path.h"

static int refuse(struct failure *f, const char *what) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", what);
}

static bool is_parent(const struct step_source *source) {
        _cleanup_free_ char *normal = NULL;

        if (source->kind == STEP_SOURCE_NONE)
                return !source->path;
        return source->kind == STEP_SOURCE_PATH && path_normalize(source->path, &normal) == 0 && strcmp(source->path, normal) == 0 &&
               strcmp(normal, "/") != 0;
}

static int check_shape(const struct step *step, struct failure *f) {
        if (!spec_cgroup_is_name(step->target))
                return refuse(f, "a cgroup has a name of one component");
        return is_parent(&step->source) ? 0 : refuse(f, "a cgroup lies below no parent");
}

/* With the pod, or, of one that stands, again: then nothing else is in the job. */
static int check_make(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];
        const bool again = job->steps[0].kind == STEP_CGROUP_MAKE;

        if (!again && job->steps[0].kind != STEP_TREE)
                return refuse(f, "a cgroup comes with its pod");
        for (size_t j = 0; again && j < job->n_steps; j++)
                if (job->steps[j].kind != STEP_CGROUP_MAKE)
                        return refuse(f, "cgroups are made again in a job of their own");
        if (step->flags != (again ? STEP_OPTIONAL : 0))
                return refuse(f, "a cgroup that may be there is one that is made again");
        return check_shape(step, f);
}

int door_check_cgroup(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];

        if (step->kind == STEP_CGROUP_MAKE)
                return check_make(job, i, f);
        return step->flags == 0 ? check_shape(step, f) : refuse(f, "a cgroup that is removed has no flags");
}

bool door_cgroup_is_granted(const struct step *step, const struct executor_grants *grants) {
        char parent[PREFIXES_SIZE];

        if (!grants)
                return false;
        if (grants->cgroups_of_systemd)
                return step->source.kind == STEP_SOURCE_NONE;
        grants_cgroup_parent(grants, parent);
        return step->source.kind == STEP_SOURCE_PATH && strcmp(step->source.path, parent) == 0;
}

int door_check_cgroups(const struct job *job, const struct executor_grants *grants, uint32_t *ret_step, struct failure *f) {
        for (size_t i = 0; i < job->n_steps; i++) {
                const struct step *step = &job->steps[i];

                if (step->kind != STEP_CGROUP_MAKE || door_cgroup_is_granted(step, grants))
                        continue;
                *ret_step = (uint32_t) i;
                return failure_set(f, FAILURE_INVALID_TARGET,
                        "cgroup %s is not made: %s is not the parent that CgroupParent= of podmountd.conf(5) or systemd's unit is", step->target,
                        step->source.path ?: "the unit");
        }
        return 0;
}
