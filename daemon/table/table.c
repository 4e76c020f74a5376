/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The mount table. Mounts come, go and change one by one, or a whole reading is compared with what is there; a mount
 * that stays keeps its entry, so that others may hold on to the pointer.
 *
 * Neither the kernel's text nor a row of single looks is one instant, and tests hand in whatever they like: an entry
 * whose parent is not there is a root until the parent comes, and one that would close a circle of parents stays a
 * root, so that every walk ends.
 */

#include <string.h>

#include "table/diff.h"
#include "table/ids.h"
#include "table/index.h"
#include "table/table.h"
#include "util/path.h"

struct table {
        struct ids by_id;       /* by the recycled id */
        struct ids by_unique;   /* of those that have a unique id */
        struct entry *by_point; /* table/index.h */
        struct entry *roots;    /* those without a parent here, linked like siblings */
        uint64_t highest;       /* of the unique ids that it ever had: the kernel gives them once, in order */
        uint64_t generation;
        uint32_t readings; /* counted twice each: what is marked, what is taken in */
        size_t bytes; /* of the entries */
};

struct table *table_new(void) {
        struct table *table = calloc(1, sizeof(*table));

        if (!table)
                return NULL;
        table->by_id.kind = IDS_RECYCLED;
        table->by_unique.kind = IDS_UNIQUE;
        return table;
}

struct table *table_free(struct table *table) {
        struct entry *entry;

        if (!table)
                return NULL;
        for (size_t position = 0; (entry = ids_next(&table->by_id, &position));)
                (void) entry_free(entry);
        ids_done(&table->by_id);
        ids_done(&table->by_unique);
        free(table);
        return NULL;
}

size_t table_size(const struct table *table) {
        return table->by_id.n;
}

size_t table_bytes(const struct table *table) {
        return sizeof(*table) + ids_bytes(&table->by_id) + ids_bytes(&table->by_unique) + table->bytes;
}

void table_trim(struct table *table) {
        ids_trim(&table->by_id);
        ids_trim(&table->by_unique);
}

uint64_t table_generation(const struct table *table) {
        return table->generation;
}

void table_forget_looks(struct table *table) {
        size_t position = 0;

        for (struct entry *entry; (entry = ids_next(&table->by_id, &position));)
                entry->looked = 0;
}

static void list_append(struct entry **first, struct entry *entry) {
        entry->next = NULL;
        if (!*first) {
                entry->prev = entry;
                *first = entry;
                return;
        }
        entry->prev = (*first)->prev;
        entry->prev->next = entry;
        (*first)->prev = entry;
}

static void list_remove(struct entry **first, struct entry *entry) {
        if (entry == *first)
                *first = entry->next;
        else
                entry->prev->next = entry->next;
        if (entry->next)
                entry->next->prev = entry->prev;
        else if (*first)
                (*first)->prev = entry->prev;
        entry->next = entry->prev = NULL;
}

static struct entry *find_parent(const struct table *table, const struct entry *entry) {
        struct entry *parent = entry->parent_unique != 0 ? ids_get(&table->by_unique, entry->parent_unique)
                                                         : ids_get(&table->by_id, entry->parent_id);

        return parent == entry ? NULL : parent; /* the first mount of all is its own parent */
}

static const struct entry *top_of(const struct entry *entry) {
        while (entry->parent)
                entry = entry->parent;
        return entry;
}

static void link_entry(struct table *table, struct entry *entry) {
        struct entry *parent = find_parent(table, entry);

        if (parent && entry->children && top_of(parent) == entry)
                parent = NULL;
        entry->parent = parent;
        list_append(parent ? &parent->children : &table->roots, entry);
}

static void unlink_entry(struct table *table, struct entry *entry) {
        if (!entry->prev) /* it is in no list yet */
                return;
        list_remove(entry->parent ? &entry->parent->children : &table->roots, entry);
        entry->parent = NULL;
}

/* Roots that were waiting for this entry. There are few: the root of the namespace, and what a burst of events has
 * torn from its parents for a moment. */
static void adopt(struct table *table, struct entry *entry) {
        for (struct entry *root = table->roots, *next; root; root = next) {
                next = root->next;
                if (root == entry || find_parent(table, root) != entry || top_of(entry) == root)
                        continue;
                unlink_entry(table, root);
                root->parent = entry;
                list_append(&entry->children, root);
        }
}

