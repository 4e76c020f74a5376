/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Entries in the order of their mount points, with all that lies below a path side by side: a search tree whose links
 * are in the entries (`left`, `right`), so that nothing here can fail. An entry's mount point must not change while
 * it is in the tree.
 */

#include "table/entry.h"

/* Takes the entry in. */
void index_insert(struct entry **root, struct entry *entry);
/* Takes many in, which come in runs that are in order, as mounts do that were made in a row: the fewer runs, the fewer
 * comparisons. Sorts the array. */
void index_insert_all(struct entry **root, struct entry **entries, size_t n);
/* Takes it out. */
void index_remove(struct entry **root, struct entry *entry);
/* Calls `fn` for each entry whose mount point is `path` or (`below`) lies below it by whole components, in order,
 * until it returns other than 0, and returns that. It must not change the tree. */
int index_each(struct entry *root, const char *path, bool below, int (*fn)(struct entry *entry, void *userdata),
        void *userdata);
