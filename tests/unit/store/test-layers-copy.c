/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of another daemon's layers, read from a copy: of each version there was, and what is none. The file itself is not changed. */

#include "store/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "store-dir.h"

/* Each step from version 1 on as it was, frozen; behind it what a daemon of that version wrote. */
static const char version_1[] =
        "CREATE TABLE layer ( number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, parent INTEGER REFERENCES layer (number), owner INTEGER NOT NULL,"
        " owner_group INTEGER NOT NULL, read_write INTEGER NOT NULL, label TEXT, uid_map TEXT, gid_map TEXT, metadata BLOB, state INTEGER NOT NULL,"
        " created_us INTEGER NOT NULL);"
        "CREATE UNIQUE INDEX layer_by_id ON layer (id) WHERE state <> 2;"
        "CREATE INDEX layer_by_parent ON layer (parent);"
        "PRAGMA application_id = 0x706d6c79; PRAGMA user_version = 1;"
        "INSERT INTO layer VALUES (4, 'base', NULL, 0, 0, 0, NULL, NULL, NULL, X'6b00760000', 1, 99);"
        "INSERT INTO layer VALUES (7, 'top', 4, 1000, 100, 1, 'l', '0-1-1', '0-1-1', NULL, 1, 100);";
static const char version_2[] =
        "CREATE TABLE holder ( layer INTEGER NOT NULL REFERENCES layer (number) ON DELETE CASCADE, owner INTEGER NOT NULL, name TEXT NOT NULL,"
        " count INTEGER NOT NULL, PRIMARY KEY (layer, owner, name)) WITHOUT ROWID;"
        "PRAGMA user_version = 2;"
        "INSERT INTO holder VALUES (4, 0, 'h', 3);";
static const char version_3[] =
        "ALTER TABLE layer ADD COLUMN work INTEGER NOT NULL DEFAULT 0; ALTER TABLE layer ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE layer ADD COLUMN inodes INTEGER NOT NULL DEFAULT 0;"
        "PRAGMA user_version = 3;"
        "UPDATE layer SET work = 1, bytes = 512, inodes = 5 WHERE number = 7;";
static const char version_4[] =
        "ALTER TABLE layer ADD COLUMN chain TEXT;"
        "CREATE UNIQUE INDEX layer_by_chain ON layer (owner, chain) WHERE chain IS NOT NULL AND state <> 2;"
        "PRAGMA user_version = 4;"
        "UPDATE layer SET chain = 'sha256:c' WHERE number = 4;";
static const char version_5[] =
        "ALTER TABLE layer ADD COLUMN store TEXT;"
        "DROP INDEX layer_by_id;"
        "CREATE UNIQUE INDEX layer_by_id ON layer (id) WHERE state <> 2 AND store IS NULL;"
        "CREATE UNIQUE INDEX layer_by_store ON layer (store, id, created_us) WHERE store IS NOT NULL;"
        "PRAGMA user_version = 5;"
        "INSERT INTO layer (id, owner, owner_group, read_write, state, created_us, store) VALUES ('else', 0, 0, 0, 1, 5, '/srv/other');"
        "INSERT INTO layer (id, owner, owner_group, read_write, state, created_us, store) VALUES ('base', 0, 0, 0, 1, 6, '/srv/other');";
static const char *const versions[] = {version_1, version_2, version_3, version_4, version_5};

enum { VERSIONS = ELEMENTSOF(versions) };

static void run_sql(const char *file, const char *sql) {
        sqlite3 *db = NULL;
        char *error = NULL;

        ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
        ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &error) == SQLITE_OK, "%s: %s", sql, error);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static char *file_of_version(const char *directory, size_t version) {
        char *file = path_join(directory, "layers.db");

        ck_assert_ptr_nonnull(file);
        run_sql(file, "PRAGMA journal_mode = WAL;");
        for (size_t i = 0; i < version; i++)
                run_sql(file, versions[i]);
        return file;
}

static int open_copy(const char *file, struct layer_store **ret, int *ret_version) {
        _cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return layer_store_open_copy(fd, ret, ret_version);
}

