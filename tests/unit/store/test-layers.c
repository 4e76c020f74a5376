/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The records of layers: kept over restarts, reached below directories that are closed to the caller, numbers used once. */

#include "store/layers.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store-dir.h"
#include "util/array.h"

enum { NOBODY = 65534 };

static struct layer_store *open_store(int directory) {
        struct layer_store *store = NULL;
        int version;

        ck_assert_int_eq(layer_store_open(directory, &store, &version), STORE_OPENED);
        ck_assert_ptr_nonnull(store);
        return store;
}

static int open_directory(const char *path) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

static uint64_t add(struct layer_store *store, const char *id, uint64_t parent) {
        _cleanup_free_ char *name = strdup(id);
        char *metadata[] = {(char *) "key", (char *) "", (char *) "other", (char *) "v", NULL};
        struct record_layer layer = {
                .id = name, .parent = parent, .owner = 1000, .owner_group = 100, .read_write = true, .label = (char *) "l",
                .uid_map = (char *) "0-1000-1", .metadata = metadata, .state = RECORD_LAYER_CREATING, .created_us = UINT64_MAX};

        ck_assert_int_eq(layer_store_add(store, &layer), 0);
        ck_assert_uint_ne(layer.number, 0);
        return layer.number;
}

struct loaded {
        struct record_layer **layers;
        size_t n;
};

static void loaded_done(struct loaded *loaded) {
        for (size_t i = 0; i < loaded->n; i++)
                record_layer_free(loaded->layers[i]);
        free(loaded->layers);
}
#define _cleanup_layers_ _cleanup_(loaded_done)

static struct loaded load(struct layer_store *store) {
        struct loaded loaded = {};

        ck_assert_int_eq(layer_store_load(store, &loaded.layers, &loaded.n), 0);
        return loaded;
}

START_TEST(test_kept) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_close_ int directory = open_directory(path);
        _cleanup_(layer_store_freep) struct layer_store *store = open_store(directory);
        uint64_t base = add(store, "base", 0), top = add(store, "top", base);
        _cleanup_layers_ struct loaded loaded = {};
        const struct record_layer *layer;

        ck_assert_int_eq(layer_store_set_state(store, base, RECORD_LAYER_READY), 0);
        store = layer_store_free(store);
        store = open_store(directory);
        loaded = load(store);
        ck_assert_uint_eq(loaded.n, 2);
        layer = loaded.layers[0];
        ck_assert_uint_eq(layer->number, base);
        ck_assert_str_eq(layer->id, "base");
        ck_assert_uint_eq(layer->parent, 0);
        ck_assert_uint_eq(layer->owner, 1000);
        ck_assert_uint_eq(layer->owner_group, 100);
        ck_assert(layer->read_write);
        ck_assert_str_eq(layer->label, "l");
        ck_assert_str_eq(layer->uid_map, "0-1000-1");
        ck_assert_ptr_null(layer->gid_map);
        ck_assert_uint_eq(strv_length(layer->metadata), 4);
        ck_assert_str_eq(layer->metadata[1], "");
        ck_assert_str_eq(layer->metadata[3], "v");
        ck_assert_int_eq(layer->state, RECORD_LAYER_READY);
        ck_assert_uint_eq(layer->created_us, UINT64_MAX);
        ck_assert_uint_eq(loaded.layers[1]->number, top);
        ck_assert_uint_eq(loaded.layers[1]->parent, base);
        ck_assert_int_eq(loaded.layers[1]->state, RECORD_LAYER_CREATING);
}
END_TEST

