/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records as values. */

#include "store/store.h"

#include <string.h>

#include "tests/unit/unit.h"

START_TEST(test_state_names) {
        ck_assert_str_eq(record_state_name(RECORD_CREATING), "creating");
        ck_assert_str_eq(record_state_name(RECORD_READY), "ready");
        ck_assert_str_eq(record_state_name(RECORD_STOPPING), "stopping");
        ck_assert_str_eq(record_state_name(RECORD_FAILED), "failed");
}
END_TEST

START_TEST(test_copy_owns_its_own) {
        char container[] = "main", target[] = "/data", source[] = "/srv", type[] = "bind";
        char request[] = "{}", key[] = "1:2", root[] = "/sub", point[] = "main/rootfs/data", option[] = "ro", *options[] = {option, NULL};
        struct record_mount from = {.row = 3, .id = 4, .mount_id = 5, .container = container, .target = target,
                .source = source, .type = type, .options = options, .request = request, .source_key = key, .root = root, .point = point, .device = 6,
                .attributes = 7, .propagation = 8, .made = 9, .made_file = true, .nested = true, .ground_free = true};
        struct record_mount copy = {};

        ck_assert_int_eq(record_mount_copy(&from, &copy), 0);
        memset(container, 'x', 4);
        memset(option, 'x', 2);
        memset(key, 'x', 3);
        memset(root, 'x', 4);
        memset(point, 'x', 4);
        ck_assert_str_eq(copy.container, "main");
        ck_assert_str_eq(copy.target, "/data");
        ck_assert_str_eq(copy.source, "/srv");
        ck_assert_str_eq(copy.type, "bind");
        ck_assert_str_eq(copy.options[0], "ro");
        ck_assert_str_eq(copy.request, "{}");
        ck_assert_str_eq(copy.source_key, "1:2");
        ck_assert_str_eq(copy.root, "/sub");
        ck_assert_str_eq(copy.point, "main/rootfs/data");
        ck_assert_int_eq(copy.row, 3);
        ck_assert_uint_eq(copy.made, 9);
        ck_assert(copy.made_file && copy.nested && copy.ground_free && !copy.ground_caller);
        record_mount_done(&copy);
        ck_assert_ptr_null(copy.container);
        record_mount_done(&copy);
}
END_TEST

START_TEST(test_copy_of_little) {
        struct record_mount from = {.id = 1}, copy = {};

        ck_assert_int_eq(record_mount_copy(&from, &copy), 0);
        ck_assert_ptr_null(copy.container);
        ck_assert_ptr_null(copy.options);
        record_mount_done(&copy);
        ck_assert_ptr_null(record_pod_free(NULL));
        record_intents_free(NULL, 0);
}
END_TEST

UNIT_MAIN("record", test_state_names, test_copy_owns_its_own, test_copy_of_little)
