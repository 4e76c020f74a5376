/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nothing is believed that is written in the xattrs of layers, whoever has the mount made, for what is in them came from
 * anywhere: no redirect is followed, no metadata stands for other data.
 *
 * Ids are mapped in what is read. What is written has the ids of whoever writes it: overlayfs works in its upper directory as
 * who mounted it, root, whom a mapping does not know.
 */

#include "executor/layer-stack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "executor/layer.h"
#include "executor/mapping.h"
#include "executor/staging.h"
#include "kernel/detach.h"
#include "kernel/fscontext.h"
#include "kernel/resolve.h"
#include "kernel/tree.h"
#include "plan/layer.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

/* The two kinds of step keep the same things in different places. */
static const char *reference_of(const struct step *step) {
        return step->kind == STEP_ROOT ? step->source.path : step->target;
}

/* For people. */
static const char *id_of(const struct step *step) {
        const char *text = reference_of(step), *colon = strrchr(text, ':');

        return colon ? colon + 1 : text;
}

static uint64_t number_of(const struct step *step) {
        return step->kind == STEP_ROOT ? step->source.id : step->serial;
}

static size_t count_below(const struct step *step) {
        return step->kind == STEP_ROOT ? step->n_layers : strv_length(step->stubs);
}

static const char *below(const struct step *step, size_t i) {
        return step->kind == STEP_ROOT ? step->layers[i].path : step->stubs[i];
}

static void drop(int fd, bool staged) {
        if (staged)
                staging_leave(fd); /* the overlay has its own clone */
        (void) close_fd(fd);
}

void layer_stack_done(struct layer_stack *stack) {
        for (size_t i = 0; i < stack->n; i++)
                drop(stack->fds[i], stack->staged[i]);
        free(stack->fds);
        free(stack->staged);
        (void) close_fd(stack->upper);
        (void) close_fd(stack->work);
}

static int open_part(struct run *run, const char *reference, const char *part, int *ret_fd) {
        _cleanup_free_ char *path = NULL;
        const char *id;
        int layers, fd, r = layer_locate(run, reference, &layers, &id);

        if (r != 0)
                return r;
        path = path_join(id, part);
        if (!path)
                return log_oom();
        fd = resolve_beneath(layers, path, true);
        if (fd < 0)
                return run_fail(run, FAILURE_NO_SUCH_LAYER, -fd, "the directory of layer %s is not where podmount put it", id);
        *ret_fd = fd;
        return 0;
}

static int add_lower(struct run *run, size_t i, const char *reference, struct layer_stack *stack) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int fd = -1;
        int r = open_part(run, reference, "diff", &fd);

        if (r == 0 && step->idmap.given) {
                _cleanup_free_ char *name = strdup(id_of(step));
                struct step_source source = {.kind = STEP_SOURCE_LAYER, .path = name};

                r = name ? mapping_layer(run, i, &source, fd, &stack->fds[stack->n], &stack->staged[stack->n]) : log_oom();
        } else if (r == 0)
                stack->fds[stack->n] = TAKE_FD(fd);
        if (r == 0)
                stack->n++;
        return r;
}

static int open_upper(struct run *run, const char *id, struct layer_stack *stack) {
        int r = open_part(run, id, "diff", &stack->upper);

        return r != 0 ? r : open_part(run, id, "work", &stack->work);
}

int layer_stack_check(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        const char *id;
        int layers, r = layer_locate(run, reference_of(step), &layers, &id);

        if (r == 0)
                r = run_check_labels(run, step);
        if (r != 0)
                return r;
        r = layer_is_of(layers, id, number_of(step));
        if (r > 0)
                return 0;
        return run_fail(run, FAILURE_NO_SUCH_LAYER, -r, "the directory of layer %s is not where podmount put it", id_of(step));
}

int layer_stack_open(struct run *run, size_t i, struct layer_stack *ret) {
        const struct step *step = &run->job->steps[i];
        size_t n = count_below(step);
        int r = layer_stack_check(run, i);

        if (r != 0)
                return r;
        ret->fds = calloc(n + 2, sizeof(*ret->fds));
        ret->staged = calloc(n + 2, sizeof(*ret->staged));
        if (!ret->fds || !ret->staged)
                return log_oom();
        r = step->flags & STEP_LAYER_WRITABLE ? open_upper(run, reference_of(step), ret) : add_lower(run, i, reference_of(step), ret);
        for (size_t j = 0; j < n && r == 0; j++)
                r = add_lower(run, i, below(step, j), ret);
        return r;
}

