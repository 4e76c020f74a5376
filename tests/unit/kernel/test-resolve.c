/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paths to fds: what stays inside, what is refused, what is made and taken back. */

#include "kernel/resolve.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

static int root = -1;

/* /tmp/r: a/b/, a/file, abs -> /a, up -> ../../../a, dangling -> /a/none/deep, loop -> loop. */
static bool begin(void) {
        if (!namespace_enter())
                return false;
        umask(0);
        make_directory("/tmp/r");
        make_directory("/tmp/r/a");
        make_directory("/tmp/r/a/b");
        make_file("/tmp/r/a/file", "x");
        ck_assert_int_eq(symlink("/a", "/tmp/r/abs"), 0);
        ck_assert_int_eq(symlink("../../../a", "/tmp/r/up"), 0);
        ck_assert_int_eq(symlink("/a/none/deep", "/tmp/r/dangling"), 0);
        ck_assert_int_eq(symlink("loop", "/tmp/r/loop"), 0);
        ck_assert_int_eq(symlink("gone/../b", "/tmp/r/a/back"), 0);
        root = open("/tmp/r", O_PATH | O_CLOEXEC);
        ck_assert_int_ge(root, 0);
        return true;
}

static void ck_assert_is(int fd, const char *path) {
        struct stat one, other;

        ck_assert_msg(fd >= 0, "%s: %s", path, strerror(-fd));
        ck_assert_int_eq(fstat(fd, &one) | lstat(path, &other), 0);
        ck_assert(one.st_ino == other.st_ino && one.st_dev == other.st_dev);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        (void) close_fd(fd);
}

START_TEST(test_in_root) {
        if (!begin())
                return;
        ck_assert_is(resolve_in_root(root, "/a/b"), "/tmp/r/a/b");
        ck_assert_is(resolve_in_root(root, "/abs/b"), "/tmp/r/a/b");
        ck_assert_is(resolve_in_root(root, "/up"), "/tmp/r/a");
        ck_assert_is(resolve_in_root(root, "/"), "/tmp/r");
        ck_assert_int_eq(resolve_in_root(root, "/none"), -ENOENT);
        ck_assert_int_eq(resolve_in_root(root, "/a/file/x"), -ENOTDIR);
        ck_assert_int_eq(resolve_in_root(root, "/loop"), -ELOOP);
        make_directory("/tmp/r/proc");
        ck_assert_int_eq(mount("proc", "/tmp/r/proc", "proc", 0, NULL), 0);
        ck_assert_int_eq(resolve_in_root(root, "/proc/self/root"), -ELOOP);
        ck_assert_int_eq(resolve_in_root(root, "/proc/self/cwd/etc"), -ELOOP);
}
END_TEST

START_TEST(test_source) {
        if (!begin())
                return;
        ck_assert_is(resolve_source("/tmp/r/a/../a/b"), "/tmp/r/a/b");
        ck_assert_int_eq(resolve_source("/proc/self/root"), -ELOOP);
        ck_assert_int_eq(resolve_source("/proc/self/fd/0"), -ELOOP);
        ck_assert_int_eq(resolve_source("/tmp/r/none"), -ENOENT);
}
END_TEST

