/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STEP_LAYER_MOUNT: a layer is shown at <runtime>/layers/<id> with all that it stands on, as an overlay whose layers are
 * named by fds, or, if it stands on none, as a bind. Nothing is believed that is written in the xattrs of layers, whoever
 * has the mount made, for what is in them came from anywhere: no redirect is followed, no metadata stands for other data.
 *
 * Ids are mapped in what is read. What is written has the ids of whoever writes it: overlayfs works in its upper directory as
 * who mounted it, root, whom a mapping does not know.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "executor/layer.h"
#include "executor/mapping.h"
#include "executor/staging.h"
#include "kernel/detach.h"
#include "kernel/fscontext.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "kernel/tree.h"
#include "plan/layer.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

/* What an overlay is made of. */
struct stack {
        int *fds;          /* lower layers, topmost first… */
        bool *staged;      /* …and which of them are attached in the staging directory */
        size_t n;
        int upper, work;   /* or -1 */
};

static void drop(int fd, bool staged) {
        if (staged)
                (void) detach_fd(fd); /* the overlay has its own clone */
        (void) close_fd(fd);
}

static void stack_done(struct stack *stack) {
        for (size_t i = 0; i < stack->n; i++)
                drop(stack->fds[i], stack->staged[i]);
        free(stack->fds);
        free(stack->staged);
        (void) close_fd(stack->upper);
        (void) close_fd(stack->work);
}

static int open_part(struct run *run, const char *id, const char *part, int *ret_fd) {
        _cleanup_free_ char *path = path_join(id, part);
        int fd;

        if (!path)
                return log_oom();
        fd = resolve_beneath(run->executor->layers_fd, path, true);
        if (fd < 0)
                return run_fail(run, FAILURE_NO_SUCH_LAYER, -fd, "the directory of layer %s is not where podmount put it", id);
        *ret_fd = fd;
        return 0;
}

static int add_lower(struct run *run, size_t i, const char *id, struct stack *stack) {
        struct step_source source = {.kind = STEP_SOURCE_NONE, .path = run->job->steps[i].target};
        _cleanup_close_ int fd = -1;
        int r = open_part(run, id, "diff", &fd);

        if (r == 0 && run->job->steps[i].idmap.given)
                r = mapping_layer(run, i, &source, fd, &stack->fds[stack->n], &stack->staged[stack->n]);
        else if (r == 0)
                stack->fds[stack->n] = TAKE_FD(fd);
        if (r == 0)
                stack->n++;
        return r;
}

static int open_upper(struct run *run, size_t i, struct stack *stack) {
        const char *id = run->job->steps[i].target;
        int r = open_part(run, id, "diff", &stack->upper);

        return r != 0 ? r : open_part(run, id, "work", &stack->work);
}

static int open_stack(struct run *run, size_t i, struct stack *stack) {
        const struct step *step = &run->job->steps[i];
        size_t n = strv_length(step->stubs);
        int r;

        stack->fds = calloc(n + 1, sizeof(*stack->fds));
        stack->staged = calloc(n + 1, sizeof(*stack->staged));
        if (!stack->fds || !stack->staged)
                return log_oom();
        r = step->flags & STEP_LAYER_WRITABLE ? open_upper(run, i, stack) : add_lower(run, i, step->target, stack);
        for (size_t j = 0; j < n && r == 0; j++)
                r = add_lower(run, i, step->stubs[j], stack);
        return r;
}

static int configure(struct run *run, const struct step *step, const struct stack *stack, struct fscontext *context) {
        const struct features *features = &run->executor->features;
        _cleanup_free_ char *source = layer_source(step->serial);
        int r;

        if (!source)
                return -ENOMEM;
        r = fscontext_open(context, "overlay");
        if (r == 0)
                r = fscontext_set(context, "source", source);
        if (r == 0)
                r = fscontext_set(context, "redirect_dir", "nofollow");
        if (r == 0)
                r = fscontext_set(context, "metacopy", "off");
        for (size_t i = 0; i < step->n_options && r == 0; i++)
                r = fscontext_set(context, step->options[i].name, step->options[i].value);
        if (r == 0)
                r = fscontext_set_layers(context, stack->fds, stack->n, features->layer_fd, features->lowerdir_plus);
        if (r == 0 && stack->upper >= 0)
                r = fscontext_set_directory(context, "upperdir", stack->upper, features->layer_fd);
        if (r == 0 && stack->work >= 0)
                r = fscontext_set_directory(context, "workdir", stack->work, features->layer_fd);
        return r;
}

