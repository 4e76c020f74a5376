/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel's mount table as last seen: entries by id, with their tree. Pure: it is handed whole readings or
 * single mounts and says what changed; who reads and when is the manager's.
 */

#include <stdint.h>

#include "table/entry.h"

enum change_kind { CHANGE_MOUNTED, CHANGE_UNMOUNTED, CHANGE_MOVED, CHANGE_REMOUNTED };

/* `entry` is the table's (for CHANGE_UNMOUNTED alive until the changes are freed). */
struct change {
        enum change_kind kind;
        struct entry *entry;
};

struct changes {
        struct change *items;
        size_t n_items;
        struct entry **dropped; /* owned: what CHANGE_UNMOUNTED points to */
        size_t n_dropped;
};

struct table;

/* An empty table of generation 0; NULL when memory is short. */
struct table *table_new(void);
struct table *table_free(struct table *table);
DEFINE_CLEANUP(struct table *, table_free)

/* How many mounts it has. */
size_t table_size(const struct table *table);
/* The memory that it takes: entries, their strings, what finds them. In bytes. */
size_t table_bytes(const struct table *table);
/* Gives back what it has allocated for entries that are gone, if it is much. Short of memory, nothing happens. */
void table_trim(struct table *table);
/* Counts up with every reading that changed something. */
uint64_t table_generation(const struct table *table);
/* Sets `looked` of every entry to 0. */
void table_forget_looks(struct table *table);

/* Replaces the content by a whole reading. Takes the entries over (also on failure); the array stays the caller's.
 * Entries with the same unique id, or without one the same id, device and root, are the same mount: the table's
 * pointer stays valid, with what is new in it, and is compared for moves and remounts. Of two entries with one id the
 * first counts. `ret` says what changed, first what went, then the rest in the reading's order. -ENOMEM leaves a part
 * of it done: read again. */
int table_replace(struct table *table, struct entry **entries, size_t n_entries, struct changes *ret);

/* Takes one mount in as it is now, whether it is new, moved, changed or none of it; what changed is appended to
 * `changes`. Takes the entry over, also on failure. `ret`, unless NULL: the table's entry. -ENOMEM leaves the table
 * as it was, but for another mount with this recycled id, which is gone. */
int table_put(struct table *table, struct entry *fresh, struct changes *changes, struct entry **ret);
/* Forgets one mount, which lives on until the changes are freed; its children, if any, have no parent then. -ENOMEM
 * leaves the table as it was. An entry that came and went is in the same changes as CHANGE_MOUNTED and as
 * CHANGE_UNMOUNTED. */
int table_drop(struct table *table, struct entry *entry, struct changes *changes);
void changes_done(struct changes *changes);
#define _cleanup_changes_ _cleanup_(changes_done)

/* Look-ups; NULL when there is none. */
struct entry *table_get(const struct table *table, uint32_t id);
/* NULL also while the table is read from mountinfo, which knows no unique ids. */
struct entry *table_get_unique(const struct table *table, uint64_t unique_id);
/* The mount that a path walk to exactly this mount point ends on: the topmost of those at it. NULL also when all of
 * them are hidden below a mount further up the path. */
struct entry *table_at(const struct table *table, const char *point);

/* Whether a path walk gets to the mount's own mount point, where it may end on another one that sits on it: no other child of its parent, or of one
 * above, is mounted at a directory on the way. When memory is short, yes. */
bool table_is_reached(const struct table *table, struct entry *entry);

/* Calls `fn` for all mounts at and below `path`, by their mount points: each directory comes before what is in it, and mounts at one place in no order.
 * Until it returns other than 0, and returns that; it must not change the table. */
int table_each_below(const struct table *table, const char *path, int (*fn)(struct entry *entry, void *userdata), void *userdata);

/* Calls `fn` for each other child of the entry's parent at exactly its mount point, until it returns other than 0,
 * and returns that. It must not change the table. */
int table_each_beside(const struct table *table, const struct entry *entry,
        int (*fn)(const struct entry *sibling, void *userdata), void *userdata);

/* All mounts of the subtree of `top`, itself first, every parent before its children; the array is the caller's. */
int table_subtree(const struct table *table, struct entry *top, struct entry ***ret, size_t *ret_n);
/* All mounts whose mount point is `path` or lies below it by whole components, parents first; for "/" all mounts. */
int table_below(const struct table *table, const char *path, struct entry ***ret, size_t *ret_n);
/* Whether another mount sits on exactly this mount's root (covers it). */
const struct entry *table_covering(const struct table *table, const struct entry *entry);
