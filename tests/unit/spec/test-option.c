/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The option tables: complete, without doubles, and each kind of value checked for its form. */

#include "tests/unit/spec/spec-cases.h"

/* "Linux mount options" of the OCI runtime specification, config.md. */
static const char *const oci_names[] = {
        "async",
        "atime",
        "bind",
        "defaults",
        "dev",
        "diratime",
        "dirsync",
        "exec",
        "iversion",
        "lazytime",
        "loud",
        "mand",
        "noatime",
        "nodev",
        "nodiratime",
        "noexec",
        "noiversion",
        "nolazytime",
        "nomand",
        "norelatime",
        "nostrictatime",
        "nosuid",
        "nosymfollow",
        "private",
        "ratime",
        "rbind",
        "rdev",
        "rdiratime",
        "relatime",
        "remount",
        "rexec",
        "rnoatime",
        "rnodev",
        "rnodiratime",
        "rnoexec",
        "rnorelatime",
        "rnostrictatime",
        "rnosuid",
        "rnosymfollow",
        "ro",
        "rprivate",
        "rrelatime",
        "rro",
        "rrw",
        "rshared",
        "rslave",
        "rstrictatime",
        "rsuid",
        "rsymfollow",
        "runbindable",
        "rw",
        "shared",
        "silent",
        "slave",
        "strictatime",
        "suid",
        "symfollow",
        "sync",
        "tmpcopyup",
        "unbindable",
        "idmap",
        "ridmap",
        NULL,
};

START_TEST(test_complete) {
        for (const char *const *name = oci_names; *name; name++)
                ck_assert_msg(option_find(*name) != NULL, "no row for %s", *name);
        ck_assert_ptr_null(option_find("size"));
        ck_assert_ptr_null(option_find(""));
        ck_assert_ptr_null(option_find("RO"));
        for (const struct option_row *row = option_table(); !row->type; row++) {
                ck_assert_msg(option_find(row->name) == row, "two rows of %s", row->name);
                ck_assert_int_ne(row->kind, OPTION_DATA);
                ck_assert_int_eq(row->kind == OPTION_WAY, row->way != 0);
                ck_assert_ptr_nonnull(row->summary);
                ck_assert_int_eq(row->kind == OPTION_PROPAGATION, row->propagation != 0);
                ck_assert_int_eq(row->kind == OPTION_SUPERBLOCK, row->superblock != NULL);
        }
        for (const struct option_row *row = option_table(); row->name; row++) {
                if (!row->type)
                        continue;
                ck_assert_int_eq(row->kind, OPTION_DATA);
                ck_assert_ptr_nonnull(row->summary);
                ck_assert_msg(option_find_data(row->type, row->name) == row, "two rows of %s", row->name);
                ck_assert_int_eq(row->value == VALUE_WORD, row->words != NULL);
                ck_assert_msg(option_find(row->name) == NULL, "%s is plain and data", row->name);
        }
}
END_TEST

START_TEST(test_rows) {
        const struct option_row *row = option_find("rnosuid");

        ck_assert(row->recursive);
        ck_assert_uint_eq(row->set, MOUNT_ATTR_NOSUID);
        ck_assert_uint_eq(option_find("suid")->clear, MOUNT_ATTR_NOSUID);
        ck_assert(!option_find("suid")->recursive);
        ck_assert_uint_eq(option_find("nosymfollow")->set, MOUNT_ATTR_NOSYMFOLLOW);
        ck_assert_uint_eq(option_find("noatime")->clear, MOUNT_ATTR__ATIME);
        ck_assert_uint_eq(option_find("rslave")->propagation, MS_SLAVE);
        ck_assert(option_find("rbind")->recursive);
        ck_assert_int_eq(option_find("remount")->kind, OPTION_REMOUNT);
        ck_assert_int_eq(option_find("defaults")->kind, OPTION_IGNORED);
}
END_TEST

struct value_case {
        const char *type, *name, *value;
        bool good;
};

