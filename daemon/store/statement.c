/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The SQL of the store, all of it but the schema's, and how values go in and come out. */

#include "store/statement.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/log.h"

static const char *const statement_sql[_STATEMENT_MAX] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_ROLLBACK] = "ROLLBACK",
        [STATEMENT_NEW_BLOCK] = "UPDATE daemon SET job_block = job_block + 1",
        [STATEMENT_PUT_POD] = "INSERT INTO pod (uuid, name, owner, owner_group, state, created_us, spec, lease, reason,"
                              " containers, warnings, directories, lease_pid, lease_start, lease_until, lease_ended, gc, private, links)"
                              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                              " ON CONFLICT (uuid) DO UPDATE SET name = excluded.name, owner = excluded.owner,"
                              " owner_group = excluded.owner_group, state = excluded.state,"
                              " created_us = excluded.created_us, spec = excluded.spec, lease = excluded.lease,"
                              " reason = excluded.reason, containers = excluded.containers,"
                              " warnings = excluded.warnings, directories = excluded.directories, lease_pid = excluded.lease_pid,"
                              " lease_start = excluded.lease_start, lease_until = excluded.lease_until,"
                              " lease_ended = excluded.lease_ended, gc = excluded.gc, private = excluded.private, links = excluded.links",
        [STATEMENT_SET_STATE] = "UPDATE pod SET state = ?, reason = ? WHERE uuid = ?",
        [STATEMENT_SET_LEASE] = "UPDATE pod SET lease_pid = ?, lease_start = ?, lease_until = ?, lease_ended = ? WHERE uuid = ?",
        [STATEMENT_DELETE_POD] = "DELETE FROM pod WHERE uuid = ?",
        [STATEMENT_HAS_MANY] = "SELECT 1 FROM mount WHERE pod = ? LIMIT 1 OFFSET ?",
        [STATEMENT_BURY_POD] = "UPDATE pod SET uuid = '~' || number, name = NULL WHERE number = ?",
        [STATEMENT_FIND_BURIED] = "SELECT number FROM pod WHERE uuid >= '~' LIMIT 1",
        [STATEMENT_PURGE_MOUNTS] = "DELETE FROM mount WHERE row IN (SELECT row FROM mount WHERE pod = ? LIMIT ?)",
        [STATEMENT_PURGE_POD] = "DELETE FROM pod WHERE number = ?",
        [STATEMENT_FIND_POD] = "SELECT number FROM pod WHERE uuid = ?",
        [STATEMENT_ADD_MOUNT] = "INSERT INTO mount (pod, id, mount_id, container, target, source, type, options,"
                                " request, source_key, root, point, fs_options, device, job, attributes, propagation,"
                                " made, made_file, nested, deferred, ground_free, ground_caller, namespace)"
                                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_SET_MOUNT] = "UPDATE mount SET pod = ?, id = ?, mount_id = ?, container = ?, target = ?, source = ?,"
                                " type = ?, options = ?, request = ?, source_key = ?, root = ?, point = ?,"
                                " fs_options = ?, device = ?,"
                                " job = ?, attributes = ?, propagation = ?, made = ?, made_file = ?, nested = ?, deferred = ?, ground_free = ?,"
                                " ground_caller = ?, namespace = ?"
                                " WHERE pod = ?1 AND row = ?",
        [STATEMENT_DELETE_MOUNT] = "DELETE FROM mount WHERE pod = ? AND row = ?",
        [STATEMENT_PUT_INTENT] = "INSERT INTO intent (job, uuid, verb, lazy, detail) VALUES (?, ?, ?, ?, ?)"
                                 " ON CONFLICT (job) DO UPDATE SET uuid = excluded.uuid, verb = excluded.verb,"
                                 " lazy = excluded.lazy, detail = excluded.detail",
        [STATEMENT_DELETE_INTENT] = "DELETE FROM intent WHERE job = ?",
        [STATEMENT_LOAD_PODS] = "SELECT number, uuid, name, owner, owner_group, state, created_us, spec, lease, reason,"
                                " containers, warnings, directories, lease_pid, lease_start, lease_until, lease_ended, gc, private, links FROM pod WHERE uuid < '~' ORDER BY number",
        [STATEMENT_LOAD_MOUNTS] = "SELECT pod, row, id, mount_id, container, target, source, type, options, request,"
                                  " source_key, root, point, fs_options, device, job, attributes, propagation, made, made_file,"
                                  " nested, deferred, ground_free, ground_caller, namespace FROM mount"
                                  " WHERE pod NOT IN (SELECT number FROM pod WHERE uuid >= '~') ORDER BY pod, row",
        [STATEMENT_LOAD_INTENTS] = "SELECT job, uuid, verb, lazy, detail FROM intent ORDER BY job",
        [STATEMENT_PUT_CGROUP] = "INSERT INTO cgroup (uuid, name, parent, path, made, step) VALUES (?, ?, ?, ?, ?, ?)"
                                 " ON CONFLICT (name, parent) DO UPDATE SET uuid = excluded.uuid, path = excluded.path, made = excluded.made, step = excluded.step",
        [STATEMENT_DELETE_CGROUP] = "DELETE FROM cgroup WHERE name = ? AND parent = ?",
        [STATEMENT_LOAD_CGROUPS] = "SELECT uuid, name, parent, path, made, step FROM cgroup ORDER BY row",
        [STATEMENT_HISTORY_OTHERS] = "DELETE FROM history_pod WHERE uuid = ? AND owner <> ?",
        [STATEMENT_HISTORY_COUNT] = "INSERT INTO history_pod (uuid, name, owner, n_rows, gone_us) VALUES (?, ?, ?, 1, 0)"
                                    " ON CONFLICT (uuid) DO UPDATE SET n_rows = n_rows + 1, name = excluded.name, gone_us = 0"
                                    " RETURNING number, n_rows",
        [STATEMENT_HISTORY_COUNT_GONE] = "UPDATE history_pod SET n_rows = n_rows + 1 WHERE uuid = ? RETURNING number, n_rows",
        [STATEMENT_HISTORY_PUT] = "INSERT OR REPLACE INTO history (pod, slot, row, time_us, event, uid, unit, mount, target, action,"
                                  " outcome, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_HISTORY_END] = "UPDATE history_pod SET gone_us = ? WHERE uuid = ?",
        [STATEMENT_HISTORY_PRUNE] = "DELETE FROM history_pod WHERE gone_us > 0"
                                    " AND owner = (SELECT owner FROM history_pod WHERE uuid = ?1)"
                                    " AND number NOT IN (SELECT number FROM history_pod WHERE gone_us > 0"
                                    " AND owner = (SELECT owner FROM history_pod WHERE uuid = ?1)"
                                    " ORDER BY gone_us DESC, number DESC LIMIT ?2)",
        [STATEMENT_HISTORY_FIND] = "SELECT uuid FROM history_pod WHERE gone_us > 0 AND (uuid = ?1 OR name = ?1) AND (?2 OR owner = ?3)"
                                   " ORDER BY gone_us DESC, number DESC LIMIT 1",
        [STATEMENT_HISTORY_LOAD] = "SELECT time_us, event, uid, unit, mount, target, action, outcome, detail FROM history"
                                   " WHERE pod = (SELECT number FROM history_pod WHERE uuid = ?) ORDER BY row DESC LIMIT ?",
};

