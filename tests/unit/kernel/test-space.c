/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Namespaces by fd: their kinds, whose they are, a visit, and a proc of one in both ways. */

#include "kernel/space.h"

#include <errno.h>
#include <sys/wait.h>

#include "tests/unit/namespace.h"

static int open_own(const char *name) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
        return open(path, O_RDONLY | O_CLOEXEC);
}

START_TEST(test_kinds) {
        _cleanup_close_ int pid = open_own("pid"), net = open_own("net"), file = open("/dev/null", O_RDONLY | O_CLOEXEC);

        ck_assert_int_eq(space_kind(pid), CLONE_NEWPID);
        ck_assert_int_eq(space_kind(net), CLONE_NEWNET);
        ck_assert_int_eq(space_kind(file), -EINVAL);
        ck_assert_int_eq(space_kind(-1), -EBADF);
}
END_TEST

/* What the initial user namespace owns is nobody's, what a user made is that user's alone. */
START_TEST(test_owner) {
        _cleanup_close_ int own = open_own("net"), theirs = -1;
        enum { USER = 12345 };
        int ready[2], go[2];
        char path[64], byte = 0;
        pid_t child;

        if (!namespace_enter())
                return;
        ck_assert_int_le(space_is_owned_by(own, 0), 1);
        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
        child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
                if (setresgid(USER, USER, USER) < 0 || setresuid(USER, USER, USER) < 0 ||
                    unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                (void) close(go[1]);
                _exit(read(go[0], &byte, 1) != 0);
        }
        (void) close(ready[1]);
        if (read(ready[0], &byte, 1) != 1) {
                (void) waitpid(child, NULL, 0);
                unit_skip("users make no user namespaces here");
                return;
        }
        (void) snprintf(path, sizeof(path), "/proc/%d/ns/net", child);
        theirs = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(theirs, 0);
        ck_assert_int_eq(space_is_owned_by(theirs, USER), 1);
        ck_assert_int_eq(space_is_owned_by(theirs, USER + 1), 0);
        (void) close(go[1]);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        (void) close(ready[0]);
        (void) close(go[0]);
}
END_TEST

START_TEST(test_host) {
        static const char *const names[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
        _cleanup_close_ int file = open("/dev/null", O_RDONLY | O_CLOEXEC), before = open_own("uts");

        ck_assert_int_eq(space_is_host(file), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_close_ int own = open_own(names[i]);

                ck_assert_int_eq(space_is_host(own), 1);
                ck_assert_int_eq(space_is_of(own, 0) > 0 && geteuid() != 0, 0);
        }
        if (!namespace_enter())
                return;
        ck_assert_int_eq(unshare(CLONE_NEWUTS), 0);
        ck_assert_int_eq(space_is_host(before), 1); /* the first process is in it still */
        {
                _cleanup_close_ int other = open_own("uts");

                ck_assert_int_eq(unshare(CLONE_NEWUTS), 0);
                ck_assert_int_eq(space_is_host(other), 0);
        }
}
END_TEST

START_TEST(test_visit) {
        struct space_visit visit = SPACE_VISIT_INIT;
        _cleanup_close_ int net = open_own("net"), file = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (!namespace_enter())
                return;
        ck_assert_int_eq(space_enter(&visit, net, CLONE_NEWNET), 0);
        ck_assert_int_ge(visit.back, 0);
        space_leave(&visit);
        ck_assert_int_eq(visit.back, -1);
        space_leave(&visit);
        ck_assert_int_eq(space_enter(&visit, file, CLONE_NEWNET), -EINVAL);
        ck_assert_int_eq(space_enter(&visit, net, CLONE_NEWNS), -EINVAL);
        ck_assert_int_eq(visit.back, -1);
}
END_TEST

static void check_proc(int pid, bool pidns) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        _cleanup_close_ int mount = -1;

        ck_assert_int_eq(space_open_proc(&context, pid, pidns), 0);
        mount = fscontext_mount(&context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        ck_assert_int_ge(mount, 0);
        ck_assert_int_eq(faccessat(mount, "uptime", F_OK, 0), 0);
}

START_TEST(test_proc) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        _cleanup_close_ int pid = open_own("pid"), net = open_own("net");

        if (!namespace_enter())
                return;
        check_proc(pid, false);
        if (space_probe_pidns())
                check_proc(pid, true);
        ck_assert_int_lt(space_open_proc(&context, net, false), 0);
}
END_TEST

UNIT_MAIN("space", test_kinds, test_owner, test_host, test_visit, test_proc)
