/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything is looked up through one open /proc/PID, and the pidfd is asked afterwards whether the process still
 * lived: then the directory was its own, and not that of another process that got its pid. */

#include "kernel/namespaces.h"

#include <ctype.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "kernel/syscalls.h"

#define INITIAL_USER_NAMESPACE 0xEFFFFFFDU /* PROC_USER_INIT_INO, include/linux/proc_ns.h */

static int pidfd_pid(int pidfd, pid_t *ret) {
        char path[sizeof("/proc/self/fdinfo/") + 3 * sizeof(int)];
        _cleanup_fclose_ FILE *file = NULL;
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd); /* cannot be cut: sized for any int */
        file = fopen(path, "re");
        if (!file)
                return -errno;
        while (getline(&line, &size, file) >= 0) {
                long pid;

                if (strncmp(line, "Pid:", 4) != 0)
                        continue;
                pid = strtol(line + 4, NULL, 10);
                if (pid <= 0)
                        return -ESRCH; /* ended (-1), or of another pid namespace (0) */
                *ret = (pid_t) pid;
                return 0;
        }
        return -EBADF;
}

static int same_file(int directory, const char *name, const char *own, bool *ret) {
        struct statx theirs, ours;
        int flags = AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;

        if (statx(directory, name, flags, STATX_INO | STATX_MNT_ID, &theirs) < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        if (statx(AT_FDCWD, own, flags, STATX_INO | STATX_MNT_ID, &ours) < 0)
                return -errno;
        *ret = theirs.stx_ino == ours.stx_ino && theirs.stx_dev_major == ours.stx_dev_major &&
               theirs.stx_dev_minor == ours.stx_dev_minor && theirs.stx_mnt_id == ours.stx_mnt_id;
        return 0;
}

/* /proc/PID of the process, which may have ended since: is_alive() says so afterwards. */
static int open_process(int pidfd, int *ret) {
        char path[sizeof("/proc/") + 3 * sizeof(pid_t)];
        pid_t pid = -1;
        int r = pidfd_pid(pidfd, &pid);

        if (r < 0)
                return r;
        (void) snprintf(path, sizeof(path), "/proc/%d", pid); /* cannot be cut: sized for any pid */
        *ret = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (*ret < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        return 0;
}

static bool is_alive(int pidfd) {
        struct pollfd alive = {.fd = pidfd, .events = POLLIN};

        return poll(&alive, 1, 0) == 0;
}

int namespaces_compare(int pidfd, struct namespaces_match *ret) {
        _cleanup_close_ int directory = -1;
        struct namespaces_match match = {};
        int r = open_process(pidfd, &directory);

        if (r == 0)
                r = same_file(directory, "ns/mnt", "/proc/self/ns/mnt", &match.mount);
        if (r == 0)
                r = same_file(directory, "ns/user", "/proc/self/ns/user", &match.user);
        if (r == 0)
                r = same_file(directory, "ns/pid", "/proc/self/ns/pid", &match.pid);
        if (r == 0)
                r = same_file(directory, "root", "/proc/self/root", &match.root);
        if (r < 0)
                return r;
        if (!is_alive(pidfd))
                return -ESRCH;
        *ret = match;
        return 0;
}

int namespaces_open(int pidfd, int *ret_mount, int *ret_root) {
        _cleanup_close_ int directory = -1, mount = -1, root = -1;
        int r = open_process(pidfd, &directory);

        if (r < 0)
                return r;
        mount = openat(directory, "ns/mnt", O_RDONLY | O_CLOEXEC);
        root = mount < 0 ? -1 : openat(directory, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return errno == ENOENT || errno == ESRCH ? -ESRCH : -errno;
        if (!is_alive(pidfd))
                return -ESRCH;
        *ret_mount = TAKE_FD(mount);
        *ret_root = TAKE_FD(root);
        return 0;
}

int namespaces_open_one(int pidfd, const char *name) {
        char path[sizeof("ns/") + NAME_MAX];
        _cleanup_close_ int directory = -1, fd = -1;
        int r = open_process(pidfd, &directory);

        if (r < 0)
                return r;
        if (snprintf(path, sizeof(path), "ns/%s", name) >= (int) sizeof(path))
                return -ENAMETOOLONG;
        fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT || errno == ESRCH ? -ESRCH : -errno;
        return is_alive(pidfd) ? TAKE_FD(fd) : -ESRCH;
}

int namespaces_in_initial_user(void) {
        struct stat status;

        if (stat("/proc/self/ns/user", &status) < 0)
                return -errno;
        return status.st_ino == INITIAL_USER_NAMESPACE;
}
