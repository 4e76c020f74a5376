/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the kernel's words to entries: recorded texts, and real mounts in a mount namespace of the test's own. */

#include <linux/mount.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/unit/namespace.h"
#include "tests/unit/table/made.h"
#include "tests/unit/unit.h"

static void read_text(const char *text, struct entry ***ret, size_t *ret_n) {
        _cleanup_close_ int fd = memfd_create("mountinfo", MFD_CLOEXEC);

        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        ck_assert_int_eq(reading_take_mountinfo(fd, ret, ret_n), 0);
}

START_TEST(test_words) {
        struct entry **entries;
        size_t n;

        read_text("1 0 0:1 / / rw shared:5 master:6 propagate_from:7 future:8 - ext4 /dev/vda rw,discard\n"
                  "2 1 0:2 /sub /a\\040b ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow,idmapped unbindable - "
                  "tmpfs none ro\n"
                  "3 1 0:3 / /c rw,relatime - tmpfs  rw,size=4k\n",
                &entries, &n);
        ck_assert_uint_eq(n, 3);
        ck_assert_uint_eq(entries[0]->attributes, MOUNT_ATTR_STRICTATIME);
        ck_assert_uint_eq(entries[0]->propagation, ENTRY_SHARED | ENTRY_SLAVE);
        ck_assert_uint_eq(entries[0]->peer_group, 5);
        ck_assert_uint_eq(entries[0]->master_group, 6);
        ck_assert_str_eq(entries[0]->source, "/dev/vda");
        ck_assert_str_eq(entries[0]->options, "rw,discard");
        ck_assert(!entries[0]->superblock_readonly);
        ck_assert_uint_eq(entries[0]->unique_id, 0);

        ck_assert_uint_eq(entries[1]->attributes,
                MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME |
                        MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW | MOUNT_ATTR_IDMAP);
        ck_assert_uint_eq(entries[1]->propagation, ENTRY_UNBINDABLE);
        ck_assert(entries[1]->superblock_readonly);
        ck_assert_ptr_null(entries[1]->source);
        ck_assert_str_eq(entries[1]->root, "/sub");
        ck_assert_str_eq(entries[1]->point, "/a b");

        ck_assert_uint_eq(entries[2]->attributes, 0);
        ck_assert_ptr_null(entries[2]->source);
        reading_free(entries, n);
}
END_TEST

START_TEST(test_real) {
        _cleanup_(watch_freep) struct watch *watch = NULL;
        _cleanup_(table_freep) struct table *table = table_new();
        struct entry *entry;
        struct stat st;

        namespace_enter_with_room();
        ck_assert_int_eq(mkdir("/tmp/ro", 0700), 0);
        ck_assert_int_eq(
                mount("source", "/tmp/ro", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, NULL),
                0);
        ck_assert_int_eq(mount(NULL, "/tmp/ro", NULL, MS_SHARED, NULL), 0);
        ck_assert_int_eq(stat("/tmp/ro", &st), 0);
        ck_assert_int_eq(watch_open(WATCH_MOUNTINFO, false, &watch), 0);
        made_read(table, watch);

        entry = table_at(table, "/tmp/ro");
        ck_assert_ptr_nonnull(entry);
        ck_assert_uint_eq(entry->device, st.st_dev);
        ck_assert_uint_eq(
                entry->attributes & (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME),
                MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME);
        ck_assert(entry->superblock_readonly);
        ck_assert_uint_eq(entry->propagation, ENTRY_SHARED);
        ck_assert_uint_ne(entry->peer_group, 0);
        ck_assert_ptr_eq(entry->parent, table_at(table, "/tmp"));

        ck_assert_int_eq(umount2("/tmp/ro", 0), 0);
        made_read(table, watch);
        ck_assert_ptr_null(table_at(table, "/tmp/ro"));
}
END_TEST

UNIT_MAIN("reading", test_words, test_real)
