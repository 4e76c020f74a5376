/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opens the store and brackets its changes. The front is the file's only user, so it keeps the lock between
 * transactions, and with it SQLite keeps the index of the write-ahead log in its own memory: a commit then is one
 * write to the log. Small pages, because a record is a few hundred bytes and whole pages are written; a short log,
 * because the transaction that fills it pays for copying it back. What is deleted is not overwritten (Debian's default
 * is to): nothing here is secret from who may read the file, and a pod of 10,000 mounts would be written once more.
 */

#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/journal.h"
#include "store/schema.h"
#include "store/statement.h"
#include "util/log.h"
#include "util/path.h"

enum {
        STORE_BUSY_MS = 2000, /* how long a predecessor may take to let go of the file */
        STORE_JOB_BLOCK_SHIFT = 40,
};

static const char store_file_name[] = "state.db";

/* Before the first access to the file. */
static const char settings_first[] =
        "PRAGMA locking_mode = EXCLUSIVE;"
        "PRAGMA page_size = 1024;"
        "PRAGMA cell_size_check = ON;"
        "PRAGMA trusted_schema = OFF;";

/* Once the file is known to be ours. The sizes are 256 KiB of log and 512 KiB of cache. */
static const char settings_ours[] =
        "PRAGMA journal_mode = WAL;"
        "PRAGMA synchronous = OFF;"
        "PRAGMA foreign_keys = ON;"
        "PRAGMA secure_delete = OFF;"
        "PRAGMA temp_store = MEMORY;"
        "PRAGMA cache_size = -512;"
        "PRAGMA wal_autocheckpoint = 256;"
        "PRAGMA journal_size_limit = 1048576;";

static int run(sqlite3 *db, const char *sql) {
        return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* The outcome of a failed SQLite call while opening. */
static int open_failed(struct store *store, int rc, const char *what) {
        switch (rc & 0xff) {
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
        case SQLITE_ERROR: /* a table or a column is missing */
                log_error("state.db cannot be used (%s): %s", what, sqlite3_errmsg(store->db));
                return STORE_DAMAGED;
        default:
                return log_errno(
                        LOG_ERR, statement_errno(store->db, rc), "state.db (%s): %s", what, sqlite3_errmsg(store->db));
        }
}

/* Makes the file before SQLite would, for its mode. */
static int touch(const char *path) {
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        return fd < 0 ? log_errno(LOG_ERR, errno, "open %s", path) : 0;
}

static int open_file(struct store *store, const char *directory) {
        const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        _cleanup_free_ char *path = path_join(directory, store_file_name);
        int rc, r;

        if (!path)
                return log_oom();
        r = touch(path);
        if (r < 0)
                return r;
        rc = sqlite3_open_v2(path, &store->db, flags, NULL);
        if (rc != SQLITE_OK)
                return log_errno(LOG_ERR, statement_errno(store->db, rc), "open %s", path);
        rc = sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
        if (rc == SQLITE_OK)
                rc = run(store->db, settings_first);
        return rc == SQLITE_OK ? 0 : open_failed(store, rc, "settings");
}

/* SQLite's own look at every page; the file is small. */
static int check_pages(struct store *store) {
        sqlite3_stmt *statement = NULL;
        int rc = sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL), r = 0;

        if (rc == SQLITE_OK)
                rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
                const char *text = (const char *) sqlite3_column_text(statement, 0);

                if (!text || strcmp(text, "ok") != 0) {
                        log_error("state.db is damaged: %s", text ? text : "unknown");
                        r = STORE_DAMAGED;
                }
        } else
                r = open_failed(store, rc, "check");
        (void) sqlite3_finalize(statement); /* repeats the error of the step */
        return r;
}

static int look(struct store *store, int *ret_version) {
        int version, outcome = schema_look(store->db, &version);

        if (outcome < 0)
                return open_failed(store, -outcome, "read");
        if (outcome == SCHEMA_FOREIGN) {
                log_error("state.db is no store of podmount");
                return STORE_DAMAGED;
        }
        *ret_version = version;
        if (outcome == SCHEMA_NEWER) {
                log_error("state.db has schema version %d, newer than this podmountd's %d", version, SCHEMA_VERSION);
                return STORE_NEWER;
        }
        return version > 0 ? check_pages(store) : STORE_OPENED;
}

