/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A directory of a test's own for its state.db, and the SQLite file itself for a look behind the store's back. */

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"
#include "tests/unit/unit.h"
#include "util/path.h"

static inline int store_dir_remove_one(const char *path, const struct stat *st _unused_, int type _unused_,
        struct FTW *ftw _unused_) {
        return remove(path);
}

static inline void store_dir_done(char **directory) {
        if (*directory)
                /* as far as it goes */
                (void) nftw(*directory, store_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        free(*directory);
}
#define _cleanup_store_dir_ _cleanup_(store_dir_done)

static inline char *store_dir_new(void) {
        char *directory = strdup("/tmp/test-store-XXXXXX");

        ck_assert_ptr_nonnull(directory);
        ck_assert_ptr_nonnull(mkdtemp(directory));
        return directory;
}

static inline struct store *store_dir_open(const char *directory) {
        struct store *store = NULL;
        int version;

        ck_assert_int_eq(store_open(directory, &store, &version), STORE_OPENED);
        return store;
}

/* Runs SQL on the file of a closed store. */
static inline void store_dir_sql(const char *directory, const char *sql) {
        _cleanup_free_ char *path = path_join(directory, "state.db");
        sqlite3 *db;
        char *error = NULL;

        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &error) == SQLITE_OK, "%s: %s", sql, error);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

struct store_dir_loaded {
        struct record_pod **pods;
        size_t n_pods;
        struct record_intent *intents;
        size_t n_intents;
};

static inline void store_dir_loaded_done(struct store_dir_loaded *loaded) {
        for (size_t i = 0; i < loaded->n_pods; i++)
                record_pod_free(loaded->pods[i]);
        free(loaded->pods);
        record_intents_free(loaded->intents, loaded->n_intents);
}
#define _cleanup_loaded_ _cleanup_(store_dir_loaded_done)

static inline struct store_dir_loaded store_dir_load(struct store *store) {
        struct store_dir_loaded loaded;

        ck_assert_int_eq(
                store_load(store, &loaded.pods, &loaded.n_pods, &loaded.intents, &loaded.n_intents), 0);
        return loaded;
}