/* All that a parameter of the kernel module may have made the default and that changes what is believed of a layer, or written beside it.
 * An index, which nfs_export needs, names what an upper directory was first mounted on: such a one could not be mounted again on a copy of that, as on
 * another host, nor after its layer was exchanged for what a tar made of it. (xino changes inode numbers alone.) */
static const struct {
        const char *name, *value;
} settled[] = {{"redirect_dir", "nofollow"}, {"metacopy", "off"}, {"index", "off"}, {"nfs_export", "off"}};

static int configure(struct run *run, const struct step *step, const int *lower, size_t n, int upper, int work,
        struct fscontext *context) {
        const struct features *features = &run->executor->features;
        _cleanup_free_ char *source = layer_source(strchr(reference_of(step), ':'), number_of(step));
        int r;

        if (!source)
                return -ENOMEM;
        r = fscontext_open(context, "overlay");
        if (r == 0)
                r = fscontext_set(context, "source", source);
        for (size_t i = 0; i < ELEMENTSOF(settled) && r == 0; i++)
                r = fscontext_set(context, settled[i].name, settled[i].value);
        for (size_t i = 0; i < step->n_options && r == 0; i++)
                r = fscontext_set(context, step->options[i].name, step->options[i].value);
        if (r == 0)
                r = fscontext_set_layers(context, lower, n, features->layer_fd, features->lowerdir_plus);
        if (r == 0 && upper >= 0)
                r = fscontext_set_directory(context, "upperdir", upper, features->layer_fd);
        if (r == 0 && work >= 0)
                r = fscontext_set_directory(context, "workdir", work, features->layer_fd);
        return r;
}

int layer_stack_mount(struct run *run, size_t i, const int *lower, size_t n, int upper, int work, uint64_t attributes, int *ret_mount) {
        const struct step *step = &run->job->steps[i];
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        int mount = -1, r = configure(run, step, lower, n, upper, work, &context);

        if (r == 0)
                mount = fscontext_mount(&context, attributes);
        detach_leave(); /* joined layers were named relative to a working directory */
        if (r == 0 && mount >= 0) {
                *ret_mount = mount;
                return 0;
        }
        r = r < 0 ? r : mount;
        if (r == -E2BIG)
                return run_fail(run, FAILURE_NOT_SUPPORTED, -r,
                        "layer %s stands on %zu others, and this kernel takes fewer (no lowerdir+ of Linux 6.7): make one layer of several",
                        id_of(step), count_below(step));
        return run_fail(run, r == -ENODEV ? FAILURE_NOT_SUPPORTED : FAILURE_MOUNT_FAILED, -r, "the overlay of layer %s cannot be made%s%s",
                id_of(step), context.words ? ", the kernel says: " : "", context.words ? context.words : "");
}

static int close_all(int *fds, size_t n, int r) {
        for (size_t i = 0; i < n; i++)
                (void) close_fd(fds[i]);
        free(fds);
        return r;
}

