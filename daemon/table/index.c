/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A treap: ordered by mount point from left to right, by a number drawn from their addresses from top to bottom,
 * which keeps it as flat as a random tree. A slash sorts before every other byte, so that "/a/b" comes between "/a"
 * and "/a.b".
 */

#include <string.h>

#include "table/index.h"
#include "util/cleanup.h"

/* The place in the heap: as good as drawn, and found again without being kept. */
static uint64_t weight(const struct entry *entry) {
        uint64_t x = (uintptr_t) entry;

        x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
        x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
        return x ^ (x >> 33);
}

static int rank(char c) {
        return c == '\0' ? 0 : c == '/' ? 1 : 2 + (unsigned char) c;
}

/* Both are the same up to `*same`, which is moved to where they differ. */
static int compare_points(const char *a, const char *b, size_t *same) {
        size_t i = *same;

        while (a[i] && a[i] == b[i])
                i++;
        *same = i;
        return rank(a[i]) - rank(b[i]);
}

/* The same for two entries: their long common beginnings are passed over in words. */
static int compare_entries(const struct entry *a, const struct entry *b, size_t *same) {
        size_t n = entry_point_length(a), m = entry_point_length(b);

        n = n < m ? n : m;
        while (n - *same >= sizeof(uint64_t)) {
                uint64_t x, y;

                memcpy(&x, a->point + *same, sizeof(x));
                memcpy(&y, b->point + *same, sizeof(y));
                if (x != y)
                        break;
                *same += sizeof(uint64_t);
        }
        return compare_points(a->point, b->point, same);
}

/* On the way down to an entry's place. All that is still below lies between the nearest mount points before and after
 * the entry's that were passed, and so shares with it what both of these do: that is not compared again. */
struct descent {
        const struct entry *entry;
        size_t before, after; /* how much it shares with those two */
};

/* Mounts at one place are told apart by where they are in memory. */
static bool is_before(struct descent *descent, const struct entry *other) {
        size_t same = descent->before < descent->after ? descent->before : descent->after;
        int c = compare_entries(descent->entry, other, &same);
        bool before = c < 0 || (c == 0 && (uintptr_t) descent->entry < (uintptr_t) other);

        if (before)
                descent->after = same;
        else
                descent->before = same;
        return before;
}

/* Splits a tree into what comes before and after the entry. */
static void split(struct entry *tree, struct descent *descent, struct entry **ret_before, struct entry **ret_after) {
        while (tree)
                if (is_before(descent, tree)) {
                        *ret_after = tree;
                        ret_after = &tree->left;
                        tree = tree->left;
                } else {
                        *ret_before = tree;
                        ret_before = &tree->right;
                        tree = tree->right;
                }
        *ret_before = *ret_after = NULL;
}

void index_insert(struct entry **root, struct entry *entry) {
        struct descent descent = {.entry = entry};
        uint64_t own = weight(entry);

        while (*root && weight(*root) >= own)
                root = is_before(&descent, *root) ? &(*root)->left : &(*root)->right;
        split(*root, &descent, &entry->left, &entry->right);
        *root = entry;
}

static bool in_order(const struct entry *a, const struct entry *b) {
        size_t same = 0;
        int c = compare_entries(a, b, &same);

        return c < 0 || (c == 0 && (uintptr_t) a < (uintptr_t) b);
}

/* How many of these, which are at least one, are in order. */
static size_t run_length(struct entry **entries, size_t n) {
        size_t i = 1;

        while (i < n && in_order(entries[i - 1], entries[i]))
                i++;
        return i;
}

/* Two runs side by side become one; the first is put aside into `aside`, which has room for it. */
static void merge(struct entry **a, size_t n_a, size_t n_b, struct entry **aside) {
        struct entry **b = a + n_a, **to = a;

        memcpy(aside, a, n_a * sizeof(*a));
        while (n_a > 0 && n_b > 0)
                if (in_order(*aside, *b)) {
                        *to++ = *aside++;
                        n_a--;
                } else {
                        *to++ = *b++;
                        n_b--;
                }
        memcpy(to, aside, n_a * sizeof(*aside)); /* what is left of the second is where it belongs */
}

/* Merges runs as they come, a run with the one before it once that is not much longer: of those that wait each is more
 * than twice as long as the next, so that they are few. -ENOMEM, when nothing was sorted. */
static int sort(struct entry **entries, size_t n) {
        enum { WAITING_MAX = 64 };
        size_t waiting[WAITING_MAX], n_waiting = 0, end = n > 0 ? run_length(entries, n) : 0;
        _cleanup_free_ struct entry **aside = NULL;

        if (end == n)
                return 0;
        aside = calloc(n, sizeof(*aside));
        if (!aside)
                return -ENOMEM;
        for (size_t length = end;;) {
                while (n_waiting > 0 && (end == n || waiting[n_waiting - 1] / 2 <= length)) {
                        size_t before = waiting[--n_waiting];

                        merge(entries + end - length - before, before, length, aside);
                        length += before;
                }
                if (end == n)
                        return 0;
                waiting[n_waiting++] = length;
                length = run_length(entries + end, n - end);
                end += length;
        }
}

/* Where all others come before it: down the right edge, which is short and in the cache. */
static void append(struct entry **root, struct entry *entry) {
        uint64_t own = weight(entry);

        while (*root && weight(*root) >= own)
                root = &(*root)->right;
        entry->left = *root;
        entry->right = NULL;
        *root = entry;
}

void index_insert_all(struct entry **root, struct entry **entries, size_t n) {
        bool apart = *root || sort(entries, n) < 0;

        for (size_t i = 0; i < n; i++)
                if (apart)
                        index_insert(root, entries[i]);
                else
                        append(root, entries[i]);
}

void index_remove(struct entry **root, struct entry *entry) {
        struct descent descent = {.entry = entry};
        struct entry *before, *after;

        while (*root && *root != entry)
                root = is_before(&descent, *root) ? &(*root)->left : &(*root)->right;
        if (!*root)
                return;
        before = entry->left;
        after = entry->right;
        while (before && after)
                if (weight(before) > weight(after)) {
                        *root = before;
                        root = &before->right;
                        before = before->right;
                } else {
                        *root = after;
                        root = &after->left;
                        after = after->left;
                }
        *root = before ?: after;
        entry->left = entry->right = NULL;
}

/* Where a mount point lies: before the place, in it, behind it. */
static int place(const char *point, const char *path, bool below) {
        size_t n = strlen(path), same = 0;

        if (below && strcmp(path, "/") == 0)
                return 0;
        if (below && strncmp(point, path, n) == 0 && (point[n] == '\0' || point[n] == '/'))
                return 0;
        return compare_points(point, path, &same);
}

/* As deep as the tree is high: a multiple of the logarithm of its size. */
int index_each(struct entry *root, const char *path, bool below, int (*fn)(struct entry *entry, void *userdata),
        void *userdata) {
        int c, r = 0;

        if (!root)
                return 0;
        c = place(root->point, path, below);
        if (c >= 0)
                r = index_each(root->left, path, below, fn, userdata);
        if (r == 0 && c == 0)
                r = fn(root, userdata);
        if (r == 0 && c <= 0)
                r = index_each(root->right, path, below, fn, userdata);
        return r;
}
