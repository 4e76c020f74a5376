/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The file format of state.db: an SQLite database with application_id "pmnt" and the schema version in user_version.
 *
 *     daemon   one row. job_block: counts the starts; jobs are numbered from job_block << 40
 *     pod      number: the key within this file. A row a pod, in the order of creation. A uuid that is a "~" and the
 *              number: the pod is deleted, its mounts are about to be
 *     mount    a row a mount that podmount made or keeps an eye on, in the order of making (row)
 *     intent   a row a job that was begun and whose end is not recorded yet
 *     cgroup   a row a cgroup of a pod's, also of one that is gone
 *     history_pod  a row a pod, that lives or is gone (gone_us, 0 else), of which there is history; n_rows: how many rows there
 *              ever were
 *     history  what was done to it: a ring of 128 rows, by slot; row: the how manieth it was
 *
 * Numbers without sign (ids, devices, attributes) are kept as the signed ones of the same bits. Lists of strings are
 * blobs, each string with a NUL behind it; NULL where there is no list. Booleans are 0 or 1, state and verb the values
 * of enum record_state and enum record_verb. Text holds the bytes that the kernel or the client gave.
 *
 * Version 1 was the first. Version 2 added pod.lease, and mount.source_key, made_file, ground_free and ground_caller.
 * Version 3 added mount.root and mount.point, version 4 mount.job, version 5 mount.namespace,
 * version 6 pod.directories (record-directory.c), version 7 mount.fs_options,
 * version 8 the container of each of pod.directories, version 9 what pod.lease hangs on, version 10 the history, version 11 pod.gc
 * (record-gc.c), version 12 pod.private, version 13 pod.links (record-link.c), version 14 cgroup.
 * A file is always made as version 1 and brought forward, so that a new one and a migrated one are the same. A step
 * that is part of a release is never changed; what comes later is a step of its own.
 */

#include "store/schema.h"

static const char step_1[] =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE daemon (job_block INTEGER NOT NULL);"
        "INSERT INTO daemon VALUES (0);"
        "CREATE TABLE pod ("
        " number INTEGER PRIMARY KEY,"
        " uuid TEXT NOT NULL UNIQUE,"
        " name TEXT,"
        " owner INTEGER NOT NULL,"
        " owner_group INTEGER NOT NULL,"
        " state INTEGER NOT NULL,"
        " created_us INTEGER NOT NULL,"
        " spec TEXT,"
        " reason TEXT,"
        " containers BLOB,"
        " warnings BLOB);"
        "CREATE TABLE mount ("
        " row INTEGER PRIMARY KEY,"
        " pod INTEGER NOT NULL REFERENCES pod (number) ON DELETE CASCADE,"
        " id INTEGER NOT NULL,"
        " mount_id INTEGER NOT NULL,"
        " container TEXT NOT NULL,"
        " target TEXT NOT NULL,"
        " source TEXT,"
        " type TEXT,"
        " options BLOB,"
        " request TEXT,"
        " device INTEGER NOT NULL,"
        " attributes INTEGER NOT NULL,"
        " propagation INTEGER NOT NULL,"
        " made INTEGER NOT NULL,"
        " nested INTEGER NOT NULL,"
        " deferred INTEGER NOT NULL);"
        "CREATE INDEX mount_of_pod ON mount (pod);"
        "CREATE TABLE intent ("
        " job INTEGER PRIMARY KEY,"
        " uuid TEXT NOT NULL,"
        " verb INTEGER NOT NULL,"
        " lazy INTEGER NOT NULL,"
        " detail TEXT);"
        "PRAGMA application_id = 0x706d6e74;"
        "PRAGMA user_version = 1;"
        "COMMIT;";

/* What version 1 did not know is what it could not have done: no lease, no empty files as mount points, and no ground
 * that is known to take new mount points. */