int statement_errno(sqlite3 *db, int rc) {
        switch (rc & 0xff) {
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_BUSY:
                return -EBUSY;
        case SQLITE_IOERR:
                return db && sqlite3_system_errno(db) == ENOSPC ? -ENOSPC : -EIO;
        default:
                return -EIO;
        }
}

int statements_prepare(struct store *store) {
        for (size_t i = 0; i < _STATEMENT_MAX; i++) {
                int rc = sqlite3_prepare_v3(
                        store->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);

                if (rc != SQLITE_OK)
                        return rc;
        }
        return SQLITE_OK;
}

void statements_done(struct store *store) {
        for (size_t i = 0; i < _STATEMENT_MAX; i++) {
                (void) sqlite3_finalize(store->statements[i]); /* repeats an error that was told before */
                store->statements[i] = NULL;
        }
}

struct statement statement_use(struct store *store, enum statement_kind kind) {
        return (struct statement) {.store = store, .handle = store->statements[kind]};
}

static void bound(struct statement *statement, int rc) {
        if (statement->error == SQLITE_OK)
                statement->error = rc;
}

void statement_bind_int(struct statement *statement, int64_t value) {
        bound(statement, sqlite3_bind_int64(statement->handle, ++statement->index, value));
}

void statement_bind_u64(struct statement *statement, uint64_t value) {
        statement_bind_int(statement, (int64_t) value);
}

void statement_bind_text(struct statement *statement, const char *text) {
        bound(statement, sqlite3_bind_text64(statement->handle, ++statement->index, text, text ? strlen(text) : 0,
                                 SQLITE_STATIC, SQLITE_UTF8));
}

