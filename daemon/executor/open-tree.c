/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_OPEN_TREE: a clone of a part of a container, for the caller to keep. Root gets a plain one. Anybody else could make
 * it what the pod's owner may not have, so it gets one that the kernel has locked, or none. Nothing of it is recorded:
 * the fd is all that there is. */

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "executor/run.h"
#include "kernel/gift.h"
#include "kernel/resolve.h"
#include "kernel/submounts.h"
#include "kernel/tree.h"
#include "util/log.h"

#define STATVFS_NOSYMFOLLOW 0x2000 /* ST_NOSYMFOLLOW of the kernel; glibc 2.36 does not name it */

static int not_found(struct run *run, const struct step *step, int r) {
        if (r == -ENOENT || r == -ENOTDIR)
                return run_fail(run, FAILURE_INVALID_TARGET, -r, "container %s has no %s", step->container, step->target);
        return run_fail(run, FAILURE_INVALID_TARGET, -r, "%s in container %s cannot be opened", step->target, step->container);
}

/* The one attribute that the kernel has no lock for. */
static int check_lockable(struct run *run, const struct step *step, int place) {
        struct submounts below = {};
        struct statvfs status;
        struct stat file;
        int r;

        if (fstatvfs(place, &status) < 0 || fstat(place, &file) < 0)
                return not_found(run, step, -errno);
        if (S_ISDIR(file.st_mode)) {
                r = submounts_read(place, run->executor->features.statmount, &below);
                if (r < 0)
                        return r;
        }
        if ((status.f_flag & STATVFS_NOSYMFOLLOW) || below.nosymfollow)
                return run_fail(run, FAILURE_ACCESS_DENIED, 0,
                        "%s in container %s, or a mount below it, is nosymfollow, which the kernel cannot lock; open a part "
                        "without it",
                        step->target, step->container);
        return 0;
}

static int clone_failed(struct run *run, const struct step *step, int r) {
        return run_fail(run, run->job->caller.root ? FAILURE_MOUNT_FAILED : FAILURE_ACCESS_DENIED, -r,
                "%s in container %s cannot be cloned with its flags locked%s", step->target, step->container,
                r == -EPERM ? " (is there an unbindable mount below it, or are user namespaces off?)" : "");
}

static int clone_open(struct run *run, int root, const char *path, int place) {
        int fd, r;

        if (!run->job->caller.root)
                return gift_clone(root, path);
        fd = tree_clone(place, true);
        if (fd < 0)
                return fd;
        r = tree_set(fd, true, 0, 0, MS_PRIVATE);
        if (r < 0)
                (void) close_fd(fd);
        return r < 0 ? r : fd;
}

int hand_open_tree(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int place = -1;
        int root, fd, r;

        r = run_container_root(run, step->container, &root);
        if (r != 0)
                return r;
        place = resolve_in_root(root, step->target);
        if (place < 0)
                return not_found(run, step, place);
        r = run->job->caller.root ? 0 : check_lockable(run, step, place);
        if (r != 0)
                return r;
        fd = clone_open(run, root, step->target, place);
        if (fd < 0)
                return clone_failed(run, step, fd);
        return run_answer_fd(run, fd);
}