static const char step_2[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE pod ADD COLUMN lease TEXT;"
        "ALTER TABLE mount ADD COLUMN source_key TEXT;"
        "ALTER TABLE mount ADD COLUMN made_file INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE mount ADD COLUMN ground_free INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE mount ADD COLUMN ground_caller INTEGER NOT NULL DEFAULT 0;"
        "PRAGMA user_version = 2;"
        "COMMIT;";

/* Neither was written down before: a mount counts as not seen yet. */
static const char step_3[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE mount ADD COLUMN root TEXT;"
        "ALTER TABLE mount ADD COLUMN point TEXT;"
        "PRAGMA user_version = 3;"
        "COMMIT;";

/* Whose intents were all in this file, so that none outlives what it was about. */
static const char step_4[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE mount ADD COLUMN job INTEGER NOT NULL DEFAULT 0;"
        "PRAGMA user_version = 4;"
        "COMMIT;";

/* There were no mounts in the namespaces of containers. */
static const char step_5[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE mount ADD COLUMN namespace INTEGER NOT NULL DEFAULT 0;"
        "PRAGMA user_version = 5;"
        "COMMIT;";

/* Nothing was made before but mount points. */
static const char step_6[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE pod ADD COLUMN directories BLOB;"
        "PRAGMA user_version = 6;"
        "COMMIT;";

/* As for version 3. */
static const char step_7[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE mount ADD COLUMN fs_options TEXT;"
        "PRAGMA user_version = 7;"
        "COMMIT;";

/* Those that were written before are read as they are: they belong to the pod as a whole. */
static const char step_8[] =
        "BEGIN IMMEDIATE;"
        "PRAGMA user_version = 8;"
        "COMMIT;";

/* A pod had no lease that could end. */
static const char step_9[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE pod ADD COLUMN lease_pid INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE pod ADD COLUMN lease_start INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE pod ADD COLUMN lease_until INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE pod ADD COLUMN lease_ended TEXT;"
        "PRAGMA user_version = 9;"
        "COMMIT;";

/* Nothing was written down of what had been done. */
static const char step_10[] =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE history_pod ("
        " number INTEGER PRIMARY KEY,"
        " uuid TEXT NOT NULL UNIQUE,"
        " name TEXT,"
        " owner INTEGER NOT NULL,"
        " n_rows INTEGER NOT NULL,"
        " gone_us INTEGER NOT NULL);"
        "CREATE INDEX history_gone ON history_pod (owner, gone_us);"
        "CREATE TABLE history ("
        " pod INTEGER NOT NULL REFERENCES history_pod (number) ON DELETE CASCADE,"
        " slot INTEGER NOT NULL,"
        " row INTEGER NOT NULL,"
        " time_us INTEGER NOT NULL,"
        " event TEXT NOT NULL,"
        " uid INTEGER NOT NULL,"
        " unit TEXT,"
        " mount INTEGER NOT NULL,"
        " target TEXT,"
        " action TEXT,"
        " outcome TEXT,"
        " detail TEXT,"
        " PRIMARY KEY (pod, slot)) WITHOUT ROWID;"
        "PRAGMA user_version = 10;"
        "COMMIT;";

/* No pod had a gc program. */
static const char step_11[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE pod ADD COLUMN gc BLOB;"
        "PRAGMA user_version = 11;"
        "COMMIT;";

/* Every pod was in the host's mount namespace. */
static const char step_12[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE pod ADD COLUMN private INTEGER NOT NULL DEFAULT 0;"
        "PRAGMA user_version = 12;"
        "COMMIT;";

/* No pod had network interfaces. */
static const char step_13[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE pod ADD COLUMN links BLOB;"
        "PRAGMA user_version = 13;"
        "COMMIT;";

/* No pod had cgroups. */
static const char step_14[] =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE cgroup ("
        " row INTEGER PRIMARY KEY,"
        " uuid TEXT NOT NULL,"
        " name TEXT NOT NULL,"
        " parent TEXT NOT NULL,"
        " path TEXT,"
        " made INTEGER NOT NULL,"
        " step INTEGER NOT NULL,"
        " UNIQUE (name, parent));"
        "PRAGMA user_version = 14;"
        "COMMIT;";

/* From the version of its index to the next. */
static const char *const steps[SCHEMA_VERSION] = {step_1, step_2, step_3, step_4, step_5, step_6, step_7, step_8, step_9, step_10, step_11, step_12, step_13, step_14};

int schema_get_int(sqlite3 *db, const char *sql, int *ret) {
        sqlite3_stmt *statement = NULL;
        int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

        if (rc == SQLITE_OK) {
                rc = sqlite3_step(statement);
                if (rc == SQLITE_ROW) {
                        *ret = sqlite3_column_int(statement, 0);
                        rc = SQLITE_OK;
                } else if (rc == SQLITE_DONE)
                        rc = SQLITE_CORRUPT;
        }
        (void) sqlite3_finalize(statement); /* repeats the error of the step */
        return rc;
}

int schema_look(sqlite3 *db, int *ret_version) {
        int application_id, version, tables;
        int rc = schema_get_int(db, "PRAGMA application_id", &application_id);

        if (rc == SQLITE_OK)
                rc = schema_get_int(db, "PRAGMA user_version", &version);
        if (rc == SQLITE_OK)
                rc = schema_get_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
        if (rc != SQLITE_OK)
                return -rc;
        if (application_id == 0 && version == 0 && tables == 0) {
                *ret_version = 0;
                return SCHEMA_OURS;
        }
        if (application_id != SCHEMA_APPLICATION_ID || version < 1)
                return SCHEMA_FOREIGN;
        *ret_version = version;
        return version > SCHEMA_VERSION ? SCHEMA_NEWER : SCHEMA_OURS;
}

int schema_migrate(sqlite3 *db, int version) {
        for (int i = version; i < SCHEMA_VERSION; i++) {
                int rc = sqlite3_exec(db, steps[i], NULL, NULL, NULL);

                if (rc != SQLITE_OK) {
                        if (!sqlite3_get_autocommit(db))
                                (void) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* the first error is told */
                        return rc;
                }
        }
        return SQLITE_OK;
}
