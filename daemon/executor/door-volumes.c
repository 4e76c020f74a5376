/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes have a place of their own in the pod, which is no container: only what a volume can be is put there, and only
 * binds come from there. */

#include <string.h>

#include "executor/door.h"
#include "spec/spec.h"
#include "util/path.h"

static int refuse(struct failure *f, const char *what) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", what);
}

static bool has_place(const struct job *job) {
        for (size_t i = 0; job->containers && job->containers[i]; i++)
                if (strcmp(job->containers[i], SPEC_VOLUMES) == 0)
                        return true;
        return false;
}

bool door_is_volume(const struct step *step) {
        return step->container && strcmp(step->container, SPEC_VOLUMES) == 0;
}

int door_check_volume(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];

        if (job->steps[0].kind == STEP_CONTAINER || (job->steps[0].kind == STEP_TREE && !has_place(job)))
                return refuse(f, "a volume comes with its pod");
        if (step->flags & (STEP_BENEATH | STEP_STACK | STEP_COPY_UP | STEP_TARGET_NOFOLLOW))
                return refuse(f, "a volume is mounted where nothing is");
        if (!step->target || step->target[0] != '/' || !name_is_valid(step->target + 1))
                return refuse(f, "a volume's name is none");
        if (step->source.kind == STEP_SOURCE_VOLUME)
                return refuse(f, "a volume of a volume");
        return 0;
}

int door_check_volume_source(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];

        if (!step->source.path || !name_is_valid(step->source.path))
                return refuse(f, "a volume's name is none");
        if ((step->flags & (STEP_OVERLAY_TMPFS | STEP_SOURCE_NOFOLLOW)) || (step->stubs && step->stubs[0]))
                return refuse(f, "an overlay of a volume");
        if (job->steps[0].kind != STEP_TREE)
                return step->source.id != 0 ? 0 : refuse(f, "a volume without its id");
        for (size_t j = 0; j < i && step->source.id == 0; j++)
                if (door_is_volume(&job->steps[j]) && strcmp(job->steps[j].target + 1, step->source.path) == 0)
                        return 0;
        return refuse(f, "a volume that no step before has made");
}
