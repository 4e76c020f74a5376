/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A namespace's file is on no mount of anybody's, and yet the kernel lets it be cloned, from whichever mount namespace. It lives
 * as long as the mount does: so whose it is matters as much as for entering it. */

#include "executor/pin.h"

#include <errno.h>
#include <sched.h>

#include "executor/source.h"
#include "executor/target.h"
#include "kernel/namespaces.h"
#include "kernel/space.h"
#include "kernel/tree.h"

bool pin_is_meant(const struct step *step) {
        return (step->flags & STEP_HOST) && step->kind == STEP_BIND && step->source.kind == STEP_SOURCE_FD;
}

int pin_check(struct run *run, const char *what, int fd) {
        int r = space_is_host(fd);

        if (r == -EINVAL)
                return run_fail(run, FAILURE_INVALID_ARGS, 0,
                        "%s for %s is no namespace, and nothing else is mounted on the host from an fd; send one of "
                        "/proc/PID/ns, or name a path",
                        source_name(run, &run->at->source), what);
        if (r == -EBADF || r == -ENOTTY)
                return run_fail(run, FAILURE_INVALID_ARGS, 0,
                        "%s for %s was opened with O_PATH, and the kernel tells nothing of it; open it for reading",
                        source_name(run, &run->at->source), what);
        if (r != 0)
                return run_fail(run, FAILURE_ACCESS_DENIED, r < 0 ? -r : 0,
                        "the namespace for %s is the host's own%s; name that of a container", what,
                        r < 0 ? ", or cannot be told from it" : "");
        r = run->job->caller.root ? 1 : space_is_of(fd, run->job->caller.uid);
        if (r == 1)
                return 0;
        return run_fail(run, FAILURE_ACCESS_DENIED, r < 0 ? -r : 0,
                "the namespace for %s belongs to somebody else: only a user namespace that the caller made, and what one of those "
                "owns, can be bound",
                what);
}

static int clone_namespace(struct run *run, const struct step *step, int fd, int *ret_mount) {
        int r = pin_check(run, step->target, fd);

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

int pin_clone(struct run *run, size_t i, int *ret_mount) {
        const struct step *step = &run->job->steps[i];

        return clone_namespace(run, step, run->fds[step->source.fd], ret_mount);
}

/* That of the process. */
int pin_open_namespace(struct run *run, const struct step *step, const char *kind, int *ret) {
        int r = namespaces_open_one(run->fds[step->source.fd], kind);

        if (r >= 0) {
                *ret = r;
                return 0;
        }
        switch (-r) {
        case EBADF:
                return run_fail(run, FAILURE_INVALID_ARGS, 0, "%s, which names the process, is no pidfd; send one of pidfd_open(2)",
                                source_name(run, &step->source));
        case ESRCH:
                return run_fail(run, FAILURE_INVALID_ARGS, -r, "the process whose %s namespace is meant for %s has ended, or has none",
                        kind, step->target);
        default:
                return run_fail(run, FAILURE_ACCESS_DENIED, -r, "the %s namespace for %s cannot be opened", kind, step->target);
        }
}

int hand_pin(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int fd = -1, mount = -1, target = -1;
        int r = pin_open_namespace(run, step, step->type, &fd);

        if (r == 0)
                r = clone_namespace(run, step, fd, &mount);
        if (r == 0)
                r = run_dress(run, i, mount, false);
        if (r == 0)
                r = run_note(run, i, mount, NULL);
        if (r == 0)
                r = target_open(run, i, true, &target);
        return r == 0 ? run_attach(run, i, &mount, target) : r;
}