/* An id is free as soon as its layer is being removed; a number never is, and a parent goes after its children alone. */
START_TEST(test_removed) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_close_ int directory = open_directory(path);
        _cleanup_(layer_store_freep) struct layer_store *store = open_store(directory);
        uint64_t base = add(store, "base", 0), top = add(store, "top", base), again;
        _cleanup_layers_ struct loaded loaded = {};
        struct record_layer twice = {.id = (char *) "top"};

        ck_assert_int_lt(layer_store_add(store, &twice), 0);
        ck_assert_int_lt(layer_store_delete(store, base), 0);
        ck_assert_int_eq(layer_store_set_state(store, top, RECORD_LAYER_REMOVING), 0);
        again = add(store, "top", 0);
        ck_assert_uint_gt(again, top);
        ck_assert_int_eq(layer_store_delete(store, base), 0);
        ck_assert_int_eq(layer_store_delete(store, again), 0);
        store = layer_store_free(store);
        store = open_store(directory);
        ck_assert_uint_gt(add(store, "new", 0), again);
        loaded = load(store);
        ck_assert_uint_eq(loaded.n, 2);
        ck_assert_int_eq(loaded.layers[0]->state, RECORD_LAYER_REMOVING);
        ck_assert_uint_eq(loaded.layers[0]->parent, 0);
}
END_TEST

START_TEST(test_taken_back) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_close_ int directory = open_directory(path);
        _cleanup_(layer_store_freep) struct layer_store *store = open_store(directory);
        uint64_t base = add(store, "base", 0), top = add(store, "top", base);
        _cleanup_layers_ struct loaded loaded = {};

        ck_assert_int_eq(layer_store_set_state(store, top, RECORD_LAYER_REMOVING), 0);
        ck_assert_int_eq(layer_store_keep(store, top, base), 0);
        loaded = load(store);
        ck_assert_int_eq(loaded.layers[1]->state, RECORD_LAYER_READY);
        ck_assert_uint_eq(loaded.layers[1]->parent, base);
}
END_TEST

static void put_holder(struct layer_store *store, uint64_t layer, uid_t owner, const char *name, uint32_t count) {
        _cleanup_free_ char *copy = strdup(name);
        const struct record_holder holder = {.layer = layer, .owner = owner, .name = copy, .count = count};

        ck_assert_int_eq(layer_store_put_holder(store, &holder), 0);
}

START_TEST(test_holders) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_close_ int directory = open_directory(path);
        _cleanup_(layer_store_freep) struct layer_store *store = open_store(directory);
        uint64_t base = add(store, "base", 0), other = add(store, "other", 0);
        struct record_holder *holders;
        size_t n;

        put_holder(store, other, 0, "a", 1);
        put_holder(store, base, 1000, "b", 7);
        put_holder(store, base, 1000, "a", 1);
        put_holder(store, base, 1000, "a", 2);
        put_holder(store, base, 1001, "a", 3);
        put_holder(store, base, 1001, "a", 0);
        store = layer_store_free(store);
        store = open_store(directory);
        ck_assert_int_eq(layer_store_load_holders(store, &holders, &n), 0);
        ck_assert_uint_eq(n, 3);
        ck_assert_uint_eq(holders[0].layer, base);
        ck_assert_str_eq(holders[0].name, "a");
        ck_assert_uint_eq(holders[0].owner, 1000);
        ck_assert_uint_eq(holders[0].count, 2);
        ck_assert_uint_eq(holders[1].count, 7);
        ck_assert_uint_eq(holders[2].layer, other);
        record_holders_free(holders, n);
        ck_assert_int_eq(layer_store_delete(store, base), 0); /* with its holders */
        ck_assert_int_eq(layer_store_load_holders(store, &holders, &n), 0);
        ck_assert_uint_eq(n, 1);
        record_holders_free(holders, n);
}
END_TEST

