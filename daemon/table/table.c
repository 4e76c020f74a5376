/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The mount table. Every reading replaces the whole of it, but a mount that was there before keeps its entry, so that
 * others may hold on to the pointer. A replacement is prepared on the side (whatever needs memory) and then committed
 * (what cannot fail).
 *
 * The kernel's text is not one instant, and tests hand in whatever they like: duplicate ids are dropped, an entry
 * whose parent is not there is a root, and a circle of parents is cut open, so that every walk ends.
 */

#include <string.h>

#include "table/diff.h"
#include "table/table.h"
#include "util/map.h"
#include "util/path.h"

struct table {
        struct map *by_id;     /* recycled id → entry */
        struct map *by_unique; /* unique id → entry, of those that have one */
        struct map *by_point;  /* mount point → one of its entries, the others by same_point */
        struct entry **order;  /* every parent before its children */
        size_t n_order;
        uint64_t generation, readings;
};

/* A replacement in the making. */
struct draft {
        struct map *by_id, *by_unique, *by_point;
        struct entry **fresh; /* as read, without duplicates */
        struct entry **kept;  /* beside each: the entry it will live in; itself for a new mount */
        struct entry **order;
        size_t n;
        struct changes changes;
};

static void draft_done(struct draft *draft) {
        (void) map_free(draft->by_id);
        (void) map_free(draft->by_unique);
        (void) map_free(draft->by_point);
        free(draft->fresh);
        free(draft->kept);
        free(draft->order);
        changes_done(&draft->changes);
}

struct table *table_new(void) {
        _cleanup_(table_freep) struct table *table = calloc(1, sizeof(*table));

        if (!table)
                return NULL;
        table->by_id = map_new(MAP_KEY_U64);
        table->by_unique = map_new(MAP_KEY_U64);
        table->by_point = map_new(MAP_KEY_STRING);
        if (!table->by_id || !table->by_unique || !table->by_point)
                return NULL;
        return TAKE_PTR(table);
}

struct table *table_free(struct table *table) {
        if (!table)
                return NULL;
        (void) map_free(table->by_id);
        (void) map_free(table->by_unique);
        (void) map_free(table->by_point);
        for (size_t i = 0; i < table->n_order; i++)
                (void) entry_free(table->order[i]);
        free(table->order);
        free(table);
        return NULL;
}

size_t table_size(const struct table *table) {
        return table->n_order;
}

uint64_t table_generation(const struct table *table) {
        return table->generation;
}

/* Puts one read entry into the draft; one whose id is there already is left to table_replace() to free. */
static int draft_add(struct draft *draft, const struct table *table, struct entry *fresh) {
        struct entry *old = map_get_u64(table->by_id, fresh->id), *kept = fresh;
        int r;

        if (old && diff_same_mount(old, fresh))
                kept = old;
        r = map_put_u64(draft->by_id, fresh->id, kept);
        if (r == -EEXIST)
                return 0;
        if (r < 0)
                return r;
        if (fresh->unique_id != 0) {
                r = map_put_u64(draft->by_unique, fresh->unique_id, kept);
                if (r < 0 && r != -EEXIST)
                        return r;
        }
        r = map_put(draft->by_point, fresh->point, kept);
        if (r < 0 && r != -EEXIST)
                return r;
        draft->fresh[draft->n] = fresh;
        draft->kept[draft->n++] = kept;
        return 0;
}

/* Lists what changed: first what went, so that a recycled id is gone before it comes back. */
static int draft_compare(struct draft *draft, const struct table *table) {
        struct changes *changes = &draft->changes;
        int r = 0;

        changes->dropped = calloc(table->n_order ?: 1, sizeof(*changes->dropped));
        if (!changes->dropped)
                return -ENOMEM;
        for (size_t i = 0; i < table->n_order && r >= 0; i++)
                if (map_get_u64(draft->by_id, table->order[i]->id) != table->order[i])
                        r = changes_add(changes, CHANGE_UNMOUNTED, table->order[i]);
        for (size_t i = 0; i < draft->n && r >= 0; i++) {
                const struct entry *before = draft->kept[i], *after = draft->fresh[i];

                if (before == after)
                        r = changes_add(changes, CHANGE_MOUNTED, draft->kept[i]);
                if (r >= 0 && before != after && diff_moved(before, after))
                        r = changes_add(changes, CHANGE_MOVED, draft->kept[i]);
                if (r >= 0 && before != after && diff_remounted(before, after))
                        r = changes_add(changes, CHANGE_REMOUNTED, draft->kept[i]);
        }
        return r;
}

