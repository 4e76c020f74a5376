/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* setns(2) makes the namespace's root this process's root and working directory. So what a visit needs of the host is
 * opened before: the way back, the root directory, and /proc/self, by which a mount is named whatever the visited
 * namespace has at /proc. */

#include "kernel/visit.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "kernel/syscalls.h"
#include "kernel/tree.h"
#include "util/log.h"

#define NAMESPACE_ID _IOR(0xb7, 0x5, uint64_t) /* ioctl_nsfs(2), about Linux 6.11 */

static struct {
        int fd;
        uint64_t id;
} away = {.fd = -1};

int visit_home(void) {
        int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int visit_enter(struct visit *visit, int fd) {
        _cleanup_close_ int back = visit_home(), root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int process = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

        _cleanup_close_ int directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (back < 0 || root < 0 || process < 0 || directory < 0)
                return back < 0 ? back : -errno;
        if (setns(fd, CLONE_NEWNS) < 0)
                return -errno;
        *visit = (struct visit) {.back = TAKE_FD(back), .root = TAKE_FD(root), .process = TAKE_FD(process), .directory = TAKE_FD(directory)};
        return 0;
}

void visit_leave(struct visit *visit) {
        if (visit->back < 0)
                return;
        if (setns(visit->back, CLONE_NEWNS) < 0 || fchdir(visit->root) < 0 || chroot(".") < 0 || fchdir(visit->directory) < 0) {
                (void) log_errno(LOG_CRIT, errno, "return from a mount namespace: this process ends, another takes over");
                abort();
        }
        visit->back = close_fd(visit->back);
        visit->root = close_fd(visit->root);
        visit->process = close_fd(visit->process);
        visit->directory = close_fd(visit->directory);
}

int visit_detach(const struct visit *visit, int mount) {
        char name[sizeof("fd/") + 3 * sizeof(int)];

        (void) snprintf(name, sizeof(name), "fd/%d", mount); /* cannot be cut: sized for any int */
        if (fchdir(visit->process) < 0 || umount2(name, MNT_DETACH) < 0)
                return -errno;
        return 0;
}

int visit_mountinfo(const struct visit *visit) {
        int fd = openat(visit->process, "mountinfo", O_RDONLY | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? -errno : fd;
}

int visit_copy(const struct visit *visit) {
        int fd;

        if (unshare(CLONE_NEWNS) < 0)
                return -errno;
        fd = openat(visit->process, "ns/mnt", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int visit_change_root(int place) {
        _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (root < 0)
                return -errno;
        /* What is taken away below stays in the namespace that this one was copied from. */
        r = tree_set(root, true, 0, 0, MS_PRIVATE);
        if (r == 0)
                r = tree_attach(place, root, "");
        if (r < 0)
                return r;
        /* pivot_root(2): the old root is put onto the new one, where "." is, and taken off again. */
        if (fchdir(place) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                return -errno;
        return 0;
}

void away_set(int namespace) {
        away.fd = namespace;
        away.id = 0;
        if (namespace >= 0 && ioctl(namespace, NAMESPACE_ID, &away.id) < 0)
                away.id = 0; /* then the texts of mount tables say all */
}

bool away_enter(struct visit *visit) {
        return away.fd >= 0 && visit_enter(visit, away.fd) == 0;
}

unsigned long long away_id(void) {
        return away.id;
}

int away_mountinfo(void) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;

        return away_enter(&visit) ? visit_mountinfo(&visit) : -ENOENT;
}
