/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directory is root's, and no other step is let near a name that begins so (door-host.c): what is mounted there is what was
 * mounted here. */

#include "executor/link-pin.h"

#include <errno.h>
#include <sched.h>
#include <sys/stat.h>

#include "executor/link.h"
#include "kernel/resolve.h"
#include "kernel/space.h"
#include "util/log.h"
#include "util/text.h"

static int open_directory(struct run *run, const char *container, char **ret_name) {
        int directory = resolve_beneath(run->executor->runtime_fd, "ns", false);

        if (directory < 0)
                return log_errno(LOG_ERR, directory, "open ns/ in the runtime directory");
        *ret_name = text_format(LINK_PIN_PREFIX "%s-%s", run->job->uuid, container);
        if (*ret_name)
                return directory;
        (void) close_fd(directory);
        return log_oom();
}

int link_pin_open(struct run *run, const char *container, int *ret) {
        _cleanup_free_ char *name = NULL;
        _cleanup_close_ int directory = open_directory(run, container, &name);
        _cleanup_close_ int fd = directory < 0 ? -1 : space_pinned(directory, name);

        if (directory < 0)
                return directory;
        if (fd < 0 && fd != -ENOENT)
                return log_errno(LOG_ERR, fd, "open the namespace that is kept for container %s of pod %s", container, run->job->uuid);
        *ret = fd >= 0 && space_kind(fd) == CLONE_NEWNET ? TAKE_FD(fd) : -1;
        return 0;
}

static bool is_same(int a, int b) {
        struct stat one, other;

        return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

int link_pin_make(struct run *run, const char *container, int space, bool *ret_made) {
        _cleanup_free_ char *name = NULL;
        _cleanup_close_ int there = -1, directory = -1;
        int r = link_pin_open(run, container, &there);

        *ret_made = false;
        if (r == 0 && there >= 0)
                return is_same(there, space) ? 0
                                             : run_fail(run, FAILURE_BUSY, 0,
                                                       "the network interfaces of container %s are in the namespace of another process; collect the pod, "
                                                       "or name that process",
                                                       container);
        if (r == 0)
                directory = r = open_directory(run, container, &name);
        if (r < 0)
                return r;
        r = space_pin(space, directory, name);
        if (r < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "the network namespace of container %s cannot be kept", container);
        *ret_made = true;
        return 0;
}

void link_pin_drop(struct run *run, const char *container) {
        _cleanup_free_ char *name = NULL;
        _cleanup_close_ int directory = open_directory(run, container, &name);
        int r;

        if (directory < 0)
                return;
        r = space_unpin(directory, name);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "let go of ns/%s", name);
}
