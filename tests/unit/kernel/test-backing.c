/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a file system is found to give to layers: real ones, mounted in a mount namespace of the test's own, of which some
 * lack what overlayfs needs. */

#include <errno.h>
#include <fcntl.h>

#include "kernel/backing.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

static void probe(const char *path, struct backing *ret) {
        _cleanup_close_ int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *before = namespace_snapshot(), *left = NULL;
        struct features features = unit_features();

        ck_assert_int_ge(directory, 0);
        ck_assert_int_eq(backing_probe(directory, &features, ret), 0);
        namespace_unchanged(before);
        ck_assert_int_gt(asprintf(&left, "%s/" BACKING_PROBE_NAME, path), 0);
        ck_assert_msg(!exists(left), "%s was left", left);
}

/* It is this file system and takes layers; or else it does not, and the sentence says `missing`. */
static void check(const char *path, const char *name, const char *missing) {
        _cleanup_backing_ struct backing backing = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *found = NULL;

        probe(path, &backing);
        found = backing_name(&backing);
        ck_assert_str_eq(found, name);
        ck_assert_int_eq(backing_judge(&backing, path, &f), missing ? FAILURE_NOT_SUPPORTED : 0);
        if (!missing) {
                ck_assert(backing.d_type && backing.xattrs && backing.whiteouts && backing.lower && backing.upper);
                return;
        }
        ck_assert_msg(strstr(f.text, missing) != NULL, "it says \"%s\"", f.text);
        ck_assert_msg(strstr(f.text, path) && strstr(f.text, name) && strstr(f.text, "--state-dir"), "it says \"%s\"", f.text);
}

START_TEST(test_memory) {
        if (!namespace_enter())
                return;
        check("/tmp", "tmpfs", NULL);
        make_directory("/tmp/ram");
        ck_assert_int_eq(mount("ram", "/tmp/ram", "ramfs", 0, NULL), 0);
        check("/tmp/ram", "ramfs", "trusted.overlay attributes");
}
END_TEST

/* Without room nothing is known of it, but that; nor is there anything left. */
START_TEST(test_full) {
        _cleanup_backing_ struct backing backing = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!namespace_enter())
                return;
        make_directory("/tmp/full");
        for (const char *const *inodes = (const char *const[]){"nr_inodes=1", "nr_inodes=6", NULL}; *inodes; inodes++) {
                ck_assert_int_eq(mount("full", "/tmp/full", "tmpfs", 0, *inodes), 0);
                probe("/tmp/full", &backing);
                ck_assert(backing.full);
                ck_assert_int_eq(backing_judge(&backing, "/tmp/full", &f), FAILURE_QUOTA_EXCEEDED);
                ck_assert_msg(strstr(f.text, "/tmp/full lies on tmpfs, which was full") != NULL, "it says \"%s\"", f.text);
                backing_done(&backing);
                failure_clear(&f);
                ck_assert_int_eq(umount2("/tmp/full", 0), 0);
        }
}
END_TEST

/* Whatever else it has: nothing can be an upper directory on an overlay. */
START_TEST(test_overlay) {
        _cleanup_backing_ struct backing backing = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!namespace_enter())
                return;
        for (const char *const *name = (const char *const[]){"lower", "upper", "work", "merged", NULL}; *name; name++)
                make_directory(*name);
        ck_assert_int_eq(mount("o", "/tmp/merged", "overlay", 0, "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work"), 0);
        probe("/tmp/merged", &backing);
        ck_assert(!backing.upper);
        ck_assert_int_eq(backing_judge(&backing, "/tmp/merged", &f), FAILURE_NOT_SUPPORTED);
        ck_assert_ptr_nonnull(strstr(f.text, "/tmp/merged lies on overlay"));
}
END_TEST

static bool mount_ext4(const char *features) {
        _cleanup_free_ char *command = NULL;

        ck_assert_int_gt(asprintf(&command,
                "truncate -s 16M image && mkfs.ext4 -qF %s image >mkfs.log 2>&1 && mkdir -p disk && mount -o loop image disk 2>mount.log",
                features), 0);
        if (system(command) == 0)
                return true;
        unit_skip("no ext4 on a loop device here");
        return false;
}

START_TEST(test_disk) {
        if (namespace_enter() && mount_ext4(""))
                check("/tmp/disk", "ext4", NULL);
}
END_TEST

START_TEST(test_without_types) {
        if (namespace_enter() && mount_ext4("-O ^filetype"))
                check("/tmp/disk", "ext4", "types of files");
}
END_TEST

/* A crash may have left anything below the probe's name; what a link there leads to stays. */
START_TEST(test_leftovers) {
        if (!namespace_enter())
                return;
        make_directory("/tmp/" BACKING_PROBE_NAME);
        make_directory("/tmp/" BACKING_PROBE_NAME "/work");
        make_directory("/tmp/" BACKING_PROBE_NAME "/work" "/work");
        make_file("/tmp/" BACKING_PROBE_NAME "/work" "/work" "/file", "x");
        ck_assert_int_eq(mknod("/tmp/" BACKING_PROBE_NAME "/whiteout", S_IFCHR, 0), 0);
        check("/tmp", "tmpfs", NULL);

        make_directory("/tmp/other");
        make_file("/tmp/other/file", "x");
        ck_assert_int_eq(symlink("/tmp/other", "/tmp/" BACKING_PROBE_NAME), 0);
        check("/tmp", "tmpfs", NULL);
        ck_assert(exists("/tmp/other/file"));
}
END_TEST

static int try(const char *path) {
        _cleanup_close_ int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_backing_ struct backing backing = {};
        struct features features = unit_features();

        ck_assert_int_ge(directory, 0);
        return backing_probe(directory, &features, &backing);
}

START_TEST(test_refused) {
        if (!namespace_enter())
                return;
        make_directory("/tmp/ro");
        ck_assert_int_eq(mount("ro", "/tmp/ro", "tmpfs", MS_RDONLY, NULL), 0);
        ck_assert_int_eq(try("/tmp/ro"), -EROFS);
}
END_TEST

UNIT_MAIN("backing", test_memory, test_full, test_overlay, test_disk, test_without_types, test_leftovers, test_refused)
