/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The statements of a store, prepared once and kept; every value is bound. A statement is filled with
 * statement_bind_*() in the order of its parameters, then run or read row by row.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

enum statement_kind {
        STATEMENT_BEGIN,
        STATEMENT_COMMIT,
        STATEMENT_ROLLBACK,
        STATEMENT_NEW_BLOCK,
        STATEMENT_PUT_POD,
        STATEMENT_SET_STATE,
        STATEMENT_SET_LEASE,
        STATEMENT_DELETE_POD,
        STATEMENT_HAS_MANY,
        STATEMENT_BURY_POD,
        STATEMENT_FIND_BURIED,
        STATEMENT_PURGE_MOUNTS,
        STATEMENT_PURGE_POD,
        STATEMENT_FIND_POD,
        STATEMENT_ADD_MOUNT,
        STATEMENT_SET_MOUNT,
        STATEMENT_DELETE_MOUNT,
        STATEMENT_PUT_INTENT,
        STATEMENT_DELETE_INTENT,
        STATEMENT_LOAD_PODS,
        STATEMENT_LOAD_MOUNTS,
        STATEMENT_LOAD_INTENTS,
        STATEMENT_PUT_CGROUP,
        STATEMENT_DELETE_CGROUP,
        STATEMENT_LOAD_CGROUPS,
        STATEMENT_HISTORY_OTHERS,
        STATEMENT_HISTORY_COUNT,
        STATEMENT_HISTORY_COUNT_GONE,
        STATEMENT_HISTORY_PUT,
        STATEMENT_HISTORY_END,
        STATEMENT_HISTORY_PRUNE,
        STATEMENT_HISTORY_FIND,
        STATEMENT_HISTORY_LOAD,
        _STATEMENT_MAX,
};

enum { STORE_PURGE_ROWS = 256 /* deleted at once: about a millisecond */ };

struct store {
        const char *file; /* its name, for messages */
        sqlite3 *db;
        sqlite3_stmt *statements[_STATEMENT_MAX];
        uint64_t next_job;
        char *last_uuid;     /* the pod looked up last, NULL for none: mounts of one come in rows… */
        int64_t last_number; /* …and this is its key */
        bool buried;         /* deleted pods may have mounts that are still to be deleted */
        struct journal *journal;
        uint64_t *ended;     /* jobs in the journal that this transaction deletes */
        size_t n_ended;
        int failed; /* the first error within the transaction: it can only be rolled back */
};

/* Forgets the pod looked up last, which may be gone. */
void store_forget_pod(struct store *store);

/* Prepares all of them. An SQLite result code. */
int statements_prepare(struct store *store);
void statements_done(struct store *store);

/* A statement that is being filled or read. */
struct statement {
        struct store *store;
        sqlite3_stmt *handle;
        int index; /* of the parameter bound last; of the column read next */
        int error; /* the first SQLite error of binding; -EBADMSG once a column held what no store writes */
};

/* Takes a prepared statement to be filled: one bind for each parameter in their order, errors kept in `error`. */
struct statement statement_use(struct store *store, enum statement_kind kind);
void statement_bind_int(struct statement *statement, int64_t value);
void statement_bind_u64(struct statement *statement, uint64_t value);
void statement_bind_text(struct statement *statement, const char *text); /* NULL as NULL; must outlive the run */
void statement_bind_strv(struct statement *statement, char *const *strv);

/* Runs a statement that gives no rows, and makes it ready for the next use. A negative errno, logged. */
int statement_run(struct statement *statement);

/* The next row: 1, 0 at the end, or a negative errno, logged. Whoever stops before calls statement_end(). */
int statement_next(struct statement *statement);
void statement_end(struct statement *statement);

/* Columns from left to right. A value out of its range sets the statement's error and is read as 0. */
int64_t statement_int(struct statement *statement);
uint64_t statement_u64(struct statement *statement);
uint32_t statement_u32(struct statement *statement);
bool statement_bool(struct statement *statement);
unsigned statement_enum(struct statement *statement, unsigned max);
int statement_text(struct statement *statement, char **ret); /* owned by the caller; NULL for NULL; -ENOMEM */
int statement_name(struct statement *statement, char **ret); /* the same of one that has to be there: "" for NULL, and -EBADMSG in the end */
int statement_strv(struct statement *statement, char ***ret); /* likewise */

/* What an SQLite result code is as a negative errno: -ENOSPC for a full disk, -ENOMEM, -EBUSY, -EIO else. */
int statement_errno(sqlite3 *db, int rc);
