/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Id mappings as text of two kinds, and whose ids they name. */

#include <errno.h>

#include "spec/idmap.h"
#include "tests/unit/unit.h"

START_TEST(test_lines) {
        _cleanup_free_ struct id_mapping *list = NULL, *none = NULL;
        _cleanup_free_ char *again = NULL;
        size_t n = 0;

        ck_assert_int_eq(idmap_from_lines("         0       1000         10\n 10 4294967294 1\n", &list, &n), 0);
        ck_assert_uint_eq(n, 2);
        ck_assert_uint_eq(list[0].host_id, 1000);
        ck_assert_uint_eq(list[1].host_id, UINT32_MAX - 1);
        again = idmap_to_lines(list, n);
        ck_assert_str_eq(again, "0 1000 10\n10 4294967294 1\n");
        ck_assert_int_eq(idmap_from_lines("", &none, &n), 0);
        ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(test_bad_lines) {
        static const char *const bad[] = {"0 0\n", "0 0 1", "x 0 1\n", "0 0 1 2\n", "0 0 1\n\n", "\n", "0 0 1\nx"};

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct id_mapping *list = NULL;
                size_t n;

                ck_assert_msg(idmap_from_lines(bad[i], &list, &n) == -EINVAL, "taken: %s", bad[i]);
                ck_assert_ptr_null(list);
        }
}
END_TEST

START_TEST(test_too_many_lines) {
        char text[(IDMAP_MAX + 1) * sizeof("0 0 1") + 1], *end = text;
        struct id_mapping *list = NULL;
        size_t n;

        for (int i = 0; i <= IDMAP_MAX; i++)
                end = stpcpy(end, "0 0 1\n");
        ck_assert_int_eq(idmap_from_lines(text, &list, &n), -EINVAL);
        end[-6] = '\0';
        ck_assert_int_eq(idmap_from_lines(text, &list, &n), 0);
        ck_assert_uint_eq(n, IDMAP_MAX);
        free(list);
}
END_TEST

START_TEST(test_text) {
        static const char text[] = "uids=0-1000-10#10-2000-1;gids=@5-6-7";
        _cleanup_idmap_ struct idmap idmap = {}, copy = {};
        _cleanup_free_ char *again = NULL;
        const char *must;

        ck_assert_int_eq(idmap_parse(text, &idmap, &must), 0);
        ck_assert(idmap.gids[0].relative && !idmap.uids[0].relative);
        ck_assert_int_eq(idmap_copy(&idmap, &copy), 0);
        ck_assert_ptr_ne(copy.uids, idmap.uids);
        again = idmap_to_text(&copy);
        ck_assert_str_eq(again, text);
}
END_TEST

START_TEST(test_within) {
        /* Two ranges that meet, in the wrong order, and one apart. */
        static const struct id_range ranges[] = {{110, 10}, {100, 10}, {500, 1}};
        static const struct {
                struct id_mapping mapping;
                uint32_t foreign; /* 0: none */
        } cases[] = {
                {{.container_id = 100, .host_id = 100, .size = 20}, 0},
                {{.container_id = 500, .host_id = 119, .size = 1}, 0},
                {{.container_id = 99, .host_id = 100, .size = 2}, 99},
                {{.container_id = 100, .host_id = 99, .size = 2}, 99},
                {{.container_id = 100, .host_id = 101, .size = 20}, 120},
                {{.container_id = 101, .host_id = 100, .size = 20}, 120},
                {{.container_id = 500, .host_id = 500, .size = 2}, 501},
                {{.container_id = 100, .host_id = 4294967290, .size = 5}, 4294967290},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint32_t foreign = 0;
                bool within = idmap_is_within(&cases[i].mapping, 1, ranges, ELEMENTSOF(ranges), &foreign);

                ck_assert_msg(within == (cases[i].foreign == 0), "case %zu", i);
                ck_assert_uint_eq(foreign, cases[i].foreign);
        }
}
END_TEST

START_TEST(test_has) {
        static const struct id_mapping list[] = {{0, 9, 2, false}, {4294967294, 0, 1, false}};

        ck_assert(idmap_has(list, 2, 0) && idmap_has(list, 2, 1) && idmap_has(list, 2, 4294967294));
        ck_assert(!idmap_has(list, 2, 2) && !idmap_has(list, 2, 9) && !idmap_has(list, 2, UINT32_MAX));
}
END_TEST

UNIT_MAIN("idmap", test_lines, test_bad_lines, test_too_many_lines, test_text, test_within, test_has)