static char *bytes_of(const char *file, size_t *ret_size) {
        _cleanup_fclose_ FILE *stream = fopen(file, "re");
        char *bytes;

        ck_assert_ptr_nonnull(stream);
        ck_assert_int_eq(fseek(stream, 0, SEEK_END), 0);
        *ret_size = (size_t) ftell(stream);
        rewind(stream);
        bytes = malloc(*ret_size);
        ck_assert_uint_eq(fread(bytes, 1, *ret_size, stream), *ret_size);
        return bytes;
}

static void check_records(struct record_layer **layers, size_t n, size_t version) {
        ck_assert_uint_eq(n, version >= 5 ? 4 : 2);
        ck_assert_uint_eq(layers[0]->number, 4);
        ck_assert_str_eq(layers[0]->id, "base");
        ck_assert_str_eq(layers[0]->metadata[1], "v");
        ck_assert_ptr_null(layers[0]->store);
        ck_assert_uint_eq(layers[1]->number, 7);
        ck_assert_uint_eq(layers[1]->parent, 4);
        ck_assert(layers[1]->read_write);
        ck_assert_str_eq(layers[1]->gid_map, "0-1-1");
        ck_assert_int_eq(layers[1]->work, version >= 3 ? RECORD_LAYER_APPLYING : RECORD_LAYER_IDLE);
        ck_assert_uint_eq(layers[1]->bytes, version >= 3 ? 512 : 0);
        ck_assert_uint_eq(layers[1]->inodes, version >= 3 ? 5 : 0);
        ck_assert_ptr_null(layers[1]->chain);
        ck_assert_int_eq(layers[0]->chain != NULL, version >= 4);
        if (version >= 5) {
                ck_assert_str_eq(layers[2]->store, "/srv/other");
                ck_assert_uint_gt(layers[2]->number, 7);
                ck_assert_str_eq(layers[3]->id, "base"); /* one of our own may have the id, too */
        }
}

static void check_version(size_t version) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_free_ char *file = file_of_version(directory, version), *before = NULL, *after = NULL;
        _cleanup_(layer_store_freep) struct layer_store *store = NULL;
        struct record_layer **layers = NULL;
        struct record_holder *holders = NULL;
        size_t n = 0, n_holders = 0, size, size_after;
        int had = 0;

        before = bytes_of(file, &size);
        ck_assert_int_eq(open_copy(file, &store, &had), STORE_OPENED);
        ck_assert_int_eq(had, (int) version);
        ck_assert_int_eq(layer_store_load(store, &layers, &n), 0);
        check_records(layers, n, version);
        ck_assert_int_eq(layer_store_load_holders(store, &holders, &n_holders), 0);
        ck_assert_uint_eq(n_holders, version >= 2);
        record_holders_free(holders, n_holders);
        for (size_t i = 0; i < n; i++)
                record_layer_free(layers[i]);
        free(layers);
        after = bytes_of(file, &size_after);
        ck_assert(size == size_after && memcmp(before, after, size) == 0);
}

/* By a copy, which is migrated in memory… */
START_TEST(test_versions) {
        for (size_t version = 1; version <= VERSIONS; version++)
                check_version(version);
}
END_TEST

/* …and of our own, on the disk, where it is a store of this version from then on. */
START_TEST(test_own) {
        for (size_t version = 1; version <= VERSIONS; version++) {
                _cleanup_store_dir_ char *directory = store_dir_new();
                _cleanup_free_ char *file = file_of_version(directory, version);
                _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                ck_assert_ptr_nonnull(file);
                for (int again = 0; again < 2; again++) {
                        _cleanup_(layer_store_freep) struct layer_store *store = NULL;
                        struct record_layer **layers = NULL;
                        size_t n = 0;
                        int had = 0;

                        ck_assert_int_eq(layer_store_open(fd, &store, &had), STORE_OPENED);
                        ck_assert_int_eq(had, again ? VERSIONS : (int) version);
                        ck_assert_int_eq(layer_store_load(store, &layers, &n), 0);
                        check_records(layers, n, version);
                        for (size_t i = 0; i < n; i++)
                                record_layer_free(layers[i]);
                        free(layers);
                }
        }
}
END_TEST

