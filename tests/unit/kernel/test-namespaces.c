/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who lives where: by pidfd, each namespace and the root directory apart. Also what is mounted below a directory. */

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/identity.h"
#include "kernel/namespaces.h"
#include "kernel/submounts.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

/* Compares with a child that has unshared these and changed its root, or not. */
static struct namespaces_match compare(int flags, const char *root) {
        struct namespaces_match match = {};
        int pipes[2], pidfd;
        char byte;
        pid_t child;

        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        child = fork();
        if (child == 0) {
                if ((flags && unshare(flags) < 0) || (root && chroot(root) < 0) || write(pipes[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        (void) close_fd(pipes[1]); /* so that a child that could not do it ends the reading below */
        ck_assert_int_eq(read(pipes[0], &byte, 1), 1);
        (void) close_fd(pipes[0]);
        pidfd = (int) syscall(SYS_pidfd_open, child, 0);
        ck_assert_int_ge(pidfd, 0);
        ck_assert_int_eq(namespaces_compare(pidfd, &match), 0);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        ck_assert_int_eq(namespaces_compare(pidfd, &match), -ESRCH);
        (void) close_fd(pidfd);
        return match;
}

START_TEST(test_compare) {
        struct namespaces_match match;

        if (!namespace_enter())
                return;
        match = compare(0, NULL);
        ck_assert(match.mount && match.user && match.pid && match.root);
        match = compare(CLONE_NEWNS, NULL);
        ck_assert(!match.mount && match.user && !match.root);
        match = compare(0, "/tmp");
        ck_assert(match.mount && match.user && !match.root);
        match = compare(CLONE_NEWUSER, NULL);
        ck_assert(match.mount && !match.user && match.root);
        match = compare(CLONE_NEWNET | CLONE_NEWIPC, NULL);
        ck_assert(match.mount && match.user && match.root);
}
END_TEST

START_TEST(test_wrong_fd) {
        struct namespaces_match match;
        int pipes[2];

        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        ck_assert_int_eq(namespaces_compare(pipes[0], &match), -EBADF);
}
END_TEST

static void below(bool statmount) {
        _cleanup_close_ int fd = -1, other = -1;
        struct submounts found;
        struct identity identity;
        uint32_t mount_id;

        make_directory("/tmp/s");
        make_directory("/tmp/s/deep");
        make_directory("/tmp/s/deep/er");
        make_directory("/tmp/s2");
        fd = open("/tmp/s", O_PATH | O_CLOEXEC);
        ck_assert_int_eq(mount("beside", "/tmp/s2", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(submounts_read(fd, statmount, &found), 0);
        ck_assert(found.attached && !found.children && !found.unbindable);
        ck_assert_int_eq(mount("one", "/tmp/s/deep", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(submounts_read(fd, statmount, &found), 0);
        ck_assert(found.children && !found.unbindable);
        make_directory("/tmp/s/deep/er");
        ck_assert_int_eq(mount("two", "/tmp/s/deep/er", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(mount(NULL, "/tmp/s/deep/er", NULL, MS_UNBINDABLE, NULL), 0);
        ck_assert_int_eq(submounts_read(fd, statmount, &found), 0);
        ck_assert(found.children && found.unbindable);

        other = open("/tmp/s/deep", O_PATH | O_CLOEXEC);
        ck_assert_int_eq(identity_mount_id(other, &mount_id), 0);
        ck_assert_int_eq(identity_read(other, "", statmount, &identity), 0);
        other = close_fd(other);
        ck_assert_int_eq(submounts_find(statmount ? identity.key : 0, mount_id, 0, "/tmp/s", statmount), 1);
        if (!statmount) {
                ck_assert_int_eq(submounts_find(0, mount_id, 0, "/tmp/s2", false), 0);
                /* Another mount with the recycled id has a file system of its own. */
                ck_assert_int_eq(submounts_find(0, mount_id, identity.device, "/tmp/s", false), 1);
                ck_assert_int_eq(submounts_find(0, mount_id, identity.device + 1, "/tmp/s", false), 0);
        }
        ck_assert_int_eq(umount2("/tmp/s/deep", MNT_DETACH), 0);
        ck_assert_int_eq(submounts_find(statmount ? identity.key : 0, mount_id, 0, "/tmp/s", statmount), 0);
        ck_assert_int_eq(submounts_read(fd, statmount, &found), 0);
        ck_assert(!found.children);
        ck_assert_int_eq(umount2("/tmp/s2", 0), 0);
}

START_TEST(test_below) {
        if (namespace_enter() && unit_has_tracking(WATCH_LISTMOUNT))
                below(true);
}
END_TEST

START_TEST(test_below_mountinfo) {
        if (namespace_enter())
                below(false);
}
END_TEST

/* That of each kind is the process's own, and of one that has ended there is none. */
START_TEST(test_open_one) {
        static const char *const names[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
        _cleanup_close_ int self = (int) syscall(SYS_pidfd_open, getpid(), 0), ended = -1;
        pid_t child = fork();

        ck_assert_int_ge(child, 0);
        if (child == 0)
                _exit(0);
        ended = (int) syscall(SYS_pidfd_open, child, 0);
        ck_assert_int_ge(ended, 0);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_close_ int fd = namespaces_open_one(self, names[i]);
                _cleanup_free_ char *path = NULL;
                struct stat ours, found;

                ck_assert_int_ge(fd, 0);
                ck_assert_int_gt(asprintf(&path, "/proc/self/ns/%s", names[i]), 0);
                ck_assert_int_eq(stat(path, &ours), 0);
                ck_assert_int_eq(fstat(fd, &found), 0);
                ck_assert_uint_eq(ours.st_ino, found.st_ino);
                ck_assert_int_eq(namespaces_open_one(ended, names[i]), -ESRCH);
        }
        ck_assert_int_eq(namespaces_open_one(STDIN_FILENO, "net"), -EBADF);
        ck_assert_int_eq(namespaces_open_one(self, "none"), -ESRCH);
}
END_TEST

UNIT_MAIN("namespaces", test_open_one, test_compare, test_wrong_fd, test_below, test_below_mountinfo)
