/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is found hidden in one pass is what table_at() does not give, in tables of random trees. PODMOUNT_SEED repeats one run's. */

#include "table/hidden.h"
#include "tests/unit/draw.h"
#include "tests/unit/table/made.h"
#include "tests/unit/unit.h"
#include "util/array.h"
#include "util/path.h"

enum { TABLES = 2000, MOUNTS_MAX = 24 };

/* Places that hide each other often; the second is before the third as a string, and beside it as a directory. */
static const char *const points[] = {"/a", "/a.b", "/a/b", "/a/b/c", "/a/b/c/d", "/a/bc", "/e"};

/* A mount lies on another one that its path leads over, whichever: what hides it may have come later. */
static struct table *make_table(unsigned n) {
        struct table *table = table_new();
        struct entry *entries[MOUNTS_MAX];
        _cleanup_changes_ struct changes changes = {};

        entries[0] = made_entry(1, 1, "/");
        for (unsigned i = 1; i < n; i++) {
                const char *point = points[draw(ELEMENTSOF(points))];
                unsigned parent;

                do
                        parent = draw(i);
                while (!path_is_below(point, entries[parent]->point));
                entries[i] = made_entry(i + 1, entries[parent]->id, point);
        }
        ck_assert_int_eq(table_replace(table, entries, n, &changes), 0);
        return table;
}

static size_t compare(const struct table *table, const char *path) {
        _cleanup_(map_freep) struct map *hidden = NULL;
        _cleanup_free_ struct entry **entries = NULL;
        size_t n, n_hidden = 0;

        ck_assert_int_eq(hidden_below(table, path, &hidden), 0);
        ck_assert_int_eq(table_below(table, path, &entries, &n), 0);
        for (size_t i = 0; i < n; i++) {
                const bool is_hidden = table_at(table, entries[i]->point) != entries[i];

                ck_assert_msg((map_get_u64(hidden, entries[i]->id) != NULL) == is_hidden, "%s, mount %" PRIu32, entries[i]->point, entries[i]->id);
                n_hidden += is_hidden;
        }
        ck_assert_uint_eq(map_size(hidden), n_hidden);
        return n_hidden;
}

START_TEST(test_random) {
        size_t n_hidden = 0;

        draw_begin();
        for (unsigned i = 0; i < TABLES; i++) {
                _cleanup_(table_freep) struct table *table = make_table(1 + draw(MOUNTS_MAX));

                n_hidden += compare(table, "/") + compare(table, "/a") + compare(table, "/a/b");
        }
        ck_assert_uint_gt(n_hidden, TABLES);
}
END_TEST

/* A table without any, and a place where nothing is. */
START_TEST(test_nothing) {
        _cleanup_(table_freep) struct table *table = table_new();

        ck_assert_uint_eq(compare(table, "/"), 0);
        made_fill(table, made_entry(1, 1, "/"), made_entry(2, 1, "/a"));
        ck_assert_uint_eq(compare(table, "/"), 0);
        ck_assert_uint_eq(compare(table, "/b"), 0);
}
END_TEST

UNIT_MAIN("hidden", test_random, test_nothing)