/* What the table has of the ids of `fresh`. */
struct known {
        struct entry *same;  /* the entry of the mount that `fresh` is a new sight of */
        struct entry *other; /* that of another mount, which had its recycled id */
};

static struct known find_known(const struct table *table, const struct entry *fresh) {
        bool is_new = fresh->unique_id == 0 || fresh->unique_id > table->highest;
        struct entry *same = is_new ? NULL : ids_get(&table->by_unique, fresh->unique_id);
        struct entry *other = ids_get(&table->by_id, fresh->id);

        if (!same && other && diff_same_mount(other, fresh))
                same = other;
        return (struct known){.same = same, .other = other == same ? NULL : other};
}

/* Makes room for the ids of so many entries more. */
static int reserve_ids(struct table *table, size_t n) {
        int r = ids_reserve(&table->by_id, n);

        return r < 0 ? r : ids_reserve(&table->by_unique, n);
}

static void give_ids(struct table *table, struct entry *entry) {
        ids_add(&table->by_id, entry);
        if (entry->unique_id == 0)
                return;
        ids_add(&table->by_unique, entry);
        if (table->highest < entry->unique_id)
                table->highest = entry->unique_id;
}

static void take_ids(struct table *table, struct entry *entry) {
        ids_remove(&table->by_id, entry);
        if (entry->unique_id != 0)
                ids_remove(&table->by_unique, entry);
}

static int drop(struct table *table, struct entry *entry, struct changes *changes) {
        int r = changes_drop(changes, entry);

        if (r < 0)
                return r;
        while (entry->children) {
                struct entry *child = entry->children;

                unlink_entry(table, child);
                list_append(&table->roots, child);
        }
        unlink_entry(table, entry);
        index_remove(&table->by_point, entry);
        take_ids(table, entry);
        table->bytes -= entry_bytes(entry);
        return 0;
}

static int add(struct table *table, struct entry *fresh, struct changes *changes) {
        int r = changes_add(changes, CHANGE_MOUNTED, fresh);

        if (r < 0)
                return r;
        r = reserve_ids(table, 1);
        if (r < 0) {
                changes->n_items--;
                return r;
        }
        give_ids(table, fresh);
        table->bytes += entry_bytes(fresh);
        return 0;
}

/* Moves what was seen into the entry that stays; what was there goes to `fresh`, to be freed with it. */
static void exchange_content(struct entry *kept, struct entry *fresh) {
        struct entry old = *kept;

        *kept = *fresh;
        kept->parent = old.parent;
        kept->children = old.children;
        kept->next = old.next;
        kept->prev = old.prev;
        kept->left = old.left;
        kept->right = old.right;
        *fresh = old;
}

/* 1: it hangs elsewhere, is linked nowhere and not in `by_point`. */
static int update(struct table *table, struct entry *kept, struct entry *fresh, struct changes *changes) {
        bool moved = diff_moved(kept, fresh), remounted = diff_remounted(kept, fresh);
        bool renumbered = kept->id != fresh->id || kept->unique_id != fresh->unique_id;
        size_t n = changes->n_items;
        int r = moved ? changes_add(changes, CHANGE_MOVED, kept) : 0;

        if (r >= 0 && remounted)
                r = changes_add(changes, CHANGE_REMOUNTED, kept);
        if (r >= 0 && renumbered)
                r = reserve_ids(table, 1);
        if (r < 0) {
                changes->n_items = n;
                return r;
        }
        if (renumbered)
                take_ids(table, kept);
        if (moved) {
                unlink_entry(table, kept);
                index_remove(&table->by_point, kept);
        }
        table->bytes -= entry_bytes(kept);
        exchange_content(kept, fresh);
        table->bytes += entry_bytes(kept);
        if (renumbered)
                give_ids(table, kept);
        return moved;
}

/* Takes `fresh` over, also on failure. The entry that stands for it; 1: it has to be linked and put into `by_point`. */
static int put(struct table *table, struct entry *fresh, struct known known, struct changes *changes, struct entry **ret) {
        _cleanup_(entry_freep) struct entry *owned = fresh;
        struct entry *kept = known.same;
        int r = 0;

        /* Another mount that had this recycled id is gone, even if nobody has told so yet. */
        if (known.other)
                r = drop(table, known.other, changes);
        if (r < 0)
                return r;
        if (kept)
                r = update(table, kept, fresh, changes);
        else
                r = add(table, fresh, changes);
        if (r < 0)
                return r;
        if (!kept) {
                kept = TAKE_PTR(owned);
                r = 1;
        }
        kept->seen = table->readings;
        *ret = kept;
        return r;
}

