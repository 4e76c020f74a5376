/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What statmount shows of real mounts, in a mount namespace of the test's own. */

#include <linux/mount.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/statmount.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

static struct statmount *statmount;

static bool begin(void) {
        if (!namespace_enter() || !unit_has_tracking(WATCH_LISTMOUNT))
                return false;
        statmount = statmount_new();
        ck_assert_ptr_nonnull(statmount);
        return true;
}

/* The youngest mount at this place. */
static struct statmount_line look(const char *point) {
        _cleanup_free_ uint64_t *ids = NULL;
        struct statmount_line line;
        size_t n;

        ck_assert_int_eq(statmount_list(&ids, &n), 0);
        while (n-- > 0)
                if (statmount_read(statmount, ids[n], &line) == 0 && line.point && strcmp(line.point, point) == 0)
                        return line;
        ck_abort_msg("nothing is mounted at %s", point);
}

START_TEST(test_propagation) {
        struct statmount_line a, b, c, d;

        if (!begin())
                return;
        for (const char *const *name = (const char *const[]){"/tmp/a", "/tmp/b", "/tmp/c", "/tmp/d", NULL}; *name; name++)
                make_directory(*name);
        ck_assert_int_eq(mount("a", "/tmp/a", "tmpfs", MS_NOEXEC, NULL), 0);
        ck_assert_int_eq(mount(NULL, "/tmp/a", NULL, MS_SHARED, NULL), 0);
        ck_assert_int_eq(mount("/tmp/a", "/tmp/b", NULL, MS_BIND, NULL), 0);
        ck_assert_int_eq(mount("/tmp/a", "/tmp/c", NULL, MS_BIND, NULL), 0);
        ck_assert_int_eq(mount(NULL, "/tmp/c", NULL, MS_SLAVE, NULL), 0);
        ck_assert_int_eq(mount("d", "/tmp/d", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(mount(NULL, "/tmp/d", NULL, MS_UNBINDABLE, NULL), 0);
        a = look("/tmp/a");
        b = look("/tmp/b");
        c = look("/tmp/c");
        d = look("/tmp/d");
        ck_assert_uint_ne(a.propagation & MS_SHARED, 0);
        ck_assert_uint_ne(a.peer_group, 0);
        ck_assert_uint_eq(b.peer_group, a.peer_group);
        ck_assert_uint_eq(c.propagation & MS_SHARED, 0);
        ck_assert_uint_ne(c.propagation & MS_SLAVE, 0);
        ck_assert_uint_eq(c.peer_group, 0);
        ck_assert_uint_eq(c.master_group, a.peer_group);
        ck_assert_uint_ne(d.propagation & MS_UNBINDABLE, 0);
        ck_assert_uint_eq(a.parent_id, b.parent_id);
        ck_assert_uint_eq(look("/tmp").id, d.parent_id);
        ck_assert_uint_eq(look("/tmp").mount_id, d.parent_mount_id);
        ck_assert_uint_eq(a.device, c.device);
        ck_assert_uint_ne(a.device, d.device);
        ck_assert_uint_ne(a.namespace, 0);
        ck_assert_uint_eq(a.namespace, d.namespace);
        ck_assert_uint_ne(c.attributes & MOUNT_ATTR_NOEXEC, 0); /* a bind has its source's */
        ck_assert_uint_eq(d.attributes & MOUNT_ATTR_NOEXEC, 0);
}
END_TEST

/* The mount's and its file system's read-only bits apart; a root that is not the file system's; odd names. */
START_TEST(test_attributes) {
        struct statmount_line whole, part;

        if (!begin())
                return;
        make_directory("/tmp/a b");
        make_directory("/tmp/part");
        ck_assert_int_eq(mount("one two", "/tmp/a b", "tmpfs", MS_NODEV, "size=64k"), 0);
        make_directory("/tmp/a b/sub\n");
        ck_assert_int_eq(mount("/tmp/a b/sub\n", "/tmp/part", NULL, MS_BIND, NULL), 0);
        ck_assert_int_eq(mount(NULL, "/tmp/part", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
        part = look("/tmp/part");
        ck_assert_str_eq(part.root, "/sub\n");
        ck_assert_uint_ne(part.attributes & MOUNT_ATTR_RDONLY, 0);
        ck_assert_uint_eq(part.superblock_flags & MS_RDONLY, 0);
        ck_assert_int_eq(mount(NULL, "/tmp/a b", NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
        whole = look("/tmp/a b");
        ck_assert_uint_ne(whole.superblock_flags & MS_RDONLY, 0);
        ck_assert_str_eq(whole.root, "/");
        ck_assert_str_eq(whole.type, "tmpfs");
        if (whole.source)
                ck_assert_str_eq(whole.source, "one two");
        if (whole.options)
                ck_assert_ptr_nonnull(strstr(whole.options, "size=64k"));
}
END_TEST

/* A FUSE file system whose server never says a word is looked at all the same. */
START_TEST(test_subtype) {
        _cleanup_free_ char *options = NULL;
        _cleanup_close_ int fuse = -1;
        struct statmount_line line;

        if (!begin())
                return;
        fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        if (fuse < 0)
                return unit_skip("no /dev/fuse here");
        make_directory("/tmp/f");
        ck_assert_int_gt(asprintf(&options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse), 0);
        ck_assert_int_eq(mount("host:/a b", "/tmp/f", "fuse.far", MS_NOSUID | MS_NODEV, options), 0);
        line = look("/tmp/f");
        ck_assert_str_eq(line.type, "fuse");
        if (line.subtype)
                ck_assert_str_eq(line.subtype, "far");
        if (line.source)
                ck_assert_str_eq(line.source, "host:/a b");
        ck_assert_int_eq(umount2("/tmp/f", MNT_DETACH), 0);
}
END_TEST

/* An fd of a user namespace in which 0 is 1000. */
static int user_namespace(void) {
        _cleanup_free_ char *path = NULL, *map = NULL;
        char go;
        int ready[2], fd;
        pid_t pid;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        ck_assert_int_eq(read(ready[0], &go, 1), 1);
        ck_assert_int_gt(asprintf(&map, "/proc/%d/uid_map", pid), 0);
        make_file(map, "0 1000 1");
        free(map);
        ck_assert_int_gt(asprintf(&map, "/proc/%d/gid_map", pid), 0);
        make_file(map, "0 1000 1");
        ck_assert_int_gt(asprintf(&path, "/proc/%d/ns/user", pid), 0);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        return fd;
}

START_TEST(test_idmapped) {
        _cleanup_close_ int namespace = -1, tree = -1;
        struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};

        if (!begin())
                return;
        make_directory("/tmp/s");
        make_directory("/tmp/m");
        ck_assert_int_eq(mount("s", "/tmp/s", "tmpfs", 0, NULL), 0);
        namespace = user_namespace();
        attr.userns_fd = (uint64_t) namespace;
        tree = (int) syscall(SYS_open_tree, AT_FDCWD, "/tmp/s", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
        ck_assert_int_ge(tree, 0);
        if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
                return unit_skip("tmpfs cannot be idmapped here");
        ck_assert_int_eq(syscall(SYS_move_mount, tree, "", AT_FDCWD, "/tmp/m", MOVE_MOUNT_F_EMPTY_PATH), 0);
        ck_assert_uint_ne(look("/tmp/m").attributes & MOUNT_ATTR_IDMAP, 0);
        ck_assert_uint_eq(look("/tmp/s").attributes & MOUNT_ATTR_IDMAP, 0);
}
END_TEST

UNIT_MAIN("statmount", test_propagation, test_attributes, test_subtype, test_idmapped)
