/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps in the mount namespaces of containers. Whose a namespace is, the hands ask the kernel (enter.c). */

#include <string.h>

#include "executor/door.h"
#include "util/path.h"

static int refuse(struct failure *f, const char *what) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", what);
}

/* What is made in a namespace comes of one step each, on what is there or what this job has made there before: podmount
 * knows nothing of the other file systems of a namespace, and modifies none. */
static int check_made(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];

        if (step->kind == STEP_SEEK)
                return 0; /* beside a question where the fd leads */
        if (step->kind != STEP_BIND && step->kind != STEP_FILESYSTEM && step->kind != STEP_IMAGE && step->kind != STEP_OVERLAY)
                return refuse(f, "a step that cannot be done in another mount namespace");
        if (step->kind == STEP_FILESYSTEM && step->type && strcmp(step->type, "devtmpfs") == 0)
                return refuse(f, "a /dev of the pod's own is not made in one step");
        if (!step->container || strcmp(step->container, job->steps[0].container) != 0)
                return refuse(f, "a mount namespace of another container");
        if (step->create == STEP_CREATE_NEVER || step->create == STEP_CREATE_STUB)
                return 0;
        if (step->create != STEP_CREATE_FREELY || step->cover_step == STEP_NO_COVER || step->cover_step == 0)
                return refuse(f, "a mount point that would be made on a file system of the container's");
        return 0;
}

static int check_enter(const struct job *job, struct failure *f) {
        const struct step *step = &job->steps[0];
        int r = 0;

        if (!step->container || !name_is_valid(step->container))
                return refuse(f, "a container's name is none");
        if (step->source.kind != STEP_SOURCE_FD || step->source.fd >= job->n_fds)
                return refuse(f, "where to mount comes as an fd");
        if (!job->caller.root && job->caller.uid == 0)
                return refuse(f, "the root of another place owns no mount namespace");
        for (size_t i = 1; i < job->n_steps && r == 0; i++)
                r = check_made(job, i, f);
        return r;
}

int door_check_inside(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];

        if (step->kind == STEP_ENTER)
                return i == 0 ? check_enter(job, f) : refuse(f, "a mount namespace is entered first");
        if (step->id == 0 || step->namespace == 0)
                return refuse(f, "a mount of another mount namespace is known by the ids of both");
        return 0;
}