/* Numbers of this run start where no other run's can have come to. */
static int take_job_block(struct store *store) {
        struct statement statement = statement_use(store, STATEMENT_NEW_BLOCK);
        int block, rc, r = statement_run(&statement);

        if (r < 0)
                return r;
        rc = schema_get_int(store->db, "SELECT job_block FROM daemon", &block);
        if (rc != SQLITE_OK)
                return open_failed(store, rc, "number jobs");
        store->next_job = (uint64_t) block << STORE_JOB_BLOCK_SHIFT;
        return 0;
}

int store_open(const char *directory, struct store **ret, int *ret_version) {
        _cleanup_(store_freep) struct store *store = calloc(1, sizeof(*store));
        int version = 0, rc, r;

        if (!store)
                return log_oom();
        store->file = store_file_name;
        /* The front has one thread and counts no bytes: no lock around each allocation. Refused, and needless, once
         * SQLite is in use. */
        (void) sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
        (void) sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
        r = open_file(store, directory);
        if (r != 0)
                return r;
        r = look(store, &version);
        if (r == STORE_NEWER)
                *ret_version = version;
        if (r != STORE_OPENED)
                return r;
        rc = run(store->db, settings_ours);
        if (rc != SQLITE_OK)
                return open_failed(store, rc, "settings");
        rc = schema_migrate(store->db, version);
        if (rc != SQLITE_OK)
                return open_failed(store, rc, "migrate");
        if (version > 0 && version < SCHEMA_VERSION)
                log_notice("Migrated state.db from schema version %d to %d", version, SCHEMA_VERSION);
        rc = statements_prepare(store);
        if (rc != SQLITE_OK)
                return open_failed(store, rc, "prepare");
        r = journal_open(directory, &store->journal);
        if (r < 0)
                return r;
        store->buried = true; /* by a run that had no time to purge: before anything is loaded */
        do
                r = store_purge(store);
        while (r > 0);
        if (r < 0)
                return r;
        r = take_job_block(store);
        if (r != 0)
                return r;
        *ret_version = version;
        *ret = TAKE_PTR(store);
        return STORE_OPENED;
}

struct store *store_free(struct store *store) {
        if (!store)
                return NULL;
        store_rollback(store);
        statements_done(store);
        store->journal = journal_free(store->journal);
        free(store->ended);
        store_forget_pod(store);
        (void) sqlite3_close(store->db); /* cannot be busy: every statement is gone. Copies the log back */
        free(store);
        return NULL;
}

int store_begin(struct store *store) {
        struct statement statement = statement_use(store, STATEMENT_BEGIN);

        store->failed = 0;
        store->n_ended = 0;
        return statement_run(&statement);
}

int store_commit(struct store *store) {
        struct statement statement = statement_use(store, STATEMENT_COMMIT);
        int r = store->failed;

        if (r == 0)
                r = statement_run(&statement);
        if (r < 0)
                store_rollback(store);
        for (size_t i = 0; r == 0 && i < store->n_ended; i++)
                journal_drop(store->journal, store->ended[i]);
        return r;
}

void store_forget_pod(struct store *store) {
        free(store->last_uuid);
        store->last_uuid = NULL;
}

void store_rollback(struct store *store) {
        struct statement statement;

        store_forget_pod(store); /* it may have come with this transaction */
        /* SQLite ends the transaction by itself after some errors. */
        if (!store->db || sqlite3_get_autocommit(store->db) || !store->statements[STATEMENT_ROLLBACK])
                return;
        statement = statement_use(store, STATEMENT_ROLLBACK);
        (void) statement_run(&statement); /* logged; nothing else can be done, and nothing was committed */
}

int store_end(struct store *store, int r) {
        if (r == 0)
                return store_commit(store);
        store_rollback(store);
        return r;
}

uint64_t store_next_job(struct store *store) {
        return store->next_job++;
}