/* A file of version 1, frozen, as the first podmountd with layers wrote it. */
START_TEST(test_migration) {
        static const char version_1[] =
                "PRAGMA journal_mode = WAL;"
                "CREATE TABLE layer ( number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL,"
                " parent INTEGER REFERENCES layer (number), owner INTEGER NOT NULL, owner_group INTEGER NOT NULL,"
                " read_write INTEGER NOT NULL, label TEXT, uid_map TEXT, gid_map TEXT, metadata BLOB, state INTEGER NOT NULL,"
                " created_us INTEGER NOT NULL);"
                "CREATE UNIQUE INDEX layer_by_id ON layer (id) WHERE state <> 2;"
                "CREATE INDEX layer_by_parent ON layer (parent);"
                "INSERT INTO layer VALUES (4, 'old', NULL, 1000, 100, 0, NULL, NULL, NULL, NULL, 1, 99);"
                "PRAGMA application_id = 0x706d6c79; PRAGMA user_version = 1;";
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_free_ char *file = path_join(path, "layers.db");
        _cleanup_close_ int directory = open_directory(path);
        _cleanup_(layer_store_freep) struct layer_store *store = NULL;
        _cleanup_layers_ struct loaded loaded = {};
        sqlite3 *db = NULL;
        int version = -1;

        ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(db, version_1, NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
        ck_assert_int_eq(layer_store_open(directory, &store, &version), STORE_OPENED);
        ck_assert_int_eq(version, 1);
        loaded = load(store);
        ck_assert_uint_eq(loaded.n, 1);
        ck_assert_str_eq(loaded.layers[0]->id, "old");
        put_holder(store, 4, 0, "a", 1);
        ck_assert_uint_gt(add(store, "new", 4), 4);
}
END_TEST

/* As the front has it: its own directory below one that only root may pass. */
static int use_as_nobody(int directory, const char *path) {
        struct layer_store *store = NULL;
        int version;

        if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0 || access(path, F_OK) == 0)
                return 10;
        if (layer_store_open(directory, &store, &version) != STORE_OPENED)
                return 11;
        if (add(store, "mine", 0) == 0)
                return 12;
        (void) layer_store_free(store);
        return 0;
}

START_TEST(test_closed_directories) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_free_ char *below = path_join(path, "records");
        _cleanup_close_ int directory = -1;
        int status = -1;
        pid_t pid;

        if (geteuid() != 0) {
                unit_skip("only root can become somebody else");
                return;
        }
        ck_assert_int_eq(mkdir(below, 0700), 0);
        ck_assert_int_eq(chown(below, NOBODY, NOBODY), 0);
        ck_assert_int_eq(chmod(path, 0700), 0);
        directory = open_directory(below);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
                _exit(use_as_nobody(directory, below));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        {
                _cleanup_(layer_store_freep) struct layer_store *store = open_store(directory);
                _cleanup_layers_ struct loaded loaded = load(store);

                ck_assert_uint_eq(loaded.n, 1);
        }
}
END_TEST

static void check_refused(const char *sql, int outcome) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_free_ char *file = path_join(path, "layers.db");
        _cleanup_close_ int directory = open_directory(path);
        struct layer_store *store = NULL;
        sqlite3 *db = NULL;
        int version = -1;

        ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
        ck_assert_int_eq(layer_store_open(directory, &store, &version), outcome);
        ck_assert_ptr_null(store);
}

START_TEST(test_refused) {
        check_refused("CREATE TABLE t (a)", STORE_DAMAGED);
        check_refused("PRAGMA application_id = 0x706d6c79; PRAGMA user_version = 1; CREATE TABLE t (a)", STORE_DAMAGED);
        check_refused("PRAGMA application_id = 0x706d6e74; PRAGMA user_version = 1; CREATE TABLE t (a)", STORE_DAMAGED);
        check_refused("PRAGMA application_id = 0x706d6c79; PRAGMA user_version = 1000; CREATE TABLE t (a)", STORE_NEWER);
}
END_TEST

/* Not through a link that somebody put there. */
START_TEST(test_link) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_free_ char *file = path_join(path, "layers.db"), *target = path_join(path, "target");
        _cleanup_close_ int directory = open_directory(path);
        struct layer_store *store = NULL;
        int version;

        ck_assert_int_eq(symlink(target, file), 0);
        ck_assert_int_lt(layer_store_open(directory, &store, &version), 0);
        ck_assert_int_ne(access(target, F_OK), 0);
}
END_TEST

UNIT_MAIN("layers", test_holders, test_migration, test_kept, test_removed, test_taken_back, test_closed_directories, test_refused, test_link)
