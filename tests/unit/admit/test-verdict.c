/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of verdicts: complete, without doubles, and what it says to each kind of caller. */

#include "admit/verdict.h"

#include <string.h>

#include "dbus/names.h"
#include "tests/unit/unit.h"

#define HOST .host_mount_namespace = true, .host_user_namespace = true, .host_root_directory = true

static const struct caller root = {.uid = 0, HOST}, user = {.uid = 1000, HOST},
                           user_on_socket = {.uid = 1000, .transport = CALLER_SOCKET, HOST},
                           root_on_socket = {.uid = 0, .transport = CALLER_SOCKET, HOST},
                           other_zero = {.uid = 0, .host_user_namespace = true};

static enum verdict decide(const char *interface, const char *member, bool property, const struct caller *caller,
                           enum relation relation) {
        const struct verdict_row *row = verdict_find(interface, member, property);

        ck_assert_msg(row, "no row for %s.%s", interface, member);
        return verdict_decide(row, caller, relation);
}

START_TEST(test_rows_are_sound) {
        size_t n;
        const struct verdict_row *rows = verdict_table(&n);

        ck_assert_uint_eq(n, 90);
        for (size_t i = 0; i < n; i++) {
                ck_assert_ptr_eq(verdict_find(rows[i].interface, rows[i].member, rows[i].property), &rows[i]);
                ck_assert_int_eq(rows[i].root, VERDICT_ALLOW);
                ck_assert_msg((rows[i].owner == VERDICT_ASK) == (rows[i].action != NULL), "%s: action", rows[i].member);
                ck_assert_int_ne(rows[i].stranger, VERDICT_ASK);
        }
        ck_assert_ptr_null(verdict_find(PODMOUNT_MANAGER_INTERFACE, "Collect", false));
        ck_assert_ptr_null(verdict_find(PODMOUNT_MANAGER_INTERFACE, "Version", false));
        ck_assert_ptr_null(verdict_find(PODMOUNT_POD_INTERFACE, "Bind", true));
        ck_assert_ptr_null(verdict_find(NULL, "Bind", false));
}
END_TEST

START_TEST(test_creation) {
        const struct verdict_row *row = verdict_find(PODMOUNT_MANAGER_INTERFACE, "CreatePod", false);

        ck_assert_str_eq(row->action, PODMOUNT_ACTION_CREATE);
        ck_assert_int_eq(verdict_decide(row, &root, RELATION_NONE), VERDICT_ALLOW);
        ck_assert_int_eq(verdict_decide(row, &root_on_socket, RELATION_NONE), VERDICT_ALLOW);
        ck_assert_int_eq(verdict_decide(row, &user, RELATION_NONE), VERDICT_ASK);
        ck_assert_int_eq(verdict_decide(row, &user_on_socket, RELATION_NONE), VERDICT_DENY);
        ck_assert_int_eq(verdict_decide(row, &other_zero, RELATION_NONE), VERDICT_DENY);
        ck_assert_int_eq(decide(PODMOUNT_MANAGER_INTERFACE, "Plan", false, &other_zero, RELATION_NONE), VERDICT_ALLOW);
}
END_TEST

START_TEST(test_own_pod_and_another) {
        static const char *const changes[] = {"Bind", "Mount", "Unmount", "Collect"};

        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                const struct verdict_row *row = verdict_find(PODMOUNT_POD_INTERFACE, changes[i], false);

                ck_assert_str_eq(row->action, PODMOUNT_ACTION_MANAGE);
                ck_assert_int_eq(verdict_decide(row, &user, RELATION_OWNER), VERDICT_ASK);
                ck_assert_int_eq(verdict_decide(row, &user_on_socket, RELATION_OWNER), VERDICT_DENY);
                ck_assert_int_eq(verdict_decide(row, &user, RELATION_STRANGER), VERDICT_HIDE);
                ck_assert_int_eq(verdict_decide(row, &root, RELATION_STRANGER), VERDICT_ALLOW);
        }
        ck_assert_int_eq(decide(PODMOUNT_POD_INTERFACE, "ListMounts", false, &user_on_socket, RELATION_OWNER),
                         VERDICT_ALLOW);
        ck_assert_int_eq(decide(PODMOUNT_MANAGER_INTERFACE, "GetPod", false, &user, RELATION_STRANGER), VERDICT_HIDE);
        ck_assert_int_eq(decide(PODMOUNT_POD_INTERFACE, "Owner", true, &user, RELATION_STRANGER), VERDICT_HIDE);
        ck_assert_int_eq(decide(PODMOUNT_POD_INTERFACE, "Owner", true, &user, RELATION_OWNER), VERDICT_ALLOW);
}
END_TEST

START_TEST(test_uid_zero_elsewhere_owns_nothing) {
        ck_assert_int_eq(decide(PODMOUNT_POD_INTERFACE, "Bind", false, &other_zero, RELATION_OWNER), VERDICT_HIDE);
        ck_assert_int_eq(decide(PODMOUNT_POD_INTERFACE, "State", true, &other_zero, RELATION_OWNER), VERDICT_HIDE);
        ck_assert_int_eq(decide(PODMOUNT_MANAGER_INTERFACE, "GC", false, &other_zero, RELATION_NONE), VERDICT_DENY);
        ck_assert_int_eq(decide(PODMOUNT_MANAGER_INTERFACE, "Rescan", false, &other_zero, RELATION_NONE), VERDICT_DENY);
}
END_TEST

UNIT_MAIN("verdict", test_rows_are_sound, test_creation, test_own_pod_and_another, test_uid_zero_elsewhere_owns_nothing)
