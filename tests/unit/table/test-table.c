/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table: what changes, what stays, look-ups and walks, and made readings that no kernel would write. */

#include <linux/mount.h>

#include "tests/unit/table/made.h"
#include "tests/unit/unit.h"

static size_t count(const struct changes *changes, enum change_kind kind) {
        size_t n = 0;

        for (size_t i = 0; i < changes->n_items; i++)
                n += changes->items[i].kind == kind;
        return n;
}

START_TEST(test_first_reading) {
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_changes_ struct changes changes = {};

        ck_assert_uint_eq(table_size(table), 0);
        made_replace(table, &changes, made_entry(1, 1, "/"), made_entry(2, 1, "/a"), made_entry(3, 2, "/a/b"));
        ck_assert_uint_eq(table_size(table), 3);
        ck_assert_uint_eq(table_generation(table), 1);
        ck_assert_uint_eq(changes.n_items, 3);
        ck_assert_uint_eq(count(&changes, CHANGE_MOUNTED), 3);
        ck_assert_ptr_null(table_get(table, 1)->parent);
        ck_assert_ptr_eq(table_get(table, 3)->parent, table_get(table, 2));
        ck_assert_ptr_eq(table_get(table, 1)->children, table_get(table, 2));
        ck_assert_ptr_null(table_get(table, 4));
        ck_assert_ptr_null(table_get_unique(table, 1));
}
END_TEST

START_TEST(test_nothing_changed) {
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_changes_ struct changes changes = {};
        struct entry *a;

        made_fill(table, made_entry(1, 1, "/"), made_entry(2, 1, "/a"));
        a = table_get(table, 2);
        made_replace(table, &changes, made_entry(1, 1, "/"), made_entry(2, 1, "/a"));
        ck_assert_uint_eq(changes.n_items, 0);
        ck_assert_uint_eq(table_generation(table), 1);
        ck_assert_ptr_eq(table_get(table, 2), a);
        ck_assert_uint_eq(a->seen, table_get(table, 1)->seen);
}
END_TEST

START_TEST(test_unmounted) {
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_changes_ struct changes changes = {};
        struct entry *gone;

        made_fill(table, made_entry(1, 1, "/"), made_entry(2, 1, "/a"), made_entry(3, 2, "/a/b"));
        gone = table_get(table, 3);
        made_replace(table, &changes, made_entry(1, 1, "/"), made_entry(2, 1, "/a"));
        ck_assert_uint_eq(changes.n_items, 1);
        ck_assert_int_eq(changes.items[0].kind, CHANGE_UNMOUNTED);
        ck_assert_ptr_eq(changes.items[0].entry, gone);
        ck_assert_uint_eq(changes.n_dropped, 1);
        ck_assert_str_eq(gone->point, "/a/b"); /* alive until the changes are freed */
        ck_assert_ptr_null(table_get(table, 3));
        ck_assert_ptr_null(table_at(table, "/a/b"));
        ck_assert_ptr_null(table_get(table, 2)->children);
}
END_TEST

/* A recycled id on another device, or on another root of the same one, is another mount. */
START_TEST(test_recycled_id) {
        for (unsigned variant = 0; variant < 3; variant++) {
                _cleanup_(table_freep) struct table *table = table_new();
                _cleanup_changes_ struct changes changes = {};
                struct entry *before = made_entry(2, 1, "/a"), *after = made_entry(2, 1, "/a");

                if (variant == 0)
                        after->device = 4711;
                else if (variant == 1) {
                        made_texts(after, &(struct entry_texts){.root = "/sub", .point = "/a", .type = "tmpfs", .options = "rw"});
                } else {
                        before->unique_id = 1ULL << 32;
                        after->unique_id = (1ULL << 32) + 1;
                }
                made_fill(table, made_entry(1, 1, "/"), before);
                made_replace(table, &changes, made_entry(1, 1, "/"), after);
                ck_assert_uint_eq(changes.n_items, 2);
                ck_assert_int_eq(changes.items[0].kind, CHANGE_UNMOUNTED);
                ck_assert_ptr_eq(changes.items[0].entry, before);
                ck_assert_int_eq(changes.items[1].kind, CHANGE_MOUNTED);
                ck_assert_ptr_eq(table_get(table, 2), after);
                ck_assert_ptr_eq(table_at(table, "/a"), after);
                ck_assert_ptr_eq(table_get_unique(table, (1ULL << 32) + 1), variant == 2 ? after : NULL);
                ck_assert_ptr_null(table_get_unique(table, 1ULL << 32));
        }
}
END_TEST

