/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_FILESYSTEM: a new file system of one of the types that need no device, at a target. */

#include "executor/enter.h"
#include "executor/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "executor/copyup.h"
#include "executor/layered.h"
#include "executor/run.h"
#include "executor/target.h"
#include "kernel/fscontext.h"
#include "kernel/space.h"
#include "kernel/tree.h"
#include "util/log.h"

int filesystem_failed(
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

int filesystem_set_options(struct run *run, const struct step *step, struct fscontext *context) {
        for (size_t i = 0; i < step->n_options; i++) {
                const struct step_option *option = &step->options[i];
                char number[3 * sizeof(int) + 1];
                int r;

                if (option->fd != STEP_NO_FD) /* cannot be cut: sized for any int */
                        (void) snprintf(number, sizeof(number), "%d", run->fds[option->fd]);
                r = fscontext_set(context, option->name, option->fd != STEP_NO_FD ? number : option->value);
                if (r < 0)
                        return filesystem_failed(run, step, context, option->name, r);
        }
        return 0;
}

static int open_context(
        struct run *run, const struct step *step, struct fscontext *context, struct space_visit *visit) {
        int r;

        if (step->space.kind == STEP_SOURCE_FD)
                return filesystem_open_in(run, step, context, visit);
        r = fscontext_open(context, step->type);
        return r < 0 ? filesystem_failed(run, step, context, NULL, r) : 0;
}

static bool has_stubs(const struct step *step) {
        return step->stubs && step->stubs[0];
}

/* What a tmpfs gets only after its first content. */
static uint64_t late(const struct step *step) {
        return step->flags & STEP_COPY_UP || has_stubs(step) ? MOUNT_ATTR_RDONLY : 0;
}

static int make(struct run *run, const struct step *step, int *ret_mount) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        _cleanup_space_visit_ struct space_visit visit = SPACE_VISIT_INIT;
        const char *label = step->source.kind == STEP_SOURCE_NONE && step->source.path ? step->source.path : step->type;
        int r = open_context(run, step, &context, &visit), mount;

        if (r != 0)
                return r;
        r = fscontext_set(&context, "source", label);
        if (r < 0)
                return filesystem_failed(run, step, &context, "source", r);
        if (server_is_one(step)) {
                r = server_set_options(run, step, &context);
                if (r != 0)
                        return r;
        }
        r = filesystem_set_options(run, step, &context);
        if (r != 0)
                return r;
        mount = fscontext_mount(&context, run_attributes(run, step, 0) & ~late(step));
        if (mount < 0)
                return filesystem_failed(run, step, &context, NULL, mount);
        *ret_mount = mount;
        return 0;
}

static int make_devices(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int mount = -1, own = -1;
        int r = devices_make(run, step, &mount);

        if (r != 0)
                return r;
        own = fcntl(mount, F_DUPFD_CLOEXEC, 3);
        if (own < 0)
                return log_errno(LOG_ERR, errno, "duplicate a mount");
        r = run_place(run, i, &mount);
        return r == 0 ? devices_attach(run, step, own) : r;
}

/* Its mount points, and then what it gets only after them. */
static int fill(struct run *run, size_t i, int mount) {
        const struct step *step = &run->job->steps[i];
        int r = layered_fill(run, i, mount);

        if (r == 0 && run_attributes(run, step, 0) & late(step)) {
                r = tree_set(mount, false, late(step), 0, 0);
                if (r < 0)
                        return log_errno(LOG_ERR, r, "make a tmpfs that has content read-only");
        }
        return r;
}

/* The target is opened before the mount is noted, since it is what is copied. */
static int place_copy(struct run *run, size_t i, int *mount) {
        _cleanup_close_ int target = -1;
        int r = target_open(run, i, false, &target);

        if (r == 0)
                r = copyup_copy(run, i, *mount, target);
        if (r != 0)
                return r;
        r = fill(run, i, *mount);
        if (r != 0)
                return r;
        r = enter_lock(run, i, mount);
        if (r == 0)
                r = run_share(run, i, *mount);
        if (r == 0)
                r = run_note(run, i, *mount, NULL);
        return r == 0 ? run_attach(run, i, mount, target) : r;
}

static int make_and_place(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int mount = -1;
        int r = run_check_labels(run, step);

        if (r == 0 && strcmp(step->type, "devtmpfs") == 0)
                return make_devices(run, i);
        if (r == 0 && server_is_one(step))
                r = server_check(run, step);
        if (r == 0)
                r = make(run, step, &mount);
        if (r == 0 && step->flags & STEP_COPY_UP)
                return place_copy(run, i, &mount);
        if (r == 0 && has_stubs(step))
                r = fill(run, i, mount);
        if (r == 0)
                r = run_place(run, i, &mount);
        return r;
}

/* Whether the job goes on without it. A namespace that is full or a root that does not answer would be so for the next
 * one, too. */
static bool can_do_without(const struct run *run, size_t i, int r) {
        return r > 0 && run->job->steps[i].flags & STEP_OPTIONAL && !run->hands[i].placed &&
               r != FAILURE_QUOTA_EXCEEDED && r != FAILURE_TIMED_OUT;
}

int hand_filesystem(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        int r = make_and_place(run, i);

        if (!can_do_without(run, i, r))
                return r;
        r = run_warn(run, "The %s that every container has at %s is left out of container %s: %s", step->type, step->target,
                step->container, run->failure.text ? run->failure.text : "");
        run_undo_step(run, i);
        run_forgive(run);
        return r;
}
