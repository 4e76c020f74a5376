/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Made entries, tables and readings for tests. */

#include <check.h>
#include <string.h>

#include "table/reading.h"
#include "table/table.h"

static inline void made_texts(struct entry *entry, const struct entry_texts *texts) {
        ck_assert_int_eq(entry_set_texts(entry, texts), 0);
}

/* A made entry of a tmpfs at `point`. */
static inline struct entry *made_entry(uint32_t id, uint32_t parent_id, const char *point) {
        struct entry *entry = entry_new();

        ck_assert_ptr_nonnull(entry);
        entry->id = id;
        entry->parent_id = parent_id;
        entry->device = 1000 + id;
        made_texts(entry, &(struct entry_texts){.root = "/", .point = point, .type = "tmpfs", .options = "rw"});
        return entry;
}

/* Replaces the content; the changes are the caller's. */
#define made_replace(table, changes, ...)                                                                             \
        do {                                                                                                          \
                struct entry *_entries[] = {__VA_ARGS__};                                                             \
                                                                                                                      \
                ck_assert_int_eq(table_replace((table), _entries, ELEMENTSOF(_entries), (changes)), 0);               \
        } while (0)

/* The same for who does not ask what changed. */
#define made_fill(table, ...)                                                                                         \
        do {                                                                                                          \
                _cleanup_changes_ struct changes _changes = {};                                                       \
                                                                                                                      \
                made_replace((table), &_changes, __VA_ARGS__);                                                        \
        } while (0)

/* Fills a table from the kernel. */
static inline void made_read(struct table *table, struct watch *watch) {
        _cleanup_changes_ struct changes changes = {};
        struct entry **entries;
        size_t n;

        ck_assert_int_eq(reading_take(watch, &entries, &n), 0);
        ck_assert_int_eq(table_replace(table, entries, n, &changes), 0);
        free(entries);
}
