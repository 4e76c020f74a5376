/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_MASK and STEP_READONLY: paths of a container that are hidden, or that nobody writes to, as the OCI runtime
 * specification has them (config-linux.md). A path that is not there needs neither. */

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "executor/run.h"
#include "executor/target.h"
#include "kernel/fscontext.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "kernel/tree.h"
#include "util/log.h"

enum { MASK_SIZE = 4096, MASK_INODES = 1 }; /* the root of an empty tmpfs */

#define MASK_ATTRIBUTES (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)

/* The target, -1 with 0 if there is none. */
static int find(struct run *run, const struct step *step, int *ret_fd) {
        int root, fd, r = run_container_root(run, step->container, &root);

        if (r != 0)
                return r;
        *ret_fd = -1;
        fd = resolve_in_root(root, step->target);
        if (fd == -ENOENT || fd == -ENOTDIR)
                return 0;
        if (fd < 0)
                return target_failed(run, step, step->target, fd);
        *ret_fd = fd;
        return 0;
}

/* The host's /dev/null, if that is what it is. */
static int clone_null(void) {
        _cleanup_close_ int fd = resolve_source("/dev/null");
        struct stat status;

        if (fd < 0)
                return fd;
        if (fstat(fd, &status) < 0)
                return -errno;
        if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3))
                return -ENODEV;
        return tree_clone(fd, false);
}

static int make_mask(bool directory) {
        int mount, r;

        if (directory)
                return fscontext_tmpfs(
                        MASK_SIZE, MASK_INODES, 0755, 0, 0, MASK_ATTRIBUTES | MOUNT_ATTR_NODEV);
        mount = clone_null();
        if (mount < 0)
                return mount;
        r = tree_set(mount, false, MASK_ATTRIBUTES, MOUNT_ATTR_NODEV, MS_PRIVATE); /* a device that nobody can open hides badly */
        if (r < 0) {
                (void) close_fd(mount);
                return r;
        }
        return mount;
}

/* The mounts below come along and stay as they are. */
static int make_readonly(int target) {
        int mount = tree_clone(target, true), r;

        if (mount < 0)
                return mount;
        r = tree_set(mount, true, 0, 0, MS_PRIVATE);
        if (r == 0)
                r = tree_set(mount, false, MOUNT_ATTR_RDONLY, 0, 0);
        if (r < 0) {
                (void) close_fd(mount);
                return r;
        }
        return mount;
}

int hand_mask(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int target = -1, mount = -1;
        struct identity identity;
        int r = find(run, step, &target);

        if (r != 0 || target < 0)
                return r;
        r = identity_read(target, "", run->executor->features.unique_id, &identity);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at a path that is to be hidden");
        mount = step->kind == STEP_MASK ? make_mask(S_ISDIR(identity.mode)) : make_readonly(target);
        if (mount < 0) {
                r = mount;
                mount = -1;
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "%s of container %s cannot be %s", step->target,
                        step->container, step->kind == STEP_MASK ? "hidden" : "made read-only");
        }
        r = run_share(run, i, mount);
        if (r == 0)
                r = run_note(run, i, mount, NULL);
        return r == 0 ? run_attach(run, i, &mount, target) : r;
}
