/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A treap: ordered by mount point from left to right, by a number drawn from their addresses from top to bottom,
 * which keeps it as flat as a random tree. A slash sorts before every other byte, so that "/a/b" comes between "/a"
 * and "/a.b".
 */

#include <string.h>

#include "table/index.h"

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

static int compare_points(const char *a, const char *b) {
        while (*a && *a == *b) {
                a++;
                b++;
        }
        return rank(*a) - rank(*b);
}

/* Mounts at one place are told apart by where they are in memory. */
static int compare(const struct entry *a, const struct entry *b) {
        int c = compare_points(a->point, b->point);

        return c != 0 ? c : ((uintptr_t) a > (uintptr_t) b) - ((uintptr_t) a < (uintptr_t) b);
}

/* Splits a tree into what comes before and after the entry. */
static void split(struct entry *tree, const struct entry *entry, struct entry **ret_before, struct entry **ret_after) {
        while (tree)
                if (compare(tree, entry) < 0) {
                        *ret_before = tree;
                        ret_before = &tree->right;
                        tree = tree->right;
                } else {
                        *ret_after = tree;
                        ret_after = &tree->left;
                        tree = tree->left;
                }
        *ret_before = *ret_after = NULL;
}

void index_insert(struct entry **root, struct entry *entry) {
        uint64_t own = weight(entry);

        while (*root && weight(*root) >= own)
                root = compare(entry, *root) < 0 ? &(*root)->left : &(*root)->right;
        split(*root, entry, &entry->left, &entry->right);
        *root = entry;
}

void index_remove(struct entry **root, struct entry *entry) {
        struct entry *before, *after;

        while (*root && *root != entry)
                root = compare(entry, *root) < 0 ? &(*root)->left : &(*root)->right;
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
        size_t n = strlen(path);

        if (below && strcmp(path, "/") == 0)
                return 0;
        if (below && strncmp(point, path, n) == 0 && (point[n] == '\0' || point[n] == '/'))
                return 0;
        return compare_points(point, path);
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