int table_put(struct table *table, struct entry *fresh, struct changes *changes, struct entry **ret) {
        size_t n = changes->n_items;
        struct entry *entry;
        int r = put(table, fresh, find_known(table, fresh), changes, &entry);

        if (r < 0)
                return r;
        table->generation += changes->n_items != n;
        if (r > 0) {
                index_insert(&table->by_point, entry);
                link_entry(table, entry);
                adopt(table, entry);
        }
        if (ret)
                *ret = entry;
        return 0;
}

int table_drop(struct table *table, struct entry *entry, struct changes *changes) {
        int r = drop(table, entry, changes);

        table->generation += r >= 0;
        return r;
}

struct list {
        struct entry **items;
        size_t n;
};

static int list_add(struct entry *entry, void *userdata) {
        struct list *list = userdata;

        list->items[list->n++] = entry;
        return 0;
}

static void mark_seen(struct table *table, struct entry **entries, size_t n) {
        for (size_t i = 0; i < n && table->by_id.n > 0; i++) {
                struct entry *kept = find_known(table, entries[i]).same;

                if (kept)
                        kept->seen = table->readings;
        }
}

/* Whether the reading has had a mount with one of these ids: of two, the first counts. */
static bool is_taken(const struct table *table, struct known known) {
        return (known.same && known.same->seen == table->readings) || (known.other && known.other->seen == table->readings);
}

static int drop_unseen(struct table *table, struct changes *changes) {
        _cleanup_free_ struct entry **all = calloc(table_size(table) + 1, sizeof(*all));
        struct list list = {.items = all};
        int r = 0;

        if (!all)
                return -ENOMEM;
        (void) index_each(table->by_point, "/", true, list_add, &list);
        for (size_t i = 0; i < list.n && r >= 0; i++)
                if (all[i]->seen != table->readings)
                        r = drop(table, all[i], changes);
        return r;
}

/* The parent of these went and another mount has its recycled id now, so that they did not seem to move. */
static void adopt_all(struct table *table) {
        for (struct entry *root = table->roots, *next; root; root = next) {
                struct entry *parent = find_parent(table, root);

                next = root->next;
                if (!parent || top_of(parent) == root)
                        continue;
                unlink_entry(table, root);
                root->parent = parent;
                list_append(&parent->children, root);
        }
}

int table_replace(struct table *table, struct entry **entries, size_t n_entries, struct changes *ret) {
        _cleanup_free_ struct entry **unlinked = calloc(n_entries + 1, sizeof(*unlinked));
        _cleanup_changes_ struct changes changes = {};
        size_t n_unlinked = 0, i;
        int r = unlinked ? 0 : -ENOMEM;

        table->readings++;
        mark_seen(table, entries, n_entries);
        if (r >= 0)
                r = drop_unseen(table, &changes);
        table->readings++;
        if (r >= 0 && n_entries > table_size(table))
                r = reserve_ids(table, n_entries - table_size(table));
        for (i = 0; i < n_entries && r >= 0; i++) {
                struct known known = find_known(table, entries[i]);
                struct entry *kept;

                if (is_taken(table, known)) {
                        (void) entry_free(entries[i]);
                        continue;
                }
                r = put(table, entries[i], known, &changes, &kept);
                if (r > 0)
                        unlinked[n_unlinked++] = kept;
        }
        for (; i < n_entries; i++)
                (void) entry_free(entries[i]);
        for (size_t k = 0; k < n_unlinked; k++) /* once all are there: no parent comes late */
                link_entry(table, unlinked[k]);
        index_insert_all(&table->by_point, unlinked, n_unlinked);
        adopt_all(table);
        table->generation += changes.n_items > 0;
        if (r < 0)
                return r;
        *ret = changes;
        changes = (struct changes){};
        return 0;
}

struct entry *table_get(const struct table *table, uint32_t id) {
        return ids_get(&table->by_id, id);
}

struct entry *table_get_unique(const struct table *table, uint64_t unique_id) {
        return unique_id == 0 ? NULL : ids_get(&table->by_unique, unique_id);
}

static int is_child(struct entry *entry, void *userdata) {
        const struct entry **found = userdata; /* the parent on the way in, the child on the way out */

        if (entry->parent != *found)
                return 0;
        *found = entry;
        return 1;
}