START_TEST(test_moved_and_remounted) {
        _cleanup_(table_freep) struct table *table = table_new();
        struct entry *kept, *after;

        made_fill(table, made_entry(1, 1, "/"), made_entry(2, 1, "/a"), made_entry(3, 1, "/b"));
        kept = table_get(table, 3);
        {
                _cleanup_changes_ struct changes changes = {};

                made_replace(table, &changes, made_entry(1, 1, "/"), made_entry(2, 1, "/a"), made_entry(3, 2, "/a/b"));
                ck_assert_uint_eq(changes.n_items, 1);
                ck_assert_int_eq(changes.items[0].kind, CHANGE_MOVED);
                ck_assert_ptr_eq(changes.items[0].entry, kept);
        }
        ck_assert_ptr_eq(table_get(table, 3), kept);
        ck_assert_str_eq(kept->point, "/a/b");
        ck_assert_ptr_eq(kept->parent, table_get(table, 2));
        ck_assert_ptr_null(table_at(table, "/b"));

        for (unsigned variant = 0; variant < 5; variant++) {
                _cleanup_changes_ struct changes changes = {};

                after = made_entry(3, 2, "/a/b");
                after->attributes = variant >= 1 ? MOUNT_ATTR_RDONLY : 0;
                after->superblock_readonly = variant >= 2;
                after->propagation = variant >= 3 ? ENTRY_SHARED : 0;
                if (variant >= 4)
                        made_texts(after, &(struct entry_texts){
                                                  .root = "/", .point = "/a/b", .type = "tmpfs", .source = "source", .options = "rw"});
                made_replace(table, &changes, made_entry(1, 1, "/"), made_entry(2, 1, "/a"), after);
                ck_assert_uint_eq(changes.n_items, variant == 0 ? 0 : 1);
                ck_assert_uint_eq(count(&changes, CHANGE_REMOUNTED), variant == 0 ? 0 : 1);
        }
        ck_assert_ptr_eq(table_get(table, 3), kept);
        ck_assert_uint_eq(kept->attributes, MOUNT_ATTR_RDONLY);
        ck_assert_uint_eq(table_generation(table), 6);
}
END_TEST

START_TEST(test_at) {
        _cleanup_(table_freep) struct table *table = table_new();

        /* /a twice, the second on the first; /c/d hidden when /c is mounted over it */
        made_fill(table, made_entry(1, 1, "/"), made_entry(2, 1, "/a"), made_entry(3, 2, "/a"),
                made_entry(4, 3, "/a/b"), made_entry(5, 1, "/c/d"), made_entry(6, 1, "/c"), made_entry(7, 6, "/c/e"),
                made_entry(8, 1, "/cc"));
        ck_assert_uint_eq(table_at(table, "/")->id, 1);
        ck_assert_uint_eq(table_at(table, "/a")->id, 3);
        ck_assert_uint_eq(table_at(table, "/a/b")->id, 4);
        ck_assert_ptr_null(table_at(table, "/c/d"));
        ck_assert_uint_eq(table_at(table, "/c/e")->id, 7);
        ck_assert_uint_eq(table_at(table, "/cc")->id, 8);
        ck_assert_ptr_null(table_at(table, "/nowhere"));
        ck_assert_ptr_eq(table_covering(table, table_get(table, 2)), table_get(table, 3));
        ck_assert_ptr_null(table_covering(table, table_get(table, 3)));
}
END_TEST

/* What hangs below a mount point before something covers it stays hidden below the cover. */
START_TEST(test_covered_root) {
        _cleanup_(table_freep) struct table *table = table_new();

        made_fill(
                table, made_entry(1, 1, "/"), made_entry(2, 1, "/a"), made_entry(3, 2, "/a/b"), made_entry(4, 2, "/a"));
        ck_assert_ptr_null(table_at(table, "/a/b"));
        ck_assert_uint_eq(table_at(table, "/a")->id, 4);
        made_fill(table, made_entry(1, 1, "/"), made_entry(2, 1, "/a"), made_entry(3, 2, "/a/b"),
                made_entry(4, 2, "/a"), made_entry(5, 4, "/a/b"));
        ck_assert_uint_eq(table_at(table, "/a/b")->id, 5);
}
END_TEST

