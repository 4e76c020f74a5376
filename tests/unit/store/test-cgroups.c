/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of cgroups: each is there until it is deleted, whatever becomes of its pod. */

#include "store/cgroups.h"

#include <errno.h>

#include "store-dir.h"

static char uuid[] = "0123abcd-4567-89ab-cdef-0123456789ab", parent[] = "/pods", unit[] = "";
static char one[] = "one", two[] = "\xc3\xbc'; DROP TABLE cgroup; --", path[] = "/pods/one";

static void check(struct store *store, const struct record_cgroup *expected, size_t n) {
        struct record_cgroup *list = NULL;
        size_t n_list = 0;

        ck_assert_int_eq(store_load_cgroups(store, &list, &n_list), 0);
        ck_assert_uint_eq(n_list, n);
        for (size_t i = 0; i < n; i++) {
                ck_assert_str_eq(list[i].uuid, expected[i].uuid);
                ck_assert_str_eq(list[i].name, expected[i].name);
                ck_assert_str_eq(list[i].parent, expected[i].parent);
                ck_assert_pstr_eq(list[i].path, expected[i].path);
                ck_assert_int_eq(list[i].made, expected[i].made);
                ck_assert_uint_eq(list[i].step, expected[i].step);
        }
        record_cgroups_free(list, n_list);
}

START_TEST(test_kept) {
        struct record_cgroup rows[] = {
                {.uuid = uuid, .name = one, .parent = parent, .step = 3},
                {.uuid = uuid, .name = one, .parent = unit, .step = RECORD_CGROUP_LEFT},
                {.uuid = uuid, .name = two, .parent = parent, .step = 4},
        };
        const struct record_pod pod = {.uuid = uuid, .spec = unit, .state = RECORD_CREATING};
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);

        ck_assert_int_eq(store_put_cgroup(store, &rows[0]), -EINVAL); /* outside a transaction */
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_pod(store, &pod), 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                ck_assert_int_eq(store_put_cgroup(store, &rows[i]), 0);
        ck_assert_int_eq(store_commit(store), 0);
        check(store, rows, 3);
        rows[0].made = true;
        rows[0].path = path;
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_cgroup(store, &rows[0]), 0);
        ck_assert_int_eq(store_delete_pod(store, uuid), 0);
        ck_assert_int_eq(store_commit(store), 0);
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_delete_cgroup(store, &rows[0]), 0);
        store_rollback(store);
        store = store_free(store);
        store = store_dir_open(directory);
        check(store, rows, 3);
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_delete_cgroup(store, &rows[0]), 0);
        ck_assert_int_eq(store_delete_cgroup(store, &rows[0]), 0);
        ck_assert_int_eq(store_commit(store), 0);
        check(store, rows + 1, 2);
}
END_TEST

START_TEST(test_damaged) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);
        struct record_cgroup *list = NULL;
        size_t n = 0;

        store = store_free(store);
        store_dir_sql(directory, "INSERT INTO cgroup (uuid, name, parent, made, step) VALUES ('x', 'y', '/z', 2, 0);");
        store = store_dir_open(directory);
        ck_assert_int_eq(store_load_cgroups(store, &list, &n), -EBADMSG);
}
END_TEST

UNIT_MAIN("store-cgroups", test_kept, test_damaged)