const struct entry *table_covering(const struct table *table, const struct entry *entry) {
        const struct entry *found = entry;

        return index_each(table->by_point, entry->point, false, is_child, &found) > 0 ? found : NULL;
}

static int is_sibling(struct entry *entry, void *userdata) {
        const struct entry *of = userdata;

        return entry != of && entry->parent == of->parent;
}

struct beside {
        const struct entry *entry;
        int (*fn)(const struct entry *sibling, void *userdata);
        void *userdata;
};

static int is_beside(struct entry *entry, void *userdata) {
        const struct beside *beside = userdata;

        return entry != beside->entry && entry->parent == beside->entry->parent ? beside->fn(entry, beside->userdata)
                                                                                : 0;
}

int table_each_beside(const struct table *table, const struct entry *entry,
        int (*fn)(const struct entry *sibling, void *userdata), void *userdata) {
        struct beside context = {.entry = entry, .fn = fn, .userdata = userdata};

        return index_each(table->by_point, entry->point, false, is_beside, &context);
}

/* Whether another child of the same parent sits on a directory above `entry`'s mount point, so that no path walk gets
 * to it. `path` is scratch space with the mount point in it. */
static bool hidden_by_sibling(const struct table *table, struct entry *entry, char *path) {
        const char *top = entry->parent->point;

        for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
                slash[slash == path ? 1 : 0] = '\0';
                if (!path_is_below(path, top))
                        return false;
                if (index_each(table->by_point, path, false, is_sibling, entry) > 0)
                        return true;
                if (slash == path)
                        return false;
        }
        return false;
}

bool table_is_reached(const struct table *table, struct entry *entry) {
        for (; entry->parent; entry = entry->parent) {
                _cleanup_free_ char *path = NULL;

                if (strcmp(entry->point, entry->parent->point) == 0)
                        continue; /* it covers its parent: the walk crosses over */
                path = strdup(entry->point);
                if (path && hidden_by_sibling(table, entry, path))
                        return false;
        }
        return true;
}

struct visit {
        const struct table *table;
        struct entry *found;
};

static int is_on_top(struct entry *entry, void *userdata) {
        struct visit *visit = userdata;

        if (table_covering(visit->table, entry) || !table_is_reached(visit->table, entry))
                return 0;
        visit->found = entry;
        return 1;
}

struct entry *table_at(const struct table *table, const char *point) {
        struct visit visit = {.table = table};

        (void) index_each(table->by_point, point, false, is_on_top, &visit); /* `found` tells */
        return visit.found;
}

/* The next entry of a walk over the tree of `top`, parents first, siblings in their order; NULL at its end. */
static struct entry *walk_past(const struct entry *top, struct entry *entry) {
        while (entry != top && !entry->next)
                entry = entry->parent;
        return entry == top ? NULL : entry->next;
}

static struct entry *walk(const struct entry *top, struct entry *entry) {
        return entry->children ?: walk_past(top, entry);
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

/* "/" stands for everything, also for what no path leads to. */
static bool lies_below(const struct entry *entry, const char *path) {
        return strcmp(path, "/") == 0 || path_is_below(entry->point, path);
}

int table_each_below(const struct table *table, const char *path, int (*fn)(struct entry *entry, void *userdata), void *userdata) {
        return index_each(table->by_point, path, true, fn, userdata);
}

static int count(struct entry *entry _unused_, void *userdata) {
        (*(size_t *) userdata)++;
        return 0;
}

int table_below(const struct table *table, const char *path, struct entry ***ret, size_t *ret_n) {
        _cleanup_free_ struct entry **there = NULL;
        struct list list = {};
        struct entry **found;
        size_t n = 0, n_found = 0;

        (void) index_each(table->by_point, path, true, count, &n);
        there = list.items = calloc(n + 1, sizeof(*there));
        found = calloc(n + 1, sizeof(*found));
        if (!there || !found) {
                free(found);
                return -ENOMEM;
        }
        (void) index_each(table->by_point, path, true, list_add, &list);
        for (size_t i = 0; i < list.n; i++) {
                struct entry *top = there[i];

                if (top->parent && lies_below(top->parent, path))
                        continue; /* comes with its parent */
                for (struct entry *entry = top; entry;) {
                        bool below = lies_below(entry, path);

                        if (below)
                                found[n_found++] = entry;
                        entry = below ? walk(top, entry) : walk_past(top, entry);
                }
        }
        *ret = found;
        *ret_n = n_found;
        return 0;
}