void statement_bind_strv(struct statement *statement, char *const *strv) {
        size_t size = 0, at = 0;
        char *blob;

        statement->index++;
        if (!strv) {
                bound(statement, sqlite3_bind_null(statement->handle, statement->index));
                return;
        }
        for (size_t i = 0; strv[i]; i++)
                size += strlen(strv[i]) + 1;
        blob = malloc(size > 0 ? size : 1);
        if (!blob) {
                bound(statement, SQLITE_NOMEM);
                return;
        }
        for (size_t i = 0; strv[i]; i++) {
                size_t length = strlen(strv[i]) + 1;

                memcpy(blob + at, strv[i], length);
                at += length;
        }
        bound(statement, sqlite3_bind_blob64(statement->handle, statement->index, blob, size, free));
}

/* Logs an error, and spoils the transaction that it happened in. */
static int failed(struct statement *statement, int rc) {
        struct store *store = statement->store;
        int r = statement_errno(store->db, rc);

        (void) log_errno(LOG_ERR, r, "%s: %s", store->file, sqlite3_errmsg(store->db));
        if (store->failed == 0)
                store->failed = r;
        return r;
}

void statement_end(struct statement *statement) {
        /* Both repeat an error of the last step, which was told by then. */
        (void) sqlite3_reset(statement->handle);
        (void) sqlite3_clear_bindings(statement->handle);
}

int statement_run(struct statement *statement) {
        int rc = statement->error, r = 0;

        if (rc == SQLITE_OK)
                rc = sqlite3_step(statement->handle);
        if (rc != SQLITE_DONE)
                r = failed(statement, rc);
        statement_end(statement);
        return r;
}

int statement_next(struct statement *statement) {
        int rc, r;

        if (statement->error < 0) {
                statement_end(statement);
                return log_errno(LOG_ERR, statement->error, "%s holds a value that podmount does not write",
                        statement->store->file);
        }
        rc = statement->error != SQLITE_OK ? statement->error : sqlite3_step(statement->handle);
        statement->index = 0;
        if (rc == SQLITE_ROW)
                return 1;
        r = rc == SQLITE_DONE ? 0 : failed(statement, rc);
        statement_end(statement);
        return r;
}

int64_t statement_int(struct statement *statement) {
        int column = statement->index++;

        if (sqlite3_column_type(statement->handle, column) != SQLITE_INTEGER)
                statement->error = -EBADMSG;
        return sqlite3_column_int64(statement->handle, column);
}

uint64_t statement_u64(struct statement *statement) {
        return (uint64_t) statement_int(statement);
}

uint32_t statement_u32(struct statement *statement) {
        int64_t value = statement_int(statement);

        if (value < 0 || value > UINT32_MAX) {
                statement->error = -EBADMSG;
                return 0;
        }
        return (uint32_t) value;
}

unsigned statement_enum(struct statement *statement, unsigned max) {
        uint32_t value = statement_u32(statement);

        if (value >= max) {
                statement->error = -EBADMSG;
                return 0;
        }
        return value;
}

bool statement_bool(struct statement *statement) {
        return statement_enum(statement, 2) == 1;
}

int statement_text(struct statement *statement, char **ret) {
        int column = statement->index++;
        const unsigned char *text;
        char *copy;

        if (sqlite3_column_type(statement->handle, column) == SQLITE_NULL) {
                *ret = NULL;
                return 0;
        }
        text = sqlite3_column_text(statement->handle, column);
        copy = text ? strdup((const char *) text) : NULL;
        if (!copy)
                return log_oom();
        *ret = copy;
        return 0;
}

int statement_name(struct statement *statement, char **ret) {
        char *text = NULL;
        int r = statement_text(statement, &text);

        if (r == 0 && !text) {
                statement->error = -EBADMSG;
                text = strdup("");
                r = text ? 0 : log_oom();
        }
        if (r == 0)
                *ret = text;
        return r;
}

int statement_strv(struct statement *statement, char ***ret) {
        int column = statement->index++;
        _cleanup_strv_ char **strv = NULL;
        const char *blob;
        size_t size, n = 0;

        if (sqlite3_column_type(statement->handle, column) == SQLITE_NULL) {
                *ret = NULL;
                return 0;
        }
        blob = sqlite3_column_blob(statement->handle, column); /* NULL for an empty one */
        size = blob ? (size_t) sqlite3_column_bytes(statement->handle, column) : 0;
        if (size > 0 && blob[size - 1] != 0) {
                statement->error = -EBADMSG;
                size = 0;
        }
        for (size_t at = 0; at < size; at += strlen(blob + at) + 1)
                n++;
        strv = calloc(n + 1, sizeof(*strv));
        if (!strv)
                return log_oom();
        n = 0;
        for (size_t at = 0; at < size; at += strlen(blob + at) + 1) {
                strv[n] = strdup(blob + at);
                if (!strv[n++])
                        return log_oom();
        }
        *ret = TAKE_PTR(strv);
        return 0;
}
