/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Words of an entry for people. */

#include <linux/mount.h>

#include "table/entry.h"
#include "tests/unit/unit.h"
#include "util/array.h"

static void check_names(uint64_t attributes, const char *expected) {
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *text = NULL;

        ck_assert_int_eq(entry_attribute_names(attributes, &names), 0);
        text = strv_join(names, ",");
        ck_assert_str_eq(text, expected);
}

START_TEST(test_attribute_names) {
        check_names(0, "rw,relatime");
        check_names(MOUNT_ATTR_RDONLY | MOUNT_ATTR_STRICTATIME, "ro,strictatime");
        check_names(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME |
                            MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW | MOUNT_ATTR_IDMAP,
                "rw,nosuid,nodev,noexec,nodiratime,nosymfollow,idmapped,noatime");
}
END_TEST

START_TEST(test_propagation_names) {
        ck_assert_str_eq(entry_propagation_name(0), "private");
        ck_assert_str_eq(entry_propagation_name(ENTRY_SHARED), "shared");
        ck_assert_str_eq(entry_propagation_name(ENTRY_SLAVE), "slave");
        ck_assert_str_eq(entry_propagation_name(ENTRY_SHARED | ENTRY_SLAVE), "slave,shared");
        ck_assert_str_eq(entry_propagation_name(ENTRY_UNBINDABLE), "unbindable");
}
END_TEST

START_TEST(test_free_nothing) {
        ck_assert_ptr_null(entry_free(NULL));
        ck_assert_ptr_null(entry_free(entry_new()));
}
END_TEST

START_TEST(test_texts) {
        _cleanup_(entry_freep) struct entry *entry = entry_new();

        ck_assert_ptr_nonnull(entry);
        ck_assert_int_eq(entry_set_texts(entry, &(struct entry_texts){
                                                        .root = "/",
                                                        .point = "/a b",
                                                        .type = "fuse",
                                                        .subtype = "sshfs",
                                                        .source = "",
                                                        .flags = "ro",
                                                        .options = "\\040x\\04\\134\\,y=\\777\\",
                                                        .escaped = true,
                                                }), 0);
        ck_assert_str_eq(entry->root, "/");
        ck_assert_str_eq(entry->point, "/a b");
        ck_assert_str_eq(entry->type, "fuse.sshfs");
        ck_assert_str_eq(entry->source, "");
        ck_assert_str_eq(entry->options, "ro, x\\04\\\\,y=\\777\\");
        ck_assert_uint_ge(entry_bytes(entry), sizeof(*entry) + 40);

        /* made of its own; what is not told is empty, but for the source */
        ck_assert_int_eq(entry_set_texts(entry, &(struct entry_texts){.root = entry->point, .subtype = "", .options = "\\040"}), 0);
        ck_assert_str_eq(entry->root, "/a b");
        ck_assert_str_eq(entry->point, "");
        ck_assert_str_eq(entry->type, "");
        ck_assert_ptr_null(entry->source);
        ck_assert_str_eq(entry->options, "\\040");
}
END_TEST

UNIT_MAIN("entry", test_attribute_names, test_propagation_names, test_free_nothing, test_texts)
