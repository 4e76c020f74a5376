/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps on image layouts: each is alone in its job, and is about a directory that came along. It is opened as the caller, whoever the
 * front says that is. */

#include <string.h>

#include "executor/door.h"
#include "image/digest.h"
#include "image/platform.h"
#include "util/array.h"

static int refuse(struct failure *f, const char *what) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", what);
}

static int check_read(const struct step *step, struct failure *f) {
        _cleanup_platform_ struct platform platform = {};

        if (strv_length(step->stubs) != 2)
                return refuse(f, "an image without a reference and a platform");
        return !*step->stubs[1] || platform_parse(step->stubs[1], &platform) == 0 ? 0 : refuse(f, "a platform that is none");
}

static int check_blob(const struct step *step, struct failure *f) {
        struct digest digest;

        if (strv_length(step->stubs) != 1 || digest_parse(step->stubs[0], &digest) < 0)
                return refuse(f, "a blob without a digest");
        return 0;
}

int door_check_image(const struct job *job, const struct step *step, struct failure *f) {
        if (job->n_steps != 1 || job->uuid[0] != 0 || job->n_fds != 1)
                return refuse(f, "an image is read alone, and in no pod");
        if (step->source.kind != STEP_SOURCE_FD || step->source.fd != 0)
                return refuse(f, "an image layout is an fd that came along");
        return step->kind == STEP_IMAGE_READ ? check_read(step, f) : check_blob(step, f);
}
