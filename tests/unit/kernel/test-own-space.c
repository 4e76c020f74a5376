/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mount namespaces made, bound to files and found again; what is done to their mounts from outside. */

#include "kernel/own-space.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "kernel/detach.h"
#include "kernel/fscontext.h"
#include "kernel/identity.h"
#include "kernel/inside.h"
#include "kernel/resolve.h"
#include "kernel/space.h"
#include "kernel/submounts.h"
#include "kernel/tree.h"
#include "kernel/visit.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

#define PLACE "/run/x/pods/one"

static bool begin(void) {
        if (!namespace_enter())
                return false;
        make_directory("/tmp/ns");
        make_directory("/tmp/src");
        make_file("/tmp/src/hello", "hello\n");
        return true;
}

/* A tmpfs of few mounts to begin with: the test's own namespace will do. */
static int make(void) {
        _cleanup_close_ int seed = visit_home();
        int made = own_space_make(seed, (const char *const[]) {PLACE, "/run/x/other", NULL});

        ck_assert_msg(made >= 0, "%s", strerrorname_np(-made));
        return made;
}

static int open_files(void) {
        int fd = open("/tmp/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

static size_t read_all(int fd, char *buffer, size_t size) {
        ssize_t n = pread(fd, buffer, size - 1, 0);

        ck_assert_int_ge(n, 0);
        buffer[n] = 0;
        return (size_t) n;
}

static unsigned count_lines(int fd) {
        char text[16384];
        unsigned n = 0;

        (void) read_all(fd, text, sizeof(text));
        for (const char *c = text; *c; c++)
                n += *c == '\n';
        return n;
}

START_TEST(test_made) {
        _cleanup_close_ int made = -1, table = -1, place = -1, root = -1;

        if (!begin())
                return;
        made = make();
        table = own_space_mountinfo(made);
        ck_assert_int_ge(table, 0);
        ck_assert_uint_eq(count_lines(table), 2); /* with its proc, and nothing of the one that it was begun with */
        place = own_space_directory(made, PLACE, true);
        ck_assert_int_ge(place, 0);
        ck_assert_int_eq(own_space_directory(made, "/run/y", true), -ENOENT);
        root = inside_root(made);
        ck_assert_int_eq(mkdirat(root, "new", 0755), -1);
        ck_assert_int_eq(errno, EROFS);
        ck_assert_int_eq(inside_is_host(made), 0);
}
END_TEST

START_TEST(test_bound) {
        _cleanup_close_ int made = -1, files = -1, again = -1, found = -1, plain = -1;
        struct stat one, other;

        if (!begin())
                return;
        made = make();
        files = open_files();
        ck_assert_int_eq(own_space_open(files, "one"), -ENOENT);
        ck_assert_int_eq(space_pin(made, files, "one"), 0);
        again = make();
        ck_assert_int_eq(space_pin(again, files, "one"), -EEXIST);
        ck_assert_int_eq(fstat(made, &one), 0);
        made = close_fd(made); /* the file keeps it */
        found = own_space_open(files, "one");
        ck_assert_int_ge(found, 0);
        ck_assert_int_eq(fstat(found, &other), 0);
        ck_assert_uint_eq(one.st_ino, other.st_ino);
        ck_assert_int_eq(space_unpin(files, "one"), 0);
        ck_assert_int_eq(faccessat(files, "one", F_OK, 0), -1);
        ck_assert_int_eq(space_unpin(files, "one"), 0);
        plain = openat(files, "one", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(own_space_open(files, "one"), -ENOENT); /* nothing is bound to it */
        ck_assert_int_eq(symlinkat("/proc/self/ns/mnt", files, "link"), 0);
        ck_assert_int_lt(own_space_open(files, "link"), 0);
}
END_TEST

/* A file that names this process's own namespace, or one of another kind. */
START_TEST(test_others) {
        _cleanup_close_ int files = -1;

        if (!begin())
                return;
        files = open_files();
        make_file("/tmp/ns/net", "");
        ck_assert_int_eq(mount("/proc/self/ns/net", "/tmp/ns/net", NULL, MS_BIND, NULL), 0);
        ck_assert_int_eq(own_space_open(files, "net"), -EINVAL);
        ck_assert_int_eq(umount2("/tmp/ns/net", MNT_DETACH), 0);
}
END_TEST

/* All that a job does to a mount: attached, cloned, changed, looked for and taken away, strictly and lazily; and the table tells. */
START_TEST(test_away) {
        _cleanup_close_ int made = -1, table = -1, place = -1, source = -1, clone = -1, copy = -1;
        struct pollfd poller;
        struct stat before, after;

        if (!begin())
                return;
        made = make();
        table = own_space_mountinfo(made);
        poller = (struct pollfd) {.fd = table, .events = POLLPRI};
        place = own_space_directory(made, PLACE, true);
        source = open("/tmp/src", O_PATH | O_CLOEXEC);
        clone = tree_clone(source, false);
        ck_assert_int_ge(clone, 0);
        ck_assert_int_eq(tree_set(clone, false, 0, 0, MS_PRIVATE), 0);
        ck_assert_int_eq(tree_attach(clone, place, ""), -EINVAL); /* not away */
        away_set(made);
        ck_assert_int_eq(tree_attach(clone, place, ""), 0);
        ck_assert_uint_eq(count_lines(table), 3);
        ck_assert_int_eq(poll(&poller, 1, 0), 1);
        ck_assert_int_eq(tree_set(clone, false, MOUNT_ATTR_RDONLY, 0, 0), 0);
        copy = tree_clone(clone, false);
        ck_assert_int_ge(copy, 0);
        ck_assert_int_eq(chdir("/tmp/src"), 0);
        ck_assert_int_eq(stat(".", &before), 0);
        clone = close_fd(clone);
        place = close_fd(place);
        place = own_space_directory(made, "/run/x/pods", true);
        ck_assert_int_eq(detach_enter(place), 0);
        place = close_fd(place);
        ck_assert_int_eq(stat(".", &before), 0);
        ck_assert_int_eq(detach_name("one", false), 0);
        ck_assert_int_eq(stat(".", &after), 0); /* a visit comes back to where it was */
        ck_assert(before.st_dev == after.st_dev && before.st_ino == after.st_ino);
        ck_assert_int_eq(detach_name("one", false), -EINVAL);
        detach_leave();
        ck_assert_uint_eq(count_lines(table), 2);
        place = own_space_directory(made, PLACE, true);
        ck_assert_int_eq(tree_attach(copy, place, ""), 0);
        ck_assert_int_eq(detach_fd(copy), 0);
        ck_assert_uint_eq(count_lines(table), 2);
        ck_assert_int_eq(detach_fd(copy), -EINVAL);
        away_set(-1);
}
END_TEST

/* By ids, and by what is mounted below a directory. */
START_TEST(test_asked) {
        const bool statmount = unit_features().statmount;
        _cleanup_close_ int made = -1, place = -1, top = -1, below = -1;
        struct submounts found;

        if (!begin())
                return;
        if (statmount && !unit_features().namespace_ids) {
                unit_skip("no ids of mount namespaces here");
                return;
        }
        made = make();
        place = own_space_directory(made, PLACE, true);
        away_set(made);
        top = fscontext_tmpfs(4096, 0, 0755, 0, 0, 0);
        ck_assert_int_eq(mkdirat(top, "d", 0755), 0);
        ck_assert_int_eq(tree_attach(top, place, ""), 0);
        below = fscontext_tmpfs(4096, 0, 0755, 0, 0, 0);
        ck_assert_int_eq(tree_attach(below, top, "d"), 0);
        ck_assert_int_eq(submounts_read(top, statmount, &found), 0);
        ck_assert(found.attached && found.children);
        ck_assert_uint_eq(found.n, 1);
        away_set(-1);
        ck_assert_int_eq(submounts_read(top, statmount, &found), 0);
        ck_assert(!found.attached);
}
END_TEST

/* Where the directory of the files lies on a shared mount that others have a copy of. */
START_TEST(test_shared) {
        _cleanup_close_ int made = -1, files = -1, top = -1, again = -1;
        struct identity identity;
        pid_t other;
        int ready[2];
        char c;

        if (!begin())
                return;
        ck_assert_int_eq(mount(NULL, "/tmp", NULL, MS_SHARED, NULL), 0);
        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        other = fork();
        if (other == 0) {
                (void) unshare(CLONE_NEWNS);
                (void) !write(ready[1], "x", 1);
                (void) pause();
                _exit(0);
        }
        ck_assert_int_eq(read(ready[0], &c, 1), 1);
        made = make();
        files = open_files();
        ck_assert_int_eq(space_pin(made, files, "one"), -EINVAL);
        ck_assert_int_eq(own_space_prepare(files), 0);
        files = close_fd(files);
        files = open_files();
        ck_assert_int_eq(space_pin(made, files, "one"), 0);
        ck_assert_int_eq(own_space_prepare(files), 0); /* it is */
        files = close_fd(files);
        top = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
        own_space_leave(top, "ns"); /* in use */
        files = open_files();
        again = own_space_open(files, "one");
        ck_assert_int_ge(again, 0);
        ck_assert_int_eq(space_unpin(files, "one"), 0);
        files = close_fd(files);
        own_space_leave(top, "ns");
        files = open_files();
        ck_assert_int_eq(identity_read(files, "", false, &identity), 0);
        ck_assert(!identity.mount_root);
        ck_assert_int_eq(kill(other, SIGKILL), 0);
}
END_TEST

static int enter_and_wait(void *userdata) {
        const int *fds = userdata; /* the namespace, and where to say so */

        (void) !write(fds[1], unshare(CLONE_FS) == 0 && setns(fds[0], CLONE_NEWNS) == 0 ? "x" : "-", 1);
        return pause();
}

/* Of a process that lives elsewhere one thread lives there: as runtimes in Go have them. */
static _noreturn_ void live_in_thread(int namespace, int ready) {
        static char stack[64 * 1024] __attribute__((__aligned__(16)));
        int fds[] = {namespace, ready};

        if (clone(enter_and_wait, stack + sizeof(stack), CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, fds) < 0)
                _exit(1);
        for (;;)
                (void) pause();
}

/* Who lives in one is found, and nobody else. */
static void find_one(bool thread) {
        _cleanup_close_ int made = -1;
        pid_t other, found = 0;
        int ready[2], status;
        char c;

        made = make();
        ck_assert_int_eq(own_space_find_process(made, &found), 0);
        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        other = fork();
        if (other == 0) {
                if (thread)
                        live_in_thread(made, ready[1]);
                (void) !write(ready[1], setns(made, CLONE_NEWNS) == 0 ? "x" : "-", 1);
                (void) pause();
                _exit(0);
        }
        ck_assert_int_eq(read(ready[0], &c, 1), 1);
        ck_assert_int_eq(c, 'x');
        ck_assert_int_eq(own_space_find_process(made, &found), 1);
        ck_assert_int_eq(found, other);
        ck_assert_int_eq(kill(other, SIGKILL), 0);
        ck_assert_int_eq(waitpid(other, &status, 0), other);
        ck_assert_int_eq(own_space_find_process(made, &found), 0);
}

START_TEST(test_process) {
        if (!begin())
                return;
        find_one(false);
        find_one(true);
}
END_TEST

UNIT_MAIN("own-space", test_process, test_shared, test_made, test_bound, test_others, test_away, test_asked)
