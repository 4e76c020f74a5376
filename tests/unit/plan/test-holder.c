/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of holders, as a worker writes them and the front takes them in: whole ones, and of a portion that breaks off those before the break. */

#include "plan/holder.h"

#include <errno.h>

#include "tests/unit/unit.h"

static const struct mount_holder rows[] = {
        {.kind = HOLDER_FD, .pid = 12, .uid = 1000, .command = (char *) "sh", .unit = (char *) "x.service", .detail = (char *) "/data"},
        {.kind = HOLDER_NAMESPACE, .uid = UINT32_MAX, .command = (char *) "", .unit = (char *) "", .detail = (char *) ""},
        {.kind = HOLDER_MORE, .uid = UINT32_MAX, .command = (char *) "", .unit = (char *) "", .detail = (char *) "more"},
};

static size_t write_rows(uint8_t *at) {
        size_t size = 0;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                size += holder_write(&rows[i], at + size);
        return size;
}

static void check_row(const struct mount_holder *row, const struct mount_holder *expected) {
        _cleanup_free_ char *words = holder_describe(row);

        ck_assert_int_eq(row->kind, expected->kind);
        ck_assert_uint_eq(row->pid, expected->pid);
        ck_assert_uint_eq(row->uid, expected->uid);
        ck_assert_str_eq(row->command, expected->command);
        ck_assert_str_eq(row->unit, expected->unit);
        ck_assert_str_eq(row->detail, expected->detail);
        ck_assert_ptr_nonnull(words);
}

/* Every beginning, in memory of just its size. */
START_TEST(test_portions) {
        uint8_t *all = malloc(ELEMENTSOF(rows) * HOLDER_ROW_MAX);
        size_t size = write_rows(all), whole = 0;

        for (size_t i = 0; i <= size; i++) {
                _cleanup_free_ uint8_t *part = malloc(i > 0 ? i : 1);
                struct mount_holder *holders = NULL;
                size_t n = 0;
                int r;

                memcpy(part, all, i);
                r = holders_read(part, i, &holders, &n);
                ck_assert(r == 0 || r == -EBADMSG);
                ck_assert(r != 0 || n == whole + (i > 0));
                whole = r == 0 ? n : whole;
                ck_assert_uint_eq(n, whole);
                for (size_t j = 0; j < n; j++)
                        check_row(&holders[j], &rows[j]);
                holders_free(holders, n);
        }
        ck_assert_uint_eq(whole, ELEMENTSOF(rows));
        free(all);
}
END_TEST

START_TEST(test_bad_kind) {
        uint8_t *row = malloc(HOLDER_ROW_MAX);
        size_t size = holder_write(&rows[0], row), n = 0;
        struct mount_holder *holders = NULL;
        uint32_t kind = _HOLDER_KIND_MAX;

        memcpy(row, &kind, sizeof(kind));
        ck_assert_int_eq(holders_read(row, size, &holders, &n), -EBADMSG);
        ck_assert_uint_eq(n, 0);
        holders_free(holders, n);
        free(row);
}
END_TEST

UNIT_MAIN("holder", test_portions, test_bad_kind)
