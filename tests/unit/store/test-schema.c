/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files of another time or of somebody else: migrated, or refused without a change. */

#include "store/schema.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "store-dir.h"

/* A store of version 1 as the first podmountd wrote it; frozen, whatever becomes of the code. */
static const char version_1[] =
        "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL;"
        "CREATE TABLE daemon (job_block INTEGER NOT NULL);"
        "INSERT INTO daemon VALUES (5);"
        "CREATE TABLE pod ( number INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, name TEXT, owner INTEGER NOT NULL,"
        " owner_group INTEGER NOT NULL, state INTEGER NOT NULL, created_us INTEGER NOT NULL, spec TEXT, reason TEXT,"
        " containers BLOB, warnings BLOB);"
        "INSERT INTO pod VALUES (1, '0123abcd-4567-89ab-cdef-0123456789ab', 'old', 1000, 100, 1, 99, '{}', NULL,"
        " X'6d61696e00', NULL);"
        "CREATE TABLE mount ( row INTEGER PRIMARY KEY, pod INTEGER NOT NULL REFERENCES pod (number) ON DELETE CASCADE,"
        " id INTEGER NOT NULL, mount_id INTEGER NOT NULL, container TEXT NOT NULL, target TEXT NOT NULL, source TEXT,"
        " type TEXT, options BLOB, request TEXT, device INTEGER NOT NULL, attributes INTEGER NOT NULL,"
        " propagation INTEGER NOT NULL, made INTEGER NOT NULL, nested INTEGER NOT NULL, deferred INTEGER NOT NULL);"
        "INSERT INTO mount VALUES (4, 1, 7, 8, 'main', '/data', '/srv', 'bind', X'726f006e6f7375696400', '{}', 9, 6,"
        " 1048576, 2, 1, 0);"
        "CREATE INDEX mount_of_pod ON mount (pod);"
        "CREATE TABLE intent ( job INTEGER PRIMARY KEY, uuid TEXT NOT NULL, verb INTEGER NOT NULL,"
        " lazy INTEGER NOT NULL, detail TEXT);"
        "INSERT INTO intent VALUES (12, '0123abcd-4567-89ab-cdef-0123456789ab', 1, 0, NULL);"
        "PRAGMA application_id = 0x706d6e74; PRAGMA user_version = 1;";

static void check_outcome(const char *directory, int outcome) {
        struct store *store = NULL;
        int version = -1;

        ck_assert_int_eq(store_open(directory, &store, &version), outcome);
        ck_assert_ptr_null(store);
}

START_TEST(test_migration) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = NULL;
        _cleanup_loaded_ struct store_dir_loaded loaded = {};
        struct record_mount *mount;
        int version = -1;

        store_dir_sql(directory, version_1);
        ck_assert_int_eq(store_open(directory, &store, &version), STORE_OPENED);
        ck_assert_int_eq(version, 1);
        ck_assert_uint_gt(store_next_job(store), 5ULL << 40);
        loaded = store_dir_load(store);
        ck_assert_uint_eq(loaded.n_pods, 1);
        ck_assert_str_eq(loaded.pods[0]->name, "old");
        ck_assert_int_eq(loaded.pods[0]->state, RECORD_READY);
        ck_assert_ptr_null(loaded.pods[0]->lease);
        ck_assert_str_eq(loaded.pods[0]->containers[0], "main");
        ck_assert_ptr_null(loaded.pods[0]->warnings);
        ck_assert_ptr_null(loaded.pods[0]->gc.path);
        ck_assert_uint_eq(loaded.pods[0]->n_mounts, 1);
        mount = &loaded.pods[0]->mounts[0];
        ck_assert_int_eq(mount->row, 4);
        ck_assert_uint_eq(mount->id, 7);
        ck_assert_str_eq(mount->options[1], "nosuid");
        ck_assert_uint_eq(mount->made, 2);
        ck_assert(mount->nested && !mount->made_file && !mount->ground_free && !mount->ground_caller);
        ck_assert_ptr_null(mount->source_key);
        ck_assert_ptr_null(mount->root);
        ck_assert_ptr_null(mount->point);
        ck_assert_ptr_null(mount->fs_options);
        ck_assert_uint_eq(loaded.intents[0].job, 12);

        /* It is a store like any other now. */
        mount->made_file = true;
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_mount(store, loaded.pods[0]->uuid, mount), 0);
        ck_assert_int_eq(store_commit(store), 0);
        store = store_free(store);
        ck_assert_int_eq(store_open(directory, &store, &version), STORE_OPENED);
        ck_assert_int_eq(version, SCHEMA_VERSION);
}
END_TEST