static int mount_overlay(struct run *run, size_t i, int *ret_mount) {
        const struct step *step = &run->job->steps[i];
        _cleanup_(stack_done) struct stack stack = {.upper = -1, .work = -1};
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        int mount = -1, r = open_stack(run, i, &stack);

        if (r != 0)
                return r;
        r = configure(run, step, &stack, &context);
        if (r == 0)
                mount = fscontext_mount(&context, step->attr_set);
        detach_leave(); /* joined layers were named relative to a working directory */
        if (r == 0 && mount >= 0) {
                *ret_mount = mount;
                return 0;
        }
        r = r < 0 ? r : mount;
        if (r == -E2BIG)
                return run_fail(run, FAILURE_NOT_SUPPORTED, -r,
                        "layer %s stands on %zu others, and this kernel takes fewer (no lowerdir+ of Linux 6.7): make one layer of several",
                        step->target, strv_length(step->stubs));
        return run_fail(run, r == -ENODEV ? FAILURE_NOT_SUPPORTED : FAILURE_MOUNT_FAILED, -r, "the overlay of layer %s cannot be made%s%s",
                step->target, context.words ? ", the kernel says: " : "", context.words ? context.words : "");
}

static int mount_bind(struct run *run, size_t i, int *ret_mount) {
        const struct step *step = &run->job->steps[i];
        struct step_source source = {.kind = STEP_SOURCE_NONE, .path = step->target};
        _cleanup_free_ char *path = path_join(step->target, "diff");
        _cleanup_close_ int fd = -1, mount = -1;
        int r;

        if (!path)
                return log_oom();
        fd = resolve_beneath(run->executor->layers_fd, path, true);
        mount = fd < 0 ? fd : tree_clone(fd, false);
        if (mount < 0) {
                r = mount;
                fd = fd < 0 ? -1 : fd;
                mount = -1;
                return layer_failed(run, "mounting", step->target, r);
        }
        /* The mount that layers lie on allows less than they may. */
        r = tree_set(mount, false, step->attr_set, MOUNT_ATTR_NOEXEC, MS_PRIVATE);
        if (r < 0)
                return layer_failed(run, "mounting", step->target, r);
        if (!(step->flags & STEP_LAYER_WRITABLE))
                r = mapping_apply(run, i, &source, mount, false);
        if (r == 0)
                *ret_mount = TAKE_FD(mount);
        return r;
}

/* Opens the mount point, which is made if it is missing, and is no mount yet. */
static int open_place(struct run *run, size_t i, int *ret_fd) {
        const char *id = run->job->steps[i].target;
        struct hand *hand = &run->hands[i];
        struct identity identity;
        int fd, r;

        hand->base = resolve_beneath(run->executor->runtime_fd, "layers", true);
        if (hand->base < 0) {
                r = hand->base;
                hand->base = -1;
                return log_errno(LOG_ERR, r, "open layers/ in the runtime directory");
        }
        if (mkdirat(hand->base, id, 0755) == 0)
                hand->rest = strdup(id);
        else if (errno != EEXIST)
                return log_errno(LOG_ERR, errno, "make layers/%s", id);
        if (!hand->rest)
                hand->base = close_fd(hand->base);
        fd = resolve_beneath(run->executor->runtime_fd, "layers", true);
        if (fd < 0)
                return log_errno(LOG_ERR, fd, "open layers/ in the runtime directory");
        r = identity_read(fd, id, run->executor->features.unique_id, &identity);
        if (r == 0 && identity.mount_root)
                r = -EEXIST;
        if (r == 0)
                r = resolve_beneath(fd, id, true);
        (void) close_fd(fd);
        if (r == -EEXIST)
                return run_fail(run, FAILURE_TARGET_IN_USE, 0, "something is mounted at layers/%s in the runtime directory already; unmount it", id);
        if (r < 0)
                return log_errno(LOG_ERR, r, "open layers/%s", id);
        *ret_fd = r;
        return 0;
}

int hand_layer_mount(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int mount = -1, place = -1;
        int r = layer_check(run);

        if (r == 0)
                r = run_check_labels(run, step);
        if (r != 0)
                return r;
        r = layer_is_of(run->executor->layers_fd, step->target, step->serial);
        if (r <= 0)
                return run_fail(run, FAILURE_NO_SUCH_LAYER, -r, "the directory of layer %s is not where podmount put it", step->target);
        r = step->stubs && step->stubs[0] ? mount_overlay(run, i, &mount) : mount_bind(run, i, &mount);
        if (r == 0)
                r = run_share(run, i, mount);
        if (r == 0)
                r = run_note(run, i, mount, NULL);
        if (r == 0)
                r = open_place(run, i, &place);
        return r == 0 ? run_attach(run, i, &mount, place) : r;
}
