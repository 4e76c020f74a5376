/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories that are made in a container, and removed again where they were made. What the steps cannot say is who
 * makes and removes: that is the caller of the job, by an opener. */

#include <string.h>

#include "executor/door.h"
#include "kernel/resolve.h"
#include "util/array.h"
#include "util/path.h"

static bool is_normal_below_root(const char *path) {
        _cleanup_free_ char *normal = NULL;

        return path && path_normalize(path, &normal) == 0 && strcmp(path, normal) == 0 && strcmp(path, "/") != 0;
}

static int refuse(struct failure *f, const char *what) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", what);
}

int door_check_mkdir(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];
        bool known = false;

        for (size_t j = 0; step->container && job->containers && job->containers[j]; j++)
                known |= strcmp(job->containers[j], step->container) == 0;
        if (!known || !name_is_valid(step->container))
                return refuse(f, "a directory in no container of this pod's");
        if (!is_normal_below_root(step->target))
                return refuse(f, "a directory is no normalised absolute path below the root");
        if (path_is_below(step->target, "/proc") || path_is_below(step->target, "/sys"))
                return refuse(f, "a directory in /proc or /sys");
        if (step->create < 0 || step->create >= _STEP_CREATE_MAX)
                return refuse(f, "a way of making directories that is not known");
        if (step->cover_step != STEP_NO_COVER && step->cover_step >= i)
                return refuse(f, "a directory lies on the mount of a later step");
        return step->flags == 0 ? 0 : refuse(f, "a directory has no flags");
}

int door_check_unmake(const struct job *job, const struct step *step, struct failure *f) {
        _cleanup_free_ char *normal = NULL;

        if (step->source.kind != STEP_SOURCE_PATH || !step->source.path ||
                path_normalize(step->source.path, &normal) != 0 || strcmp(step->source.path, normal) != 0)
                return refuse(f, "what was made is in no normalised absolute path");
        if (!job->caller.root && job->caller.uid == 0)
                return refuse(f, "the root of another place cannot name paths of the host");
        if (!is_normal_below_root(step->target) || step->made == 0 || step->made > resolve_count(step->target))
                return refuse(f, "what was made is no part of its path");
        return step->flags == 0 ? 0 : refuse(f, "what is removed has no flags");
}