/* What stands for a layer of a store has its id beside one of our own, once for each store, id and time. */
START_TEST(test_stands_for) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct record_layer own = {.id = (char *) "x", .state = RECORD_LAYER_READY, .created_us = 1},
                            one = {.id = (char *) "x", .state = RECORD_LAYER_READY, .created_us = 1, .store = (char *) "/a"},
                            other = {.id = (char *) "x", .state = RECORD_LAYER_READY, .created_us = 1, .store = (char *) "/b"},
                            later = {.id = (char *) "x", .state = RECORD_LAYER_READY, .created_us = 2, .store = (char *) "/a"}, twice = one;
        _cleanup_(layer_store_freep) struct layer_store *store = NULL;
        int version;

        ck_assert_int_eq(layer_store_open(fd, &store, &version), STORE_OPENED);
        ck_assert_int_eq(layer_store_add(store, &own), 0);
        ck_assert_int_eq(layer_store_add(store, &one), 0);
        ck_assert_int_eq(layer_store_add(store, &other), 0);
        ck_assert_int_eq(layer_store_add(store, &later), 0);
        ck_assert_int_lt(layer_store_add(store, &twice), 0);
        ck_assert(own.number < one.number && one.number < other.number && other.number < later.number);
}
END_TEST

static void refused(const char *file, int outcome) {
        struct layer_store *store = NULL;
        int version = 0, r = open_copy(file, &store, &version);

        ck_assert_msg(r == outcome, "%d instead of %d", r, outcome);
        ck_assert_ptr_null(store);
}

START_TEST(test_refused) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_free_ char *file = file_of_version(directory, VERSIONS);
        struct layer_store *store = NULL;
        int version, fd;

        run_sql(file, "PRAGMA user_version = 1000;");
        refused(file, STORE_NEWER);
        run_sql(file, "PRAGMA user_version = 5; PRAGMA application_id = 1;");
        refused(file, STORE_DAMAGED);
        run_sql(file, "PRAGMA application_id = 0x706d6c79; PRAGMA user_version = 0;");
        refused(file, STORE_DAMAGED);
        run_sql(file, "PRAGMA user_version = 1; DROP TABLE holder;"); /* older than what is in it */
        refused(file, STORE_DAMAGED);
        run_sql(file, "PRAGMA user_version = 5; DROP TABLE layer;");
        refused(file, STORE_DAMAGED);
        ck_assert_int_eq(truncate(file, 1500), 0);
        refused(file, STORE_DAMAGED);
        ck_assert_int_eq(truncate(file, 99), 0);
        refused(file, STORE_DAMAGED);
        ck_assert_int_eq(truncate(file, (off_t) LAYERS_COPY_MAX + 1), 0);
        refused(file, -EFBIG);
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_eq(layer_store_open_copy(fd, &store, &version), STORE_DAMAGED);
        (void) close_fd(fd);
}
END_TEST

/* States and numbers that no podmountd writes. */
START_TEST(test_values) {
        static const char *const changes[] = {
                "UPDATE layer SET state = 9", "UPDATE layer SET work = -1", "UPDATE layer SET owner = -5", "UPDATE layer SET read_write = 2",
                "UPDATE layer SET metadata = X'6b'", "UPDATE layer SET state = 'text'",
        };

        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                _cleanup_store_dir_ char *directory = store_dir_new();
                _cleanup_free_ char *file = file_of_version(directory, VERSIONS);
                _cleanup_(layer_store_freep) struct layer_store *store = NULL;
                struct record_layer **layers = NULL;
                size_t n = 0;
                int version;

                run_sql(file, changes[i]);
                ck_assert_int_eq(open_copy(file, &store, &version), STORE_OPENED);
                ck_assert_msg(layer_store_load(store, &layers, &n) == -EBADMSG, "%s is taken", changes[i]);
        }
}
END_TEST

/* A table of the same columns that promises less: a name that is not there ends it, before anything looks at them. */
START_TEST(test_no_name) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_free_ char *file = file_of_version(directory, VERSIONS);
        _cleanup_(layer_store_freep) struct layer_store *store = NULL;
        struct record_layer **layers = NULL;
        size_t n = 0;
        int version;

        run_sql(file, "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'id TEXT NOT NULL', 'id TEXT') WHERE name = 'layer';");
        run_sql(file, "UPDATE layer SET id = NULL WHERE number = 4;");
        ck_assert_int_eq(open_copy(file, &store, &version), STORE_OPENED);
        ck_assert_int_eq(layer_store_load(store, &layers, &n), -EBADMSG);
}
END_TEST

UNIT_MAIN("layers-copy", test_versions, test_own, test_stands_for, test_refused, test_values, test_no_name)
