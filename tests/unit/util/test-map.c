/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The hash map: against growth, tombstones and removal during a walk. */

#include "util/map.h"

#include <string.h>

#include "../unit.h"

enum { MANY = 20000 };

START_TEST(test_strings) {
        _cleanup_(map_freep) struct map *map = map_new(MAP_KEY_STRING);
        int one = 1, two = 2;

        ck_assert_ptr_null(map_get(map, "a"));
        ck_assert_ptr_null(map_remove(map, "a"));
        ck_assert_int_eq(map_put(map, "a", &one), 0);
        ck_assert_int_eq(map_put(map, "", &two), 0);
        ck_assert_int_eq(map_put(map, "a", &two), -EEXIST);
        ck_assert_int_eq(map_put(map, "b", NULL), -EINVAL);
        ck_assert_ptr_eq(map_get(map, "a"), &one);
        ck_assert_ptr_eq(map_get(map, ""), &two);
        ck_assert_uint_eq(map_size(map), 2);
        ck_assert_ptr_eq(map_remove(map, "a"), &one);
        ck_assert_ptr_null(map_get(map, "a"));
        ck_assert_uint_eq(map_size(map), 1);
        ck_assert_ptr_null(map_free(NULL));
}
END_TEST

START_TEST(test_numbers) {
        _cleanup_(map_freep) struct map *map = map_new(MAP_KEY_U64);
        _cleanup_free_ uint64_t *values = calloc(MANY, sizeof(*values));

        for (uint64_t i = 0; i < MANY; i++) {
                values[i] = i << 32;
                ck_assert_int_eq(map_put_u64(map, values[i], values + i), 0);
        }
        ck_assert_uint_eq(map_size(map), MANY);
        for (uint64_t i = 0; i < MANY; i++)
                ck_assert_ptr_eq(map_get_u64(map, i << 32), values + i);
        ck_assert_ptr_null(map_get_u64(map, 1));
        for (uint64_t i = 0; i < MANY; i += 2)
                ck_assert_ptr_eq(map_remove_u64(map, i << 32), values + i);
        for (uint64_t i = 0; i < MANY; i++)
                ck_assert_ptr_eq(map_get_u64(map, i << 32), i % 2 ? values + i : NULL);
}
END_TEST

/* Entries that come and go for ever must not fill the table with tombstones, where a look-up would never end. */
START_TEST(test_churn) {
        _cleanup_(map_freep) struct map *map = map_new(MAP_KEY_U64);
        int value;

        for (uint64_t i = 0; i < 100000; i++) {
                ck_assert_int_eq(map_put_u64(map, i, &value), 0);
                if (i >= 3)
                        ck_assert_ptr_eq(map_remove_u64(map, i - 3), &value);
                ck_assert_ptr_null(map_get_u64(map, UINT64_MAX));
        }
        ck_assert_uint_eq(map_size(map), 3);
}
END_TEST

START_TEST(test_walk) {
        _cleanup_(map_freep) struct map *map = map_new(MAP_KEY_U64);
        uint64_t values[1000], *value, sum = 0;
        size_t walked = 0;

        for (uint64_t i = 0; i < ELEMENTSOF(values); i++) {
                values[i] = i;
                ck_assert_int_eq(map_put_u64(map, i, values + i), 0);
        }
        MAP_FOREACH(value, map) {
                walked++;
                sum += *value;
                if (*value % 3 == 0)
                        ck_assert_ptr_eq(map_remove_u64(map, *value), value);
        }
        ck_assert_uint_eq(walked, ELEMENTSOF(values));
        ck_assert_uint_eq(sum, 999 * 1000 / 2);
        ck_assert_uint_eq(map_size(map), 666);
        MAP_FOREACH(value, map)
                ck_assert_uint_ne(*value % 3, 0);
}
END_TEST

UNIT_MAIN("map", test_strings, test_numbers, test_churn, test_walk)