/* The columns of every table, in order, as text that the caller owns. */
static char *columns(const char *directory) {
        _cleanup_free_ char *path = path_join(directory, "state.db");
        sqlite3_stmt *statement;
        sqlite3 *db;
        char *text;

        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        ck_assert_int_eq(sqlite3_prepare_v2(db,
                                 "SELECT group_concat(m.name || '.' || c.name || ' ' || c.type || c.\"notnull\""
                                 " || coalesce(c.dflt_value, '-') || c.pk, ';')"
                                 " FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'",
                                 -1, &statement, NULL),
                SQLITE_OK);
        ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
        text = strdup((const char *) sqlite3_column_text(statement, 0));
        ck_assert_int_eq(sqlite3_finalize(statement), SQLITE_OK);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
        return text;
}

START_TEST(test_new_and_migrated_are_the_same) {
        _cleanup_store_dir_ char *fresh = store_dir_new(), *old = store_dir_new();
        _cleanup_free_ char *of_fresh = NULL, *of_old = NULL;
        struct store *store = NULL;
        int version = -1;

        ck_assert_int_eq(store_open(fresh, &store, &version), STORE_OPENED);
        ck_assert_int_eq(version, 0);
        store_free(store);
        store_dir_sql(old, version_1);
        store_free(store_dir_open(old));
        of_fresh = columns(fresh);
        of_old = columns(old);
        ck_assert_str_eq(of_fresh, of_old);
        ck_assert_ptr_nonnull(strstr(of_fresh, "mount.ground_caller"));
        ck_assert_ptr_nonnull(strstr(of_fresh, "mount.job"));
}
END_TEST

/* A first start that was killed before the first step leaves a file without tables. */
START_TEST(test_made_and_not_filled) {
        _cleanup_store_dir_ char *directory = store_dir_new();

        store_dir_sql(directory, "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL;");
        store_free(store_dir_open(directory));
        store_free(store_dir_open(directory));
}
END_TEST

START_TEST(test_newer) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        struct store *store = NULL;
        int version = -1;

        store_free(store_dir_open(directory));
        store_dir_sql(directory, "PRAGMA user_version = 1000; CREATE TABLE future (x); INSERT INTO future VALUES (1);");
        ck_assert_int_eq(store_open(directory, &store, &version), STORE_NEWER);
        ck_assert_int_eq(version, 1000);
        ck_assert_ptr_null(store);
        store_dir_sql(directory, "INSERT INTO future SELECT job_block FROM daemon; PRAGMA user_version = 14;");
        store_free(store_dir_open(directory)); /* it was left as it was */
}
END_TEST

START_TEST(test_foreign) {
        _cleanup_store_dir_ char *other = store_dir_new(), *tables = store_dir_new(), *bare = store_dir_new();

        store_dir_sql(other, "CREATE TABLE pod (x); PRAGMA application_id = 1; PRAGMA user_version = 1;");
        check_outcome(other, STORE_DAMAGED);
        store_dir_sql(tables, "CREATE TABLE something (x);");
        check_outcome(tables, STORE_DAMAGED);
        store_dir_sql(bare, "CREATE TABLE pod (x); PRAGMA application_id = 0x706d6e74; PRAGMA user_version = 7;");
        check_outcome(bare, STORE_DAMAGED); /* says that it is ours, but has not our tables */
}
END_TEST

static void overwrite(const char *directory, long offset, size_t size, int byte) {
        _cleanup_free_ char *path = path_join(directory, "state.db");
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        for (size_t i = 0; i < size; i++) {
                unsigned char value = (unsigned char) (byte < 0 ? (int) (i * 37 + 11) : byte);

                ck_assert_int_eq(pwrite(fd, &value, 1, offset + (long) i), 1);
        }
}

