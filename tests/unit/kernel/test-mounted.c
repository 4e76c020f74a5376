/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a file lies on: real mounts in a mount namespace of the test's own, with statmount(2) and with mountinfo; and
 * the names of block devices from a tree that is made like sysfs, because device-mapper is not to be had on every machine. */

#include <errno.h>
#include <sys/sysmacros.h>

#include "kernel/block.h"
#include "kernel/mounted.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

static int open_at(const char *path) {
        int fd = open(path, O_PATH | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

/* The same by both ways; the recycled id has to be that of the other way, too. */
static void look(const char *path, const char *top, struct mounted *ret) {
        _cleanup_close_ int fd = open_at(path), above = top ? open_at(top) : -1;
        _cleanup_mounted_ struct mounted old = {};
        struct features features = unit_features();

        ck_assert_int_eq(mounted_read(fd, above, features.unique_id, features.statmount, ret), 0);
        ck_assert_int_eq(mounted_read(fd, above, false, false, &old), 0);
        ck_assert_str_eq(old.point, ret->point);
        ck_assert_str_eq(old.source, ret->source);
        ck_assert_str_eq(old.type, ret->type);
        ck_assert_uint_eq(old.device, ret->device);
        ck_assert_uint_eq(old.mode, ret->mode);
        ck_assert_int_eq(old.system, ret->system);
        ck_assert_int_eq(old.devices, ret->devices);
        ck_assert_uint_ne(ret->id, 0);
}

static void check(const char *path, const char *top, const char *point, const char *type, bool system, bool devices) {
        _cleanup_mounted_ struct mounted mounted = {};

        look(path, top, &mounted);
        ck_assert_msg(strcmp(mounted.point, point) == 0, "%s is on %s", path, mounted.point);
        ck_assert_msg(strcmp(mounted.type, type) == 0, "%s is on a %s", path, mounted.type);
        ck_assert_msg(mounted.system == system, "%s is %sa system mount", path, system ? "not " : "");
        ck_assert_msg(mounted.devices == devices, "%s is %sbelow a devtmpfs", path, devices ? "not " : "");
}

START_TEST(test_mounts) {
        _cleanup_mounted_ struct mounted named = {};

        if (!namespace_enter())
                return;
        for (const char *const *name = (const char *const[]){"a b", "a b/x", "proc-like", "p", "s", "d", NULL}; *name; name++)
                make_directory(*name);
        ck_assert_int_eq(mount("a source", "/tmp/a b/x", "tmpfs", 0, NULL), 0);
        make_file("/tmp/a b/x/file", "x");
        ck_assert_int_eq(mount("proc", "/tmp/p", "proc", 0, NULL), 0);
        ck_assert_int_eq(mount("/tmp/a b/x", "/tmp/p/sys/kernel", NULL, MS_BIND, NULL), 0);
        ck_assert_int_eq(mount("sysfs", "/tmp/s", "sysfs", 0, NULL), 0);
        ck_assert_int_eq(mount("devtmpfs", "/tmp/d", "devtmpfs", 0, NULL), 0);

        look("/tmp/a b/x/file", NULL, &named);
        ck_assert_str_eq(named.point, "/tmp/a b/x");
        ck_assert_str_eq(named.source, "a source");
        ck_assert(S_ISREG(named.mode) && !named.system && !named.devices);
        check("/tmp/proc-like", NULL, "/tmp", "tmpfs", false, false);
        check("/tmp/p/self/status", NULL, "/tmp/p", "proc", true, false);
        check("/tmp/p/sys/kernel/file", NULL, "/tmp/p/sys/kernel", "tmpfs", true, false);
        check("/tmp/p/sys/kernel/file", "/tmp/p/sys/kernel", "/tmp/p/sys/kernel", "tmpfs", false, false);
        check("/tmp/s/kernel", NULL, "/tmp/s", "sysfs", true, false);
        check("/tmp/d", NULL, "/tmp/d", "devtmpfs", false, true);
}
END_TEST

START_TEST(test_gone) {
        _cleanup_close_ int fd = -1;
        struct features features;
        struct mounted mounted;

        if (!namespace_enter())
                return;
        features = unit_features();
        make_directory("gone");
        ck_assert_int_eq(mount("gone", "/tmp/gone", "tmpfs", 0, NULL), 0);
        fd = open_at("/tmp/gone");
        ck_assert_int_eq(umount2("/tmp/gone", MNT_DETACH), 0);
        ck_assert_int_eq(mounted_read(fd, -1, features.unique_id, features.statmount, &mounted), -ENOENT);
        ck_assert_int_eq(mounted_read(fd, -1, false, false, &mounted), -ENOENT);
}
END_TEST

/* As /sys is laid out: numbers are symlinks to the devices. */
static int made_sysfs(char *directory) {
        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_eq(chdir(directory), 0);
        for (const char *const *name = (const char *const[]){"dev", "dev/block", "devices", "devices/dm-3", "devices/dm-3/dm",
                     "devices/sda1", "devices/odd", "devices/none", NULL};
                *name; name++)
                make_directory(*name);
        make_file("devices/dm-3/uevent", "MAJOR=253\nMINOR=3\nDEVNAME=dm-3\nDEVTYPE=disk\n");
        make_file("devices/dm-3/dm/name", "pool-thin 1\n");
        make_file("devices/sda1/uevent", "NOT_DEVNAME=x\nDEVNAME=sda1");
        make_file("devices/odd/uevent", "DEVNAME=cciss/c0d0p1\n");
        make_file("devices/none/uevent", "MAJOR=9\n");
        ck_assert_int_eq(symlink("../../devices/dm-3", "dev/block/253:3"), 0);
        ck_assert_int_eq(symlink("../../devices/sda1", "dev/block/8:1"), 0);
        ck_assert_int_eq(symlink("/devices/odd", "dev/block/104:1"), 0);
        ck_assert_int_eq(symlink("../../../../../../../devices/none", "dev/block/9:0"), 0);
        return open_at(".");
}

static void check_block(int sysfs, dev_t device, const char *node, const char *mapper) {
        _cleanup_block_ struct block block = {};

        ck_assert_int_eq(block_read(sysfs, device, &block), 0);
        ck_assert_str_eq(block.node ? block.node : "(none)", node);
        ck_assert_str_eq(block.mapper ? block.mapper : "(none)", mapper);
}

START_TEST(test_made_sysfs) {
        char directory[] = "/tmp/test-sysfs-XXXXXX", command[64];
        _cleanup_close_ int sysfs = made_sysfs(directory);

        fprintf(stderr, "# device-mapper: tried with a tree that is made like sysfs, not with the kernel's own\n");
        check_block(sysfs, makedev(253, 3), "/dev/dm-3", "pool-thin 1");
        check_block(sysfs, makedev(8, 1), "/dev/sda1", "(none)");
        check_block(sysfs, makedev(104, 1), "/dev/cciss/c0d0p1", "(none)");
        check_block(sysfs, makedev(9, 0), "(none)", "(none)");
        check_block(sysfs, makedev(0, 25), "(none)", "(none)");
        (void) snprintf(command, sizeof(command), "rm -r %s", directory); /* fits: both are short */
        ck_assert_int_eq(system(command), 0);
}
END_TEST

UNIT_MAIN("mounted", test_mounts, test_gone, test_made_sysfs)
