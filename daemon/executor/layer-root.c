/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STEP_ROOT of a layer. What is written goes into the layer, if it is a read-write one, or into a tmpfs, or nowhere. Mount
 * points that it lacks lie in a tmpfs below all others, so that they are in no layer, and in the difference of none.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "executor/layer-stack.h"
#include "executor/layer.h"
#include "executor/layered.h"
#include "util/log.h"

/* What the root is going to show, which nobody can write to. */
static int look(struct layered *on, const struct layer_stack *stack, int *ret_mount) {
        const uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        _cleanup_free_ int *fds = calloc(stack->n + 1, sizeof(*fds));
        size_t n = 0;

        if (!fds)
                return log_oom();
        if (stack->upper >= 0)
                fds[n++] = stack->upper;
        for (size_t i = 0; i < stack->n; i++)
                fds[n++] = stack->fds[i];
        if (n == 1)
                return layer_bind(on->run, on->index, attributes, ret_mount);
        return layer_stack_mount(on->run, on->index, fds, n, -1, -1, attributes, ret_mount);
}

/* Whether the kernel takes one layer more. */
static bool has_room(const struct layer_stack *stack) {
        return stack->n < JOB_LAYERS_MAX;
}

static int over_tmpfs(struct layered *on, struct layer_stack *stack, uint64_t attributes, int *ret_mount) {
        _cleanup_close_ int upper = -1, work = -1;
        int r = look(on, stack, &on->clone); /* whose root directory it is */

        if (r == 0)
                r = layered_upper(on, &upper, &work);
        on->clone = close_fd(on->clone);
        return r == 0 ? layer_stack_mount(on->run, on->index, stack->fds, stack->n, upper, work, attributes, ret_mount) : r;
}

/* Mount points that can be done without are, where there is no room for them. */
static int find_stubs(struct layered *on, struct layer_stack *stack) {
        bool needed;
        int r = 0;

        if (!on->step->stubs || !on->step->stubs[0] || !has_room(stack))
                return 0;
        r = look(on, stack, &on->clone);
        if (r == 0)
                r = layered_stubs(on, &needed);
        on->clone = close_fd(on->clone); /* an upper directory has one user at a time */
        return r;
}

static int with_stubs(struct layered *on, struct layer_stack *stack, uint64_t attributes, int *ret_mount, bool *ret_mapped) {
        size_t n;
        int r = find_stubs(on, stack);

        if (r != 0)
                return r;
        n = stack->n;
        if (on->made_stub)
                stack->fds[n++] = on->tmpfs; /* not the stack's */
        if (n == 0 || (n == 1 && stack->upper < 0)) {
                *ret_mapped = on->step->idmap.given && stack->upper < 0;
                return layer_bind(on->run, on->index, attributes, ret_mount);
        }
        return layer_stack_mount(on->run, on->index, stack->fds, n, stack->upper, stack->work, attributes, ret_mount);
}

int layer_root(struct run *run, size_t i, int *ret_mount, bool *ret_mapped) {
        const struct step *step = &run->job->steps[i];
        _cleanup_(layer_stack_done) struct layer_stack stack = LAYER_STACK_INIT;
        _cleanup_(layered_done) struct layered on = LAYERED_INIT(run, i);
        uint64_t attributes = run_attributes(run, step, 0);
        int r = layer_stack_open(run, i, &stack);

        if (r != 0)
                return r;
        r = step->flags & STEP_OVERLAY_TMPFS ? over_tmpfs(&on, &stack, attributes, ret_mount)
                                             : with_stubs(&on, &stack, attributes, ret_mount, ret_mapped);
        return r == 0 ? run_share(run, i, *ret_mount) : r;
}