static void make_filled(const char *directory) {
        store_dir_sql(directory, version_1);
        store_dir_sql(directory,
                "WITH RECURSIVE n (x) AS (SELECT 100 UNION ALL SELECT x + 1 FROM n WHERE x < 2000)"
                " INSERT INTO mount SELECT x, 1, x, 8, 'main', '/data/' || x, '/srv', 'bind', NULL, '{}', 9, 6, 1, 2,"
                " 1, 0 FROM n;");
}

START_TEST(test_damaged) {
        _cleanup_store_dir_ char *noise = store_dir_new(), *head = store_dir_new(), *page = store_dir_new(),
                                 *cut = store_dir_new();
        _cleanup_free_ char *path = NULL, *middle = NULL;
        struct stat st;

        overwrite(noise, 0, 5000, -1);
        check_outcome(noise, STORE_DAMAGED);

        make_filled(head);
        overwrite(head, 0, 16, 'x');
        check_outcome(head, STORE_DAMAGED);

        make_filled(page);
        middle = path_join(page, "state.db");
        ck_assert_int_eq(stat(middle, &st), 0);
        overwrite(page, st.st_size / 2 / 1024 * 1024, 1024, 0xa5); /* one page of records */
        check_outcome(page, STORE_DAMAGED);

        make_filled(cut);
        path = path_join(cut, "state.db");
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(truncate(path, st.st_size / 2 / 1024 * 1024), 0);
        check_outcome(cut, STORE_DAMAGED);
}
END_TEST

/* Values that no podmountd writes are not believed. */
static void check_not_believed(const char *sql, int error) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = NULL;
        struct record_pod **pods = NULL;
        struct record_intent *intents = NULL;
        size_t n_pods, n_intents;

        store_dir_sql(directory, version_1);
        store_dir_sql(directory, sql);
        store = store_dir_open(directory);
        ck_assert_int_eq(store_load(store, &pods, &n_pods, &intents, &n_intents), error);
        ck_assert_ptr_null(pods);
        ck_assert_ptr_null(intents);
}

START_TEST(test_values_out_of_range) {
        check_not_believed("UPDATE pod SET state = 4", -EBADMSG);
        check_not_believed("UPDATE pod SET owner = -1", -EBADMSG);
        check_not_believed("UPDATE pod SET owner = 'root'", -EBADMSG);
        check_not_believed("UPDATE pod SET containers = X'6d61'", -EBADMSG);
        check_not_believed("UPDATE mount SET nested = 2", -EBADMSG);
        check_not_believed("UPDATE mount SET made = 4294967296", -EBADMSG);
        check_not_believed("UPDATE mount SET pod = 9", -EBADMSG);
        check_not_believed("UPDATE intent SET verb = 10", -EBADMSG);
}
END_TEST

/* Tables of the same columns that promise less: what has to be called something, and is not, is no record. */
START_TEST(test_no_names) {
        static const char *const rows[][3] = {
                {"pod", "uuid TEXT NOT NULL UNIQUE", "uuid"}, {"mount", "container TEXT NOT NULL", "container"},
                {"mount", "target TEXT NOT NULL", "target"}, {"intent", "uuid TEXT NOT NULL", "uuid"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_store_dir_ char *directory = store_dir_new();
                _cleanup_(store_freep) struct store *store = NULL;
                _cleanup_free_ char *promise = NULL, *update = NULL;
                struct store_dir_loaded loaded = {};
                int version;

                store_dir_sql(directory, version_1);
                store_free(store_dir_open(directory));
                ck_assert_int_gt(asprintf(&promise, "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '%s', '%s TEXT%s') WHERE name = '%s';",
                                         rows[i][1], rows[i][2], i == 0 ? " UNIQUE" : "", rows[i][0]), 0);
                store_dir_sql(directory, promise);
                ck_assert_int_gt(asprintf(&update, "UPDATE %s SET %s = NULL;", rows[i][0], rows[i][2]), 0);
                store_dir_sql(directory, update);
                ck_assert_int_eq(store_open(directory, &store, &version), STORE_OPENED);
                ck_assert_msg(store_load(store, &loaded.pods, &loaded.n_pods, &loaded.intents, &loaded.n_intents) == -EBADMSG, "%s of %s", rows[i][2], rows[i][0]);
        }
}
END_TEST

UNIT_MAIN("schema", test_migration, test_new_and_migrated_are_the_same, test_made_and_not_filled, test_newer,
        test_foreign, test_damaged, test_values_out_of_range, test_no_names)
