/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs that read an image layout. */

#include "plan/layer.h"
#include "util/array.h"
#include "util/log.h"

static int plan(uint64_t job, const struct job_caller *caller, enum step_kind kind, struct job **ret) {
        _cleanup_(job_freep) struct job *made = job_new();
        struct step *step = made ? job_add(made, kind) : NULL;
        int r;

        if (!step)
                return log_oom();
        made->id = job;
        made->n_fds = 1;
        step->source = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = 0};
        r = plan_copy_caller(caller, &made->caller);
        if (r == 0)
                *ret = TAKE_PTR(made);
        return r;
}

int plan_image_read(uint64_t job, const struct job_caller *caller, const char *reference, const char *platform, struct job **ret) {
        _cleanup_(job_freep) struct job *made = NULL;
        int r = plan(job, caller, STEP_IMAGE_READ, &made);

        if (r == 0)
                r = strv_append(&made->steps[0].stubs, reference);
        if (r == 0)
                r = strv_append(&made->steps[0].stubs, platform);
        if (r == 0)
                *ret = TAKE_PTR(made);
        return r < 0 ? log_oom() : 0;
}

int plan_image_blob(uint64_t job, const struct job_caller *caller, const char *digest, uint64_t size, struct job **ret) {
        _cleanup_(job_freep) struct job *made = NULL;
        int r = plan(job, caller, STEP_IMAGE_BLOB, &made);

        if (r == 0)
                r = strv_append(&made->steps[0].stubs, digest);
        if (r < 0)
                return log_oom();
        made->steps[0].size = size;
        *ret = TAKE_PTR(made);
        return 0;
}