int layer_merge(struct run *run, size_t i, const char *const *ids, size_t n, int *ret_fd) {
        const uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        int *fds = calloc(n + 1, sizeof(*fds)), r = fds ? 0 : log_oom();
        _cleanup_close_ int mount = -1;
        size_t opened = 0;

        while (opened < n && r == 0) {
                r = open_part(run, ids[opened], "diff", &fds[opened]);
                opened += r == 0;
        }
        if (r == 0 && n > 1)
                r = layer_stack_mount(run, i, fds, n, -1, -1, attributes, &mount);
        if (r == 0) {
                *ret_fd = openat(n > 1 ? mount : fds[0], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (*ret_fd < 0)
                        r = log_errno(LOG_ERR, errno, "open what layer %s is read beside", id_of(&run->job->steps[i]));
        }
        return close_all(fds, opened, r);
}

/* An overlay of several layers; of one a clone, which it may be already. */
static int mount_shown(struct run *run, size_t i, const struct layer_stack *stack, bool mapped, int *ret_mount) {
        const uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        int r;

        if (stack->n > 1)
                return layer_stack_mount(run, i, stack->fds, stack->n, stack->upper, stack->work, attributes, ret_mount);
        r = mapped ? fcntl(stack->fds[0], F_DUPFD_CLOEXEC, 0) : tree_clone(stack->fds[0], false);
        if (r == -1 && mapped)
                r = -errno;
        if (r < 0)
                return layer_failed(run, "reading", id_of(&run->job->steps[i]), r);
        *ret_mount = r;
        r = tree_set(*ret_mount, false, attributes, 0, MS_PRIVATE);
        return r < 0 ? layer_failed(run, "reading", id_of(&run->job->steps[i]), r) : 0;
}

/* A read-write layer may stand on as many as there may be lower ones: it is the upper one then, as when it is mounted. */
static int open_own(struct run *run, const struct step *step, struct layer_stack *stack) {
        int r;

        if (step->n_layers == JOB_LAYERS_MAX)
                return open_upper(run, step->target, stack);
        r = open_part(run, step->target, "diff", &stack->fds[0]);
        stack->n = r == 0;
        return r;
}

int layer_show(struct run *run, size_t i, bool own, int *ret_fd) {
        const struct step *step = &run->job->steps[i];
        _cleanup_(layer_stack_done) struct layer_stack stack = LAYER_STACK_INIT;
        _cleanup_close_ int mount = -1;
        int r = 0;

        stack.fds = calloc(step->n_layers + 1, sizeof(*stack.fds));
        stack.staged = calloc(step->n_layers + 1, sizeof(*stack.staged));
        if (!stack.fds || !stack.staged)
                return log_oom();
        if (own)
                r = open_own(run, step, &stack);
        for (size_t j = 0; j < step->n_layers && r == 0; j++)
                r = add_lower(run, i, step->layers[j].path, &stack);
        if (r == 0)
                r = mount_shown(run, i, &stack, !own && step->idmap.given, &mount);
        if (r != 0)
                return r;
        *ret_fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (*ret_fd < 0 && errno == EACCES && step->idmap.given) /* nobody has the powers of such an owner */
                return run_fail(run, FAILURE_INVALID_ARGS, 0, "the owner of the root directory that layer %s stands on is not in the uid-map or gid-map of the layer",
                        step->target);
        return *ret_fd < 0 ? layer_failed(run, "reading", step->target, -errno) : 0;
}

int layer_show_own(struct run *run, size_t i, int *ret_fd) {
        const struct step *step = &run->job->steps[i];
        _cleanup_(layer_stack_done) struct layer_stack stack = LAYER_STACK_INIT;
        _cleanup_close_ int mount = -1;
        int r;

        stack.fds = calloc(1, sizeof(*stack.fds));
        stack.staged = calloc(1, sizeof(*stack.staged));
        if (!stack.fds || !stack.staged)
                return log_oom();
        r = open_part(run, step->target, "diff", &stack.fds[0]);
        stack.n = r == 0;
        if (r == 0)
                r = mount_shown(run, i, &stack, false, &mount);
        if (r != 0)
                return r;
        *ret_fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return *ret_fd < 0 ? layer_failed(run, "reading", step->target, -errno) : 0;
}

int layer_bind(struct run *run, size_t i, uint64_t attributes, int *ret_mount) {
        const uint64_t less = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        const struct step *step = &run->job->steps[i];
        _cleanup_free_ char *name = strdup(id_of(step));
        struct step_source source = {.kind = STEP_SOURCE_LAYER, .path = name};
        _cleanup_close_ int fd = -1, mount = -1;
        int r = name ? open_part(run, reference_of(step), "diff", &fd) : log_oom();

        if (r != 0)
                return r;
        mount = tree_clone(fd, false);
        if (mount < 0) {
                r = mount;
                mount = -1;
                return layer_failed(run, "mounting", id_of(step), r);
        }
        /* The mount that layers lie on allows less than they may. */
        r = tree_set(mount, false, attributes, less & ~attributes, MS_PRIVATE);
        if (r < 0)
                return layer_failed(run, "mounting", id_of(step), r);
        if (!(step->flags & STEP_LAYER_WRITABLE))
                r = mapping_apply(run, i, &source, mount, false);
        if (r == 0)
                *ret_mount = TAKE_FD(mount);
        return r;
}