START_TEST(test_beneath) {
        if (!begin())
                return;
        ck_assert_is(resolve_beneath(root, "a/b", true), "/tmp/r/a/b");
        ck_assert_is(resolve_beneath(root, "", true), "/tmp/r");
        ck_assert_int_eq(resolve_beneath(root, "abs", false), -ELOOP);
        ck_assert_int_eq(resolve_beneath(root, "up/b", false), -ELOOP);
        ck_assert_int_eq(resolve_beneath(root, "..", false), -EXDEV);
        ck_assert_int_eq(resolve_beneath(root, "/a", false), -EXDEV);
        ck_assert_int_eq(mount("t", "/tmp/r/a/b", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(resolve_beneath(root, "a/b", true), -EXDEV);
        ck_assert_is(resolve_beneath(root, "a/b", false), "/tmp/r/a/b");
}
END_TEST

static void deepest(const char *path, const char *at, const char *rest) {
        _cleanup_free_ char *where = NULL, *missing = NULL, *full = NULL;
        int fd, r = resolve_deepest(root, path, &fd, &where, &missing);

        ck_assert_msg(r == 0, "%s: %s", path, strerror(-r));
        ck_assert_str_eq(missing, rest);
        ck_assert_str_eq(where, at);
        ck_assert_int_gt(asprintf(&full, "/tmp/r%s", at), 0);
        ck_assert_is(fd, full);

        /* Whoever does not ask for the path gets the same, maybe by a shorter way. */
        free(missing);
        missing = NULL;
        ck_assert_int_eq(resolve_deepest(root, path, &fd, NULL, &missing), 0);
        ck_assert_str_eq(missing, rest);
        ck_assert_is(fd, full);
}

START_TEST(test_parent) {
        const char *name = NULL;

        if (!begin())
                return;
        ck_assert_is(resolve_parent(root, "/new", &name), "/tmp/r");
        ck_assert_str_eq(name, "new");
        ck_assert_is(resolve_parent(root, "/abs/b", &name), "/tmp/r/a");
        ck_assert_str_eq(name, "b");
        ck_assert_int_eq(resolve_parent(root, "/a/none/x", &name), -ENOENT);
        ck_assert_int_eq(resolve_parent(root, "/a/file/x", &name), -ENOTDIR);
        ck_assert_int_eq(resolve_parent(root, "/a/..", &name), -EINVAL);
        ck_assert_int_eq(resolve_parent(root, "/", &name), -EINVAL);
}
END_TEST

START_TEST(test_deepest) {
        char *rest = NULL;
        int fd;

        if (!begin())
                return;
        deepest("/a/b", "/a/b", "");
        deepest("/", "", "");
        deepest("/new", "", "new");
        deepest("/a/new/x/y", "/a", "new/x/y");
        deepest("/abs/new", "/a", "new");
        deepest("/up/b/new", "/a/b", "new");
        deepest("/dangling", "/a", "none/deep");
        deepest("/dangling/more", "/a", "none/deep/more");
        deepest("//a//./b/", "/a/b", "");
        deepest("/a/../../../a/new", "/a", "new");
        ck_assert_int_eq(resolve_deepest(root, "/loop/x", &fd, NULL, &rest), -ELOOP);
        ck_assert_int_eq(resolve_deepest(root, "/a/file/x", &fd, NULL, &rest), -ENOTDIR);
        ck_assert_int_eq(resolve_deepest(root, "/a/back", &fd, NULL, &rest), -ENOENT);
        ck_assert_int_eq(resolve_deepest(root, "/none/../x", &fd, NULL, &rest), -ENOENT);
}
END_TEST

START_TEST(test_make) {
        struct stat status;

        if (!begin())
                return;
        ck_assert_is(resolve_make(root, "x/y/z", false), "/tmp/r/x/y/z");
        ck_assert_is(resolve_make(root, "w/f/file", true), "/tmp/r/w/f/file");
        ck_assert_int_eq(stat("/tmp/r/x/y", &status), 0);
        ck_assert_uint_eq(status.st_mode & 07777, 0755);
        ck_assert_int_eq(stat("/tmp/r/w/f/file", &status), 0);
        ck_assert_uint_eq(status.st_mode, S_IFREG | 0644);
        /* What was made goes again, what was there before stays. */
        ck_assert_int_eq(resolve_make(root, "x/new", false), -EEXIST);
        ck_assert(exists("/tmp/r/x/y/z"));
        ck_assert_int_eq(resolve_make(root, "abs", false), -EEXIST);
        ck_assert_int_eq(resolve_unmake(root, "w/f/file", true), 0);
        ck_assert(exists("/tmp/r/x/y") && !exists("/tmp/r/w"));
        make_file("/tmp/r/x/y/keep", "");
        ck_assert_int_eq(resolve_unmake(root, "x/y/z", false), 0);
        ck_assert(exists("/tmp/r/x/y/keep") && !exists("/tmp/r/x/y/z"));
        make_file("/tmp/r/full", "text");
        ck_assert_int_eq(resolve_unmake(root, "full", true), 0);
        ck_assert(exists("/tmp/r/full"));
        ck_assert_int_eq(resolve_unmake(root, "abs/b", false), 0);
        ck_assert(exists("/tmp/r/a/b"));
}
END_TEST

START_TEST(test_unmake_in_root) {
        if (!begin())
                return;
        ck_assert_is(resolve_make(root, "x/y/z", false), "/tmp/r/x/y/z");
        ck_assert_int_eq(resolve_unmake_in_root(root, "/x/y/z", 4, false), -EINVAL);
        ck_assert_int_eq(resolve_unmake_in_root(root, "/x/y/z", 0, false), -EINVAL);
        ck_assert_int_eq(resolve_unmake_in_root(root, "/none/y/z", 2, false), -ENOENT);
        ck_assert_int_eq(mount("held", "/tmp/r/x/y/z", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(resolve_unmake_in_root(root, "/x/y/z", 3, false), -EBUSY);
        ck_assert_int_eq(umount("/tmp/r/x/y/z"), 0);
        ck_assert_int_eq(resolve_unmake_in_root(root, "/x/y/z", 1, false), 0);
        ck_assert(exists("/tmp/r/x/y") && !exists("/tmp/r/x/y/z"));
        /* Part of it is gone: the rest goes. */
        ck_assert_int_eq(resolve_unmake_in_root(root, "/x/y/z/more", 4, false), 0);
        ck_assert(!exists("/tmp/r/x"));
        ck_assert_is(resolve_make(root, "x/y/f", true), "/tmp/r/x/y/f");
        ck_assert_int_eq(resolve_unmake_in_root(root, "/x/y/f", 1, false), 0);
        ck_assert(exists("/tmp/r/x/y/f"));
        ck_assert_int_eq(resolve_unmake_in_root(root, "/x/y/f", 2, true), 0);
        ck_assert(exists("/tmp/r/x") && !exists("/tmp/r/x/y"));
        ck_assert_int_eq(resolve_unmake_in_root(root, "/x/y/f", 3, true), 0);
        ck_assert(!exists("/tmp/r/x"));
}
END_TEST

START_TEST(test_count) {
        ck_assert_uint_eq(resolve_count(""), 0);
        ck_assert_uint_eq(resolve_count("a"), 1);
        ck_assert_uint_eq(resolve_count("a/b/c"), 3);
}
END_TEST

UNIT_MAIN("resolve", test_in_root, test_source, test_beneath, test_parent, test_deepest, test_make, test_unmake_in_root, test_count)
