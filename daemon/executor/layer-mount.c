/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_LAYER_MOUNT: a layer is shown at <runtime>/layers/<id> with all that it stands on, as an overlay whose layers are
 * named by fds, or, if it stands on none, as a bind. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "executor/layer-stack.h"
#include "executor/layer.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "util/log.h"

static int mount_overlay(struct run *run, size_t i, int *ret_mount) {
        _cleanup_(layer_stack_done) struct layer_stack stack = LAYER_STACK_INIT;
        int r = layer_stack_open(run, i, &stack);

        if (r != 0)
                return r;
        return layer_stack_mount(run, i, stack.fds, stack.n, stack.upper, stack.work, run->job->steps[i].attr_set, ret_mount);
}

static int mount_bind(struct run *run, size_t i, int *ret_mount) {
        int r = layer_stack_check(run, i);

        return r == 0 ? layer_bind(run, i, run->job->steps[i].attr_set, ret_mount) : r;
}

/* Makes the mount point in layers/, if it is missing: then it is undone with the step. */
static int make_place(struct hand *hand, int directory, const char *id) {
        _cleanup_free_ char *rest = strdup(id);
        _cleanup_close_ int base = fcntl(directory, F_DUPFD_CLOEXEC, 3);

        if (!rest)
                return log_oom();
        if (base < 0)
                return log_errno(LOG_ERR, errno, "keep layers/ in the runtime directory open");
        if (mkdirat(directory, id, 0755) < 0)
                return errno == EEXIST ? 0 : log_errno(LOG_ERR, errno, "make layers/%s", id);
        hand->base = TAKE_FD(base);
        hand->rest = TAKE_PTR(rest);
        return 0;
}

/* Opens the mount point, which is no mount yet. */
static int open_place(struct run *run, size_t i, int *ret_fd) {
        const char *text = run->job->steps[i].target, *colon = strrchr(text, ':'), *id = colon ? colon + 1 : text; /* a reference */
        _cleanup_close_ int directory = resolve_beneath(run->executor->runtime_fd, "layers", true);
        struct identity identity;
        int r;

        if (directory < 0)
                return log_errno(LOG_ERR, directory, "open layers/ in the runtime directory");
        r = make_place(&run->hands[i], directory, id);
        if (r < 0)
                return r;
        r = identity_read(directory, id, run->executor->features.unique_id, &identity);
        if (r == 0 && identity.mount_root)
                r = -EEXIST;
        if (r == 0)
                r = resolve_beneath(directory, id, true);
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
        int r = step->stubs && step->stubs[0] ? mount_overlay(run, i, &mount) : mount_bind(run, i, &mount);

        if (r == 0)
                r = run_share(run, i, mount);
        if (r == 0)
                r = run_note(run, i, mount, NULL);
        if (r == 0)
                r = open_place(run, i, &place);
        return r == 0 ? run_attach(run, i, &mount, place) : r;
}