static int draft_make(struct draft *draft, const struct table *table, struct entry **entries, size_t n_entries) {
        int r;

        draft->by_id = map_new(MAP_KEY_U64);
        draft->by_unique = map_new(MAP_KEY_U64);
        draft->by_point = map_new(MAP_KEY_STRING);
        draft->fresh = calloc(n_entries ?: 1, sizeof(*draft->fresh));
        draft->kept = calloc(n_entries ?: 1, sizeof(*draft->kept));
        draft->order = calloc(n_entries ?: 1, sizeof(*draft->order));
        if (!draft->by_id || !draft->by_unique || !draft->by_point || !draft->fresh || !draft->kept || !draft->order)
                return -ENOMEM;
        for (size_t i = 0; i < n_entries; i++) {
                r = draft_add(draft, table, entries[i]);
                if (r < 0)
                        return r;
        }
        return draft_compare(draft, table);
}

/* Moves what was read into the entry that stays; what was there goes to `fresh`, to be freed with it. */
static void exchange_content(struct entry *kept, struct entry *fresh) {
        struct entry swapped = *kept;

        *kept = *fresh;
        *fresh = swapped;
}

/* The next entry of a walk over the tree of `top`, parents first, siblings in mount order; NULL at its end. */
static struct entry *walk(const struct entry *top, struct entry *entry) {
        if (entry->children)
                return entry->children;
        while (entry != top && !entry->next)
                entry = entry->parent;
        return entry == top ? NULL : entry->next;
}

/* Puts the tree of `top` at the end of the order. */
static void order_tree(struct table *table, struct entry *top) {
        for (struct entry *entry = top; entry; entry = walk(top, entry)) {
                entry->seen = table->readings;
                table->order[table->n_order++] = entry;
        }
}

/* Cuts the way from `entry` up, so that it becomes a root. */
static void cut_from_parent(struct entry *entry) {
        struct entry **link = &entry->parent->children;

        while (*link != entry)
                link = &(*link)->next;
        *link = entry->next;
        entry->next = NULL;
        entry->parent = NULL;
}

/* Links parents, children and equal mount points, and fills the order. */
static void table_link(struct table *table, struct entry **entries, size_t n) {
        for (size_t i = 0; i < n; i++) {
                struct entry *entry = entries[i], *first = map_get(table->by_point, entry->point);

                entry->parent = map_get_u64(table->by_id, entry->parent_id);
                if (entry->parent == entry) /* the first mount of all is its own parent */
                        entry->parent = NULL;
                entry->children = entry->next = entry->same_point = NULL;
                entry->seen = 0;
                if (first != entry) {
                        entry->same_point = first->same_point;
                        first->same_point = entry;
                }
        }
        for (size_t i = n; i-- > 0;) { /* from the last on, so that each list is in mount order */
                struct entry *entry = entries[i];

                if (entry->parent) {
                        entry->next = entry->parent->children;
                        entry->parent->children = entry;
                }
        }
        for (size_t i = 0; i < n; i++)
                if (!entries[i]->parent)
                        order_tree(table, entries[i]);
        for (size_t i = 0; i < n && table->n_order < n; i++) /* what no root leads to: circles */
                if (entries[i]->seen == 0) {
                        cut_from_parent(entries[i]);
                        order_tree(table, entries[i]);
                }
}

/* Nothing here can fail. */
static void draft_commit(struct draft *draft, struct table *table, struct changes *ret) {
        bool changed = draft->changes.n_items > 0;

        for (size_t i = 0; i < draft->n; i++)
                if (draft->kept[i] != draft->fresh[i])
                        exchange_content(draft->kept[i], draft->fresh[i]);
        for (size_t i = 0; i < draft->changes.n_items; i++)
                if (draft->changes.items[i].kind == CHANGE_UNMOUNTED) {
                        struct entry *gone = draft->changes.items[i].entry;

                        gone->parent = gone->children = gone->next = gone->same_point = NULL;
                        draft->changes.dropped[draft->changes.n_dropped++] = gone;
                }

        (void) map_free(table->by_id);
        (void) map_free(table->by_unique);
        (void) map_free(table->by_point);
        free(table->order);
        table->by_id = TAKE_PTR(draft->by_id);
        table->by_unique = TAKE_PTR(draft->by_unique);
        table->by_point = TAKE_PTR(draft->by_point);
        table->order = TAKE_PTR(draft->order);
        table->n_order = 0;
        table->readings++;
        table->generation += changed;
        table_link(table, draft->kept, draft->n);
        *ret = draft->changes;
        draft->changes = (struct changes){};
}