static const struct value_case values[] = {
        {"tmpfs", "size", "65536k", true},
        {"tmpfs", "size", "0", true},
        {"tmpfs", "size", "18446744073709551616", false},
        {"tmpfs", "size", "8589934591G", true},
        {"tmpfs", "size", "8589934592G", false},
        {"tmpfs", "size", "15e", false},
        {"tmpfs", "size", "16E", false},
        {"tmpfs", "size", "50%", true},
        {"tmpfs", "size", "100%", true},
        {"tmpfs", "size", "101%", false},
        {"tmpfs", "size", "0%", false},
        {"tmpfs", "size", "%", false},
        {"tmpfs", "size", "", false},
        {"tmpfs", "size", NULL, false},
        {"tmpfs", "size", "-1", false},
        {"tmpfs", "size", "+1", false},
        {"tmpfs", "size", " 1", false},
        {"tmpfs", "size", "9223372036854775807", true},
        {"tmpfs", "size", "7e", true},
        {"tmpfs", "size", "9223372036854775808", false},
        {"tmpfs", "size", "18446744073709551615", false},
        {"tmpfs", "size", "8e", false},
        {"tmpfs", "size", "0x10", false},
        {"tmpfs", "size", "1kk", false},
        {"tmpfs", "size", "1k,mode=777", false},
        {"tmpfs", "nr_inodes", "4k", true},
        {"tmpfs", "nr_inodes", "50%", false},
        {"tmpfs", "uid", "4294967294", true},
        {"tmpfs", "uid", "4294967295", false},
        {"tmpfs", "uid", "1k", false},
        {"tmpfs", "mode", "1777", true},
        {"tmpfs", "mode", "07777", true},
        {"tmpfs", "mode", "10000", false},
        {"tmpfs", "mode", "888", false},
        {"tmpfs", "huge", "within_size", true},
        {"tmpfs", "huge", "within", false},
        {"tmpfs", "huge", "never|always", false},
        {"devpts", "newinstance", NULL, true},
        {"devpts", "newinstance", "1", false},
        {"devpts", "ptmxmode", "0666", true},
        {"proc", "hidepid", "invisible", true},
        {"proc", "hidepid", "3", false},
        {"proc", "subset", "pid", true},
        {"cgroup", "name", "systemd", true},
        {"cgroup", "name", "a,b", false},
        {"cgroup", "name", "a\nb", false},
        {"cgroup", "name", "a b", false},
        {"cgroup", "name", "\xc3\xa9", false},
        {"overlay", "lowerdir", "/a:/b", true},
        {"overlay", "lowerdir", "/a\\:b:/c\\\\", true},
        {"overlay", "lowerdir", "fd:one:/b:fd:two", true},
        {"overlay", "lowerdir", "/a::/b", false},
        {"overlay", "lowerdir", ":/a", false},
        {"overlay", "lowerdir", "/a:", false},
        {"overlay", "lowerdir", "/a\\", false},
        {"overlay", "lowerdir", "a", false},
        {"overlay", "lowerdir", "/a/../b", false},
        {"overlay", "lowerdir", "fd:", false},
        {"overlay", "upperdir", "/a,b", true},
        {"overlay", "upperdir", "fd:a/b", false},
        {"overlay", "metacopy", "on", true},
        {"overlay", "metacopy", "maybe", false},
        {"tmpfs", "inode64", NULL, true},
        {"tmpfs", "inode64", "1", false},
        {"devpts", "max", "1048576", true},
        {"devpts", "max", "1048577", false},
        {"9p", "trans", "fd", true},
        {"9p", "trans", "tcp", false},
        {"9p", "rfdno", "fd:in", true},
        {"9p", "rfdno", "3", false},
        {"9p", "rfdno", "fd:", false},
        {"9p", "rfdno", "fd:a/b", false},
        {"9p", "msize", "4095", false},
        {"9p", "msize", "4096", true},
        {"9p", "msize", "1073741825", false},
        {"9p", "msize", "99999999999999999999999", false},
        {"9p", "aname", "a\nb", false},
        {"9p", "aname", "a\tb", false},
        {"fuse", "rootmode", "40000", true},
        {"fuse", "rootmode", "100755", true},
        {"fuse", "rootmode", "200000", false},
        {"fuse", "fd", "/dev/fuse", false},
        {"ext4", "commit", "0", false},
        {"ext4", "commit", "5", true},
        {"ext4", "errors", "panic", false},
        {"squashfs", "errors", "panic", false},
        {NULL, "context", "system_u:object_r:container_file_t:s0:c1,c2", true},
        {NULL, "context", "a b", false},
        {NULL, "context", "a\"b", false},
        {NULL, "context", "a\nb", false},
        {NULL, "context", "", false},
        {NULL, "idmap", NULL, true},
        {NULL, "idmap", "", false},
        {NULL, "idmap", "uids=0-1000-10", true},
        {NULL, "idmap", "uids=0-1000-10#10-2000-1;gids=@0-0-1", true},
        {NULL, "idmap", "gids=0-0-1;uids=0-0-1", true},
        {NULL, "idmap", "uids=0-0-1;uids=1-1-1", false},
        {NULL, "idmap", "uids=0-0-0", false},
        {NULL, "idmap", "uids=0-0-1;", false},
        {NULL, "idmap", "uids=0-0-1#", false},
        {NULL, "idmap", "uids=#0-0-1", false},
        {NULL, "idmap", "uids=0-0", false},
        {NULL, "idmap", "uids=-1-0-1", false},
        {NULL, "idmap", "uids=4294967294-0-1", true},
        {NULL, "idmap", "uids=4294967294-0-2", false},
        {NULL, "idmap", "uids=0-4294967295-1", false},
        {NULL, "idmap", "uids=0-0-99999999999999999999", false},
        {NULL, "idmap", "uids=0-0-10#9-100-1", false},
        {NULL, "idmap", "uids=0-100-10#10-109-1", false},
        {NULL, "ro", "1", false},
};

