/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_FILESYSTEM: a new file system of one of the types that need no device, at a target. */

#include <errno.h>

#include "executor/run.h"
#include "kernel/fscontext.h"
#include "util/log.h"

static int make_failed(
        struct run *run, const struct step *step, const struct fscontext *context, const char *option, int r) {
        const char *words = context->words;

        if (r == -ENODEV)
                return run_fail(
                        run, FAILURE_NOT_SUPPORTED, -r, "this kernel has no file system of type %s", step->type);
        if (option && r == -E2BIG)
                return run_fail(run, FAILURE_INVALID_OPTION, -r, "the value of option %s of %s is longer than %d bytes",
                        option, step->target, FSCONTEXT_VALUE_MAX);
        if (option)
                return run_fail(run, FAILURE_INVALID_OPTION, -r, "%s does not take option %s of %s%s%s", step->type,
                        option, step->target, words ? ", the kernel says: " : "", words ? words : "");
        return run_fail(run, FAILURE_MOUNT_FAILED, -r, "making the %s of %s failed%s%s", step->type, step->target,
                words ? ", the kernel says: " : "", words ? words : "");
}

static int make(struct run *run, const struct step *step, int *ret_mount) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        const char *label = step->source.kind == STEP_SOURCE_NONE && step->source.path ? step->source.path : step->type;
        int r = fscontext_open(&context, step->type), mount;

        if (r < 0)
                return make_failed(run, step, &context, NULL, r);
        r = fscontext_set(&context, "source", label);
        if (r < 0)
                return make_failed(run, step, &context, "source", r);
        for (size_t i = 0; i < step->n_options; i++) {
                r = fscontext_set(&context, step->options[i].name, step->options[i].value);
                if (r < 0)
                        return make_failed(run, step, &context, step->options[i].name, r);
        }
        mount = fscontext_mount(&context, run_attributes(run, step, 0));
        if (mount < 0)
                return make_failed(run, step, &context, NULL, mount);
        *ret_mount = mount;
        return 0;
}

int hand_filesystem(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int mount = -1;
        int r = run_check_labels(run, step);

        if (r == 0)
                r = make(run, step, &mount);

        return r == 0 ? run_place(run, i, &mount) : r;
}