int table_replace(struct table *table, struct entry **entries, size_t n_entries, struct changes *ret) {
        _cleanup_(draft_done) struct draft draft = {};
        int r;

        r = draft_make(&draft, table, entries, n_entries);
        if (r >= 0)
                draft_commit(&draft, table, ret);

        /* What did not become the table's is freed: on success the duplicates and the emptied shells of kept mounts. */
        for (size_t i = 0, k = 0; i < n_entries; i++) {
                bool taken = r >= 0 && k < draft.n && draft.fresh[k] == entries[i];
                bool lives = taken && draft.kept[k] == entries[i];

                k += taken;
                if (!lives)
                        (void) entry_free(entries[i]);
        }
        return r < 0 ? r : 0;
}

struct entry *table_get(const struct table *table, uint32_t id) {
        return map_get_u64(table->by_id, id);
}

struct entry *table_get_unique(const struct table *table, uint64_t unique_id) {
        return unique_id == 0 ? NULL : map_get_u64(table->by_unique, unique_id);
}

const struct entry *table_covering(const struct table *table, const struct entry *entry) {
        (void) table; /* the entry's own links say it */
        for (const struct entry *child = entry->children; child; child = child->next)
                if (strcmp(child->point, entry->point) == 0)
                        return child;
        return NULL;
}

/* Whether another child of the same parent sits on a directory above `entry`'s mount point, so that no path walk gets
 * to it. `path` is scratch space with the mount point in it. */
static bool hidden_by_sibling(const struct table *table, const struct entry *entry, char *path) {
        const char *top = entry->parent->point;

        for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
                slash[slash == path ? 1 : 0] = '\0';
                if (!path_is_below(path, top))
                        return false;
                for (const struct entry *e = map_get(table->by_point, path); e; e = e->same_point)
                        if (e->parent == entry->parent && e != entry)
                                return true;
                if (slash == path)
                        return false;
        }
        return false;
}

/* Whether a path walk gets to the mount: 1, 0, or -ENOMEM. */
static int reachable(const struct table *table, const struct entry *entry) {
        for (; entry->parent; entry = entry->parent) {
                _cleanup_free_ char *path = NULL;

                if (strcmp(entry->point, entry->parent->point) == 0)
                        continue; /* it covers its parent: the walk crosses over */
                path = strdup(entry->point);
                if (!path)
                        return -ENOMEM;
                if (hidden_by_sibling(table, entry, path))
                        return 0;
        }
        return 1;
}

struct entry *table_at(const struct table *table, const char *point) {
        for (struct entry *entry = map_get(table->by_point, point); entry; entry = entry->same_point)
                if (!table_covering(table, entry) && reachable(table, entry) != 0)
                        return entry;
        return NULL;
}

int table_subtree(const struct table *table, struct entry *top, struct entry ***ret, size_t *ret_n) {
        struct entry **found;
        size_t n = 0;

        (void) table; /* the entry's own links say it */
        for (struct entry *entry = top; entry; entry = walk(top, entry))
                n++;
        found = calloc(n, sizeof(*found));
        if (!found)
                return -ENOMEM;
        n = 0;
        for (struct entry *entry = top; entry; entry = walk(top, entry))
                found[n++] = entry;
        *ret = found;
        *ret_n = n;
        return 0;
}

int table_below(const struct table *table, const char *path, struct entry ***ret, size_t *ret_n) {
        struct entry **found;
        size_t n = 0;

        for (size_t i = 0; i < table->n_order; i++)
                n += path_is_below(table->order[i]->point, path);
        found = calloc(n ?: 1, sizeof(*found));
        if (!found)
                return -ENOMEM;
        n = 0;
        for (size_t i = 0; i < table->n_order; i++)
                if (path_is_below(table->order[i]->point, path))
                        found[n++] = table->order[i];
        *ret = found;
        *ret_n = n;
        return 0;
}