START_TEST(test_values) {
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                const struct value_case *c = values + i;
                const struct option_row *row = c->type ? option_find_data(c->type, c->name) : option_find(c->name);
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                int r;

                ck_assert_msg(row != NULL, "%s %s", c->type, c->name);
                r = option_check_value(row, c->value, &f);
                ck_assert_msg(
                        r == (c->good ? 0 : FAILURE_INVALID_OPTION), "%s=%s: %d %s", c->name, c->value, r, f.text);
                ck_assert_msg(c->good || strstr(f.text, c->name), "%s not in: %s", c->name, f.text);
        }
}
END_TEST

START_TEST(test_long_value) {
        char value[OPTION_VALUE_MAX + 2];
        struct failure f = FAILURE_INIT;

        memset(value, 'a', sizeof(value));
        value[OPTION_VALUE_MAX + 1] = '\0';
        ck_assert_int_eq(option_check_value(option_find_data("cgroup", "name"), value, &f), FAILURE_INVALID_OPTION);
        failure_clear(&f);
        value[OPTION_VALUE_MAX] = '\0';
        ck_assert_int_eq(option_check_value(option_find_data("cgroup", "name"), value, &f), 0);
}
END_TEST

START_TEST(test_allow_list) {
        ck_assert_ptr_null(option_find_data("cgroup", "release_agent"));
        ck_assert_ptr_null(option_find_data("tmpfs", "mpol"));
        ck_assert_ptr_null(option_find_data("tmpfs", "lowerdir"));
        ck_assert_ptr_null(option_find_data("sysfs", "size"));
        ck_assert_ptr_null(option_find_data("ext4", "journal_path"));
        ck_assert(option_is_for_root(option_find_data("overlay", "metacopy"), "on"));
        ck_assert(!option_is_for_root(option_find_data("overlay", "metacopy"), "off"));
        ck_assert(option_is_for_root(option_find_data("overlay", "redirect_dir"), "follow"));
        ck_assert(!option_is_for_root(option_find_data("overlay", "redirect_dir"), "nofollow"));
        ck_assert(option_is_for_root(option_find_data("overlay", "userxattr"), NULL));
        ck_assert(!option_is_for_root(option_find_data("tmpfs", "size"), "1"));
}
END_TEST

UNIT_MAIN("option", test_complete, test_rows, test_values, test_long_value, test_allow_list)
