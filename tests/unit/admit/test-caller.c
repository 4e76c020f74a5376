/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is root, who sees the host's paths, and that a copy shares nothing. */

#include "admit/caller.h"

#include <string.h>

#include "tests/unit/unit.h"

static const struct caller host_root = {
        .host_mount_namespace = true, .host_user_namespace = true, .host_root_directory = true};

START_TEST(test_root_needs_every_namespace) {
        struct caller caller = host_root;

        ck_assert(caller_is_root(&caller));
        caller.uid = 1000;
        ck_assert(!caller_is_root(&caller));
        caller = host_root;
        caller.host_mount_namespace = false;
        ck_assert(!caller_is_root(&caller));
        caller = host_root;
        caller.host_user_namespace = false;
        ck_assert(!caller_is_root(&caller));
        caller = host_root;
        caller.host_root_directory = false;
        ck_assert(!caller_is_root(&caller));
}
END_TEST

START_TEST(test_host_paths) {
        struct caller caller = host_root;

        caller.uid = 1000;
        caller.host_user_namespace = false;
        ck_assert(caller_sees_host_paths(&caller));
        caller.host_root_directory = false;
        ck_assert(!caller_sees_host_paths(&caller));
        caller.host_root_directory = true;
        caller.host_mount_namespace = false;
        ck_assert(!caller_sees_host_paths(&caller));
}
END_TEST

START_TEST(test_copy_owns_its_parts) {
        gid_t groups[] = {4, 24};
        char name[] = ":1.7";
        struct caller caller = {.uid = 1000, .gid = 100, .groups = groups, .n_groups = 2, .bus_name = name}, copy;

        ck_assert_int_eq(caller_copy(&caller, &copy), 0);
        groups[0] = 0;
        name[0] = 'x';
        ck_assert_uint_eq(copy.groups[0], 4);
        ck_assert_uint_eq(copy.groups[1], 24);
        ck_assert_str_eq(copy.bus_name, ":1.7");
        caller_done(&copy);
        ck_assert_ptr_null(copy.groups);
        ck_assert(!caller_is_root(&copy));
        caller_done(NULL);
}
END_TEST

UNIT_MAIN("caller", test_root_needs_every_namespace, test_host_paths, test_copy_owns_its_parts)
