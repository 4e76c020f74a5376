/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A namespace's file is on no mount of anybody's, and yet the kernel lets it be cloned, from whichever mount namespace. It lives
 * as long as the mount does: so whose it is matters as much as for entering it. */

#include "executor/pin.h"

#include <errno.h>
#include <sched.h>

#include "kernel/space.h"
#include "kernel/tree.h"

bool pin_is_meant(const struct step *step) {
        return (step->flags & STEP_HOST) && step->kind == STEP_BIND && step->source.kind == STEP_SOURCE_FD;
}

static int check(struct run *run, const struct step *step, int fd) {
        int r = space_is_host(fd);

        if (r == -EINVAL)
                return run_fail(run, FAILURE_INVALID_ARGS, 0,
                        "what came as the fd for %s is no namespace, and nothing else is mounted on the host from an fd; send one of "
                        "/proc/PID/ns, or name a path",
                        step->target);
        if (r == -EBADF || r == -ENOTTY)
                return run_fail(run, FAILURE_INVALID_ARGS, 0,
                        "the fd for %s was opened with O_PATH, and the kernel tells nothing of it; open it for reading", step->target);
        if (r != 0)
                return run_fail(run, FAILURE_ACCESS_DENIED, r < 0 ? -r : 0,
                        "the namespace for %s is the host's own%s; name that of a container", step->target,
                        r < 0 ? ", or cannot be told from it" : "");
        r = run->job->caller.root ? 1 : space_is_of(fd, run->job->caller.uid);
        if (r == 1)
                return 0;
        return run_fail(run, FAILURE_ACCESS_DENIED, r < 0 ? -r : 0,
                "the namespace for %s belongs to somebody else: only a user namespace that the caller made, and what one of those "
                "owns, can be bound",
                step->target);
}

int pin_clone(struct run *run, size_t i, int *ret_mount) {
        const struct step *step = &run->job->steps[i];
        int fd = run->fds[step->source.fd];
        int r = check(run, step, fd);

        if (r != 0)
                return r;
        r = tree_clone(fd, false);
        if (r < 0 && space_kind(fd) == CLONE_NEWNS)
                return run_fail(run, FAILURE_NOT_SUPPORTED, -r,
                        "the kernel does not let the mount namespace for %s be bound here", step->target);
        if (r < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "the namespace for %s cannot be cloned", step->target);
        *ret_mount = r;
        return 0;
}