START_TEST(test_walks) {
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_free_ struct entry **subtree = NULL, **below = NULL, **none = NULL;
        static const uint32_t expected[] = {2, 3, 4, 6};
        size_t n;

        /* a child before its parent, as after a move */
        made_fill(table, made_entry(4, 3, "/a/b/c"), made_entry(1, 1, "/"), made_entry(2, 1, "/a"),
                made_entry(3, 2, "/a/b"), made_entry(5, 1, "/ab"), made_entry(6, 2, "/a/d"));
        ck_assert_int_eq(table_subtree(table, table_get(table, 2), &subtree, &n), 0);
        ck_assert_uint_eq(n, ELEMENTSOF(expected));
        for (size_t i = 0; i < n; i++)
                ck_assert_uint_eq(subtree[i]->id, expected[i]);
        ck_assert_int_eq(table_below(table, "/a", &below, &n), 0);
        ck_assert_uint_eq(n, ELEMENTSOF(expected));
        for (size_t i = 0; i < n; i++)
                ck_assert_uint_eq(below[i]->id, expected[i]);
        ck_assert_int_eq(table_below(table, "/nowhere", &none, &n), 0);
        ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(test_duplicates_and_orphans) {
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_changes_ struct changes changes = {};

        made_replace(table, &changes, made_entry(1, 1, "/"), made_entry(2, 1, "/a"), made_entry(2, 1, "/twice"),
                made_entry(3, 99, "/orphan"), made_entry(4, 3, "/orphan/child"));
        ck_assert_uint_eq(table_size(table), 4);
        ck_assert_uint_eq(changes.n_items, 4);
        ck_assert_str_eq(table_get(table, 2)->point, "/a");
        ck_assert_ptr_null(table_at(table, "/twice"));
        ck_assert_ptr_null(table_get(table, 3)->parent);
        ck_assert_uint_eq(table_at(table, "/orphan/child")->id, 4);
}
END_TEST

START_TEST(test_circles) {
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_free_ struct entry **below = NULL;
        size_t n;

        made_fill(table, made_entry(9, 7, "/x"), made_entry(1, 1, "/"), made_entry(5, 6, "/c"),
                made_entry(6, 7, "/c/d"), made_entry(7, 5, "/c/d/e"), made_entry(8, 5, "/c/f"));
        ck_assert_uint_eq(table_size(table), 6);
        ck_assert_int_eq(table_below(table, "/", &below, &n), 0);
        ck_assert_uint_eq(n, 6);
        ck_assert_ptr_nonnull(table_get(table, 6));
        (void) table_at(table, "/c/d/e"); /* whatever it says, it says it */
        made_fill(table, made_entry(1, 1, "/"));
        ck_assert_uint_eq(table_size(table), 1);
}
END_TEST

START_TEST(test_deep_and_wide) {
        enum { N = 20000 };
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_free_ struct entry **entries = calloc(N, sizeof(*entries)), **subtree = NULL;
        _cleanup_changes_ struct changes changes = {};
        size_t n;

        /* half a tower of mounts on one point, half leaves of the first */
        for (uint32_t i = 0; i < N; i++) {
                char point[32];

                (void) snprintf(point, sizeof(point), "/%u", i); /* fits */
                entries[i] = i < N / 2 ? made_entry(i + 1, i ?: 1, "/") : made_entry(i + 1, 1, point);
        }
        ck_assert_int_eq(table_replace(table, entries, N, &changes), 0);
        ck_assert_uint_eq(table_at(table, "/")->id, N / 2);
        ck_assert_int_eq(table_subtree(table, table_get(table, 1), &subtree, &n), 0);
        ck_assert_uint_eq(n, N);
}
END_TEST

START_TEST(test_empty_reading) {
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_changes_ struct changes changes = {};

        made_fill(table, made_entry(1, 1, "/"));
        ck_assert_int_eq(table_replace(table, NULL, 0, &changes), 0);
        ck_assert_uint_eq(changes.n_dropped, 1);
        ck_assert_uint_eq(table_size(table), 0);
}
END_TEST

static struct entry *made_unique(uint64_t id, uint64_t parent, const char *point) {
        struct entry *entry = made_entry((uint32_t) id, (uint32_t) parent, point);

        entry->unique_id = (1ULL << 32) + id;
        entry->parent_unique = (1ULL << 32) + parent;
        return entry;
}

/* One by one: children before their parent, a mount put beneath another, the end of both. */
START_TEST(test_one_by_one) {
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_changes_ struct changes changes = {};
        struct entry *child, *below;

        ck_assert_int_eq(table_put(table, made_unique(3, 2, "/a/b"), &changes, &child), 0);
        ck_assert_ptr_null(child->parent);
        ck_assert_int_eq(table_put(table, made_unique(1, 1, "/"), &changes, NULL), 0);
        ck_assert_int_eq(table_put(table, made_unique(2, 1, "/a"), &changes, NULL), 0);
        ck_assert_ptr_eq(child->parent, table_get(table, 2));
        ck_assert_ptr_eq(table_get(table, 2)->parent, table_get(table, 1));
        ck_assert_uint_eq(count(&changes, CHANGE_MOUNTED), 3);
        ck_assert_uint_eq(table_generation(table), 3);

        ck_assert_int_eq(table_put(table, made_unique(4, 2, "/a/b"), &changes, &below), 0);
        ck_assert_int_eq(table_put(table, made_unique(3, 4, "/a/b"), &changes, NULL), 0);
        ck_assert_uint_eq(count(&changes, CHANGE_MOVED), 1);
        ck_assert_ptr_eq(child->parent, below);
        ck_assert_ptr_eq(table_at(table, "/a/b"), child);
        ck_assert_ptr_eq(table_covering(table, below), child);
        ck_assert_int_eq(table_put(table, made_unique(3, 4, "/a/b"), &changes, NULL), 0);
        ck_assert_uint_eq(changes.n_items, 5);

        ck_assert_int_eq(table_drop(table, below, &changes), 0);
        ck_assert_ptr_null(child->parent);
        ck_assert_ptr_null(table_get_unique(table, (1ULL << 32) + 4));
        ck_assert_int_eq(table_put(table, made_unique(3, 2, "/a/b"), &changes, NULL), 0);
        ck_assert_ptr_eq(child->parent, table_get(table, 2));
        ck_assert_int_eq(table_drop(table, child, &changes), 0);
        ck_assert_uint_eq(table_size(table), 2);
        ck_assert_uint_eq(changes.n_dropped, 2);
        ck_assert_ptr_null(table_at(table, "/a/b"));
}
END_TEST

/* A recycled id that comes back before anybody told that it was free. */
START_TEST(test_recycled_early) {
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_changes_ struct changes changes = {};
        struct entry *before = made_unique(2, 1, "/a"), *after = made_unique(2, 1, "/b");

        after->unique_id++;
        ck_assert_int_eq(table_put(table, made_unique(1, 1, "/"), &changes, NULL), 0);
        ck_assert_int_eq(table_put(table, before, &changes, NULL), 0);
        ck_assert_int_eq(table_put(table, after, &changes, NULL), 0);
        ck_assert_uint_eq(table_size(table), 2);
        ck_assert_uint_eq(count(&changes, CHANGE_UNMOUNTED), 1);
        ck_assert_ptr_eq(changes.dropped[0], before);
        ck_assert_ptr_eq(table_get(table, 2), after);
}
END_TEST

/* "/a.b" comes neither between "/a" and "/a/b" nor below "/a". */
START_TEST(test_order_of_paths) {
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_free_ struct entry **below = NULL;
        size_t n;

        made_fill(table, made_entry(1, 1, "/"), made_entry(2, 1, "/a.b"), made_entry(3, 1, "/a"),
                made_entry(4, 3, "/a/b"), made_entry(5, 1, "/a-"), made_entry(6, 3, "/a/b c"), made_entry(7, 3, ""));
        ck_assert_int_eq(table_below(table, "/a", &below, &n), 0);
        ck_assert_uint_eq(n, 3);
        free(below);
        ck_assert_int_eq(table_below(table, "/", &below, &n), 0);
        ck_assert_uint_eq(n, 7);
}
END_TEST

/* A whole reading in some order: ascending, descending, in runs of odd lengths, with mounts on one point; the table's
 * order is that of mounts that come one by one. */
static void check_order(size_t n, size_t run, bool descending) {
        _cleanup_(table_freep) struct table *all = table_new(), *single = table_new();
        _cleanup_free_ struct entry **entries = calloc(n, sizeof(*entries)), **one = NULL, **other = NULL;
        _cleanup_changes_ struct changes changes = {}, more = {};
        size_t n_one, n_other;

        for (size_t i = 0; i < n; i++) {
                size_t place = descending ? n - i : i % run * 1000 + i / run;
                char point[64];

                (void) snprintf(point, sizeof(point), "/%04zu%s", place / 2, i % 7 == 0 ? "/b" : ""); /* fits */
                entries[i] = made_entry((uint32_t) i + 2, 1, point);
                ck_assert_int_eq(table_put(single, made_entry((uint32_t) i + 2, 1, point), &more, NULL), 0);
        }
        ck_assert_int_eq(table_replace(all, entries, n, &changes), 0);
        ck_assert_int_eq(table_below(all, "/", &one, &n_one), 0);
        ck_assert_int_eq(table_below(single, "/", &other, &n_other), 0);
        ck_assert_uint_eq(n_one, n);
        ck_assert_uint_eq(n_other, n);
        for (size_t i = 0; i < n; i++) {
                ck_assert_str_eq(one[i]->point, other[i]->point);
                ck_assert_ptr_eq(table_get(all, (uint32_t) i + 2), changes.items[i].entry); /* in the reading's order */
        }
        for (size_t i = 0; i < n; i++) { /* each is found, and the tree stands without it */
                ck_assert_int_eq(table_drop(all, one[i], &changes), 0);
                if (i + 1 < n)
                        ck_assert_ptr_nonnull(table_get(all, one[i + 1]->id));
        }
        ck_assert_uint_eq(table_size(all), 0);
}

START_TEST(test_order_of_readings) {
        static const struct {
                size_t n, run;
                bool descending;
        } rows[] = {{1, 1, false}, {2, 1, true}, {1000, 1000, false}, {999, 1, true}, {1000, 3, false}, {1001, 10, false},
                {64, 8, false}, {1000, 500, false}, {1000, 333, false}};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                check_order(rows[i].n, rows[i].run, rows[i].descending);
}
END_TEST

/* The bytes of the entries that are there, whatever came, changed and went. */
START_TEST(test_bytes) {
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_changes_ struct changes changes = {};
        struct entry *long_one = made_entry(3, 1, "/b"), *entry;
        size_t empty, sum = 0, before, maps;
        char options[3000];

        ck_assert_ptr_nonnull(table);
        empty = table_bytes(table);
        ck_assert_uint_gt(empty, 0);
        made_fill(table, made_entry(1, 0, "/"), made_entry(2, 1, "/a"), made_entry(3, 1, "/b"));
        for (uint32_t id = 1; id <= 3; id++)
                sum += entry_bytes(table_get(table, id));
        ck_assert_uint_ge(sum, 3 * (sizeof(struct entry) + 4));
        ck_assert_uint_gt(table_bytes(table), sum);
        maps = table_bytes(table) - sum;

        /* A change of text counts, and so does its way back. */
        before = table_bytes(table);
        memset(options, 'o', sizeof(options) - 1);
        options[sizeof(options) - 1] = '\0';
        made_texts(long_one, &(struct entry_texts){.root = "/", .point = "/b", .type = "tmpfs", .options = options});
        ck_assert_int_eq(table_put(table, long_one, &changes, &entry), 0);
        ck_assert_uint_ge(table_bytes(table), before + sizeof(options) - 64);
        ck_assert_uint_eq(table_bytes(table) - maps,
                entry_bytes(table_get(table, 1)) + entry_bytes(table_get(table, 2)) + entry_bytes(entry));
        ck_assert_int_eq(table_put(table, made_entry(3, 1, "/b"), &changes, NULL), 0);
        ck_assert_uint_eq(table_bytes(table), before);

        /* What is dropped is not the table's any more; its maps stay as large. */
        for (uint32_t id = 1; id <= 3; id++)
                ck_assert_int_eq(table_drop(table, table_get(table, id), &changes), 0);
        ck_assert_uint_eq(table_bytes(table), maps);
        for (uint32_t id = 1; id <= 1000; id++)
                ck_assert_int_eq(table_put(table, made_entry(id, 1, "/x"), &changes, NULL), 0);
        ck_assert_uint_gt(table_bytes(table), 1000 * sizeof(struct entry) + 1000 * 2 * sizeof(void *));
}
END_TEST

UNIT_MAIN("table", test_first_reading, test_nothing_changed, test_unmounted, test_recycled_id, test_moved_and_remounted,
        test_at, test_covered_root, test_walks, test_duplicates_and_orphans, test_circles, test_deep_and_wide,
        test_empty_reading, test_one_by_one, test_recycled_early, test_order_of_paths, test_order_of_readings,
        test_bytes)
