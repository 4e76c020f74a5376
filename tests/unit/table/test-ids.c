/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* table/ids beside a plain array: ids in a row, far apart, and such that begin their search at one place. */

#include "table/ids.h"
#include "tests/unit/unit.h"

enum { N = 3000 };

/* A row; steps of a power of two collide in the low bits; a row far up. */
static uint64_t id_at(unsigned pattern, size_t i) {
        switch (pattern) {
        case 0:
                return i + 1;
        case 1:
                return (uint64_t) (i + 1) << 32;
        default:
                return UINT64_MAX - i;
        }
}

static void check_all(const struct ids *ids, const struct entry *entries, const bool *there) {
        size_t n = 0, position = 0;

        for (size_t i = 0; i < N; i++) {
                ck_assert_ptr_eq(ids_get(ids, entries[i].unique_id), there[i] ? entries + i : NULL);
                n += there[i];
        }
        ck_assert_uint_eq(ids->n, n);
        while (ids_next(ids, &position))
                n--;
        ck_assert_uint_eq(n, 0);
}

START_TEST(test_beside_an_array) {
        for (unsigned pattern = 0; pattern < 3; pattern++) {
                struct ids ids = {.kind = IDS_UNIQUE};
                static struct entry entries[N];
                bool there[N] = {};
                unsigned random = 4711;

                for (size_t i = 0; i < N; i++)
                        entries[i].unique_id = id_at(pattern, i);
                check_all(&ids, entries, there);
                for (size_t step = 0; step < 30000; step++) {
                        size_t i;

                        random = random * 1103515245 + 12345;
                        i = (random >> 8) % N;
                        if (there[i])
                                ids_remove(&ids, entries + i);
                        else {
                                ck_assert_int_eq(ids_reserve(&ids, 1), 0);
                                ids_add(&ids, entries + i);
                        }
                        there[i] = !there[i];
                        if (step % 3000 == 0)
                                check_all(&ids, entries, there);
                }
                check_all(&ids, entries, there);
                ck_assert_uint_le(ids.n * 4, ids.n_places * 3);
                ck_assert_uint_eq(ids_bytes(&ids), ids.n_places * (sizeof(void *) + 1));
                for (size_t i = 0; i < N && ids.n > 10; i++)
                        if (there[i]) {
                                ids_remove(&ids, entries + i);
                                there[i] = false;
                        }
                ids_trim(&ids);
                check_all(&ids, entries, there);
                ck_assert_uint_le(ids.n_places, 128);
                ids_done(&ids);
                ck_assert_ptr_null(ids_get(&ids, 1));
        }
}
END_TEST

/* What has the id of another that is there is not that other. */
START_TEST(test_remove_another) {
        struct ids ids = {.kind = IDS_RECYCLED};
        struct entry one = {.id = 7}, other = {.id = 7, .unique_id = 1};

        ids_remove(&ids, &one);
        ck_assert_int_eq(ids_reserve(&ids, 1), 0);
        ids_add(&ids, &one);
        ids_remove(&ids, &other);
        ck_assert_ptr_eq(ids_get(&ids, 7), &one);
        ids_remove(&ids, &one);
        ck_assert_ptr_null(ids_get(&ids, 7));
        ids_done(&ids);
}
END_TEST

UNIT_MAIN("ids", test_beside_an_array, test_remove_another)
