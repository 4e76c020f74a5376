/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Changes of the records, each a bound statement within the transaction that the caller has begun. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/journal.h"
#include "store/statement.h"
#include "util/array.h"
#include "util/log.h"

/* Begins one change: outside a transaction it would be committed alone. */
static int use(struct store *store, enum statement_kind kind, struct statement *ret) {
        if (store->failed < 0)
                return store->failed;
        if (sqlite3_get_autocommit(store->db))
                return log_errno(LOG_ERR, EINVAL, "state.db: a change outside a transaction");
        *ret = statement_use(store, kind);
        return 0;
}

/* What a change needs is not there: the transaction is spoilt. */
static int not_there(struct store *store, const char *what, const char *uuid) {
        store->failed = -ENOENT;
        return log_errno(LOG_ERR, ENOENT, "state.db: %s of pod %s", what, uuid);
}

/* Runs a change of something that must be there. */
static int run_existing(struct statement *statement, const char *what, const char *uuid) {
        struct store *store = statement->store;
        int r = statement_run(statement);

        if (r < 0)
                return r;
        return sqlite3_changes(store->db) == 0 ? not_there(store, what, uuid) : 0;
}

/* 1 with the key of a pod, 0 if there is none. */
static int find_pod(struct store *store, const char *uuid, int64_t *ret) {
        struct statement statement;
        int r;

        if (store->last_uuid && strcmp(store->last_uuid, uuid) == 0) {
                *ret = store->last_number;
                return 1;
        }
        statement = statement_use(store, STATEMENT_FIND_POD);
        statement_bind_text(&statement, uuid);
        r = statement_next(&statement);
        if (r <= 0)
                return r;
        free(store->last_uuid);
        store->last_uuid = strdup(uuid);
        store->last_number = *ret = statement_int(&statement);
        statement_end(&statement);
        if (!store->last_uuid) {
                store->failed = -ENOMEM;
                return log_oom();
        }
        return 1;
}

static void bind_lease(struct statement *statement, const struct record_lease *lease) {
        statement_bind_u64(statement, lease->pid);
        statement_bind_u64(statement, lease->start);
        statement_bind_u64(statement, lease->until_us);
        statement_bind_text(statement, lease->ended);
}

int store_put_pod(struct store *store, const struct record_pod *pod) {
        _cleanup_strv_ char **directories = NULL, **gc = NULL, **links = NULL;
        struct statement statement;
        int r = use(store, STATEMENT_PUT_POD, &statement);

        if (r == 0)
                r = record_directories_write(pod, &directories);
        if (r == 0)
                r = record_gc_write(&pod->gc, &gc);
        if (r == 0)
                r = record_links_write(pod, &links);
        if (r < 0) {
                store->failed = r;
                return r;
        }
        statement_bind_text(&statement, pod->uuid);
        statement_bind_text(&statement, pod->name);
        statement_bind_int(&statement, pod->owner);
        statement_bind_int(&statement, pod->owner_group);
        statement_bind_int(&statement, pod->state);
        statement_bind_u64(&statement, pod->created_us);
        statement_bind_text(&statement, pod->spec);
        statement_bind_text(&statement, pod->lease);
        statement_bind_text(&statement, pod->reason);
        statement_bind_strv(&statement, pod->containers);
        statement_bind_strv(&statement, pod->warnings);
        statement_bind_strv(&statement, directories);
        bind_lease(&statement, &pod->lease_on);
        statement_bind_strv(&statement, gc);
        statement_bind_int(&statement, pod->private);
        statement_bind_strv(&statement, links);
        return statement_run(&statement);
}

int store_set_lease(struct store *store, const char *uuid, const struct record_lease *lease) {
        struct statement statement;
        int r = use(store, STATEMENT_SET_LEASE, &statement);

        if (r < 0)
                return r;
        bind_lease(&statement, lease);
        statement_bind_text(&statement, uuid);
        return run_existing(&statement, "the lease", uuid);
}

int store_set_state(struct store *store, const char *uuid, enum record_state state, const char *reason) {
        struct statement statement;
        int r = use(store, STATEMENT_SET_STATE, &statement);

        if (r < 0)
                return r;
        statement_bind_int(&statement, state);
        statement_bind_text(&statement, reason);
        statement_bind_text(&statement, uuid);
        return run_existing(&statement, "the state", uuid);
}

/* Whether a pod has more mounts than one purge takes: 1, 0, or a negative errno. */
static int has_many(struct store *store, int64_t number) {
        struct statement statement = statement_use(store, STATEMENT_HAS_MANY);
        int r;

        statement_bind_int(&statement, number);
        statement_bind_int(&statement, STORE_PURGE_ROWS);
        r = statement_next(&statement);
        if (r > 0)
                statement_end(&statement);
        return r;
}

int store_delete_pod(struct store *store, const char *uuid) {
        struct statement statement;
        int64_t number;
        int r = use(store, STATEMENT_DELETE_POD, &statement), many;

        if (r == 0)
                r = find_pod(store, uuid, &number);
        if (r <= 0)
                return r;
        many = has_many(store, number);
        if (many < 0)
                return many;
        store_forget_pod(store);
        if (many) {
                store->buried = true;
                statement = statement_use(store, STATEMENT_BURY_POD);
                statement_bind_int(&statement, number);
        } else
                statement_bind_text(&statement, uuid);
        return statement_run(&statement);
}

/* The next of the deleted pods that still have mounts: 1, 0, or a negative errno. */
static int find_buried(struct store *store, int64_t *ret) {
        struct statement statement = statement_use(store, STATEMENT_FIND_BURIED);
        int r = statement_next(&statement);

        if (r <= 0)
                return r;
        *ret = statement_int(&statement);
        statement_end(&statement);
        return 1;
}

static int purge(struct store *store, int64_t number) {
        struct statement statement = statement_use(store, STATEMENT_PURGE_MOUNTS);
        int r;

        statement_bind_int(&statement, number);
        statement_bind_int(&statement, STORE_PURGE_ROWS);
        r = statement_run(&statement);
        if (r < 0 || sqlite3_changes(store->db) == STORE_PURGE_ROWS)
                return r;
        statement = statement_use(store, STATEMENT_PURGE_POD);
        statement_bind_int(&statement, number);
        return statement_run(&statement);
}

bool store_has_buried(const struct store *store) {
        return store->buried;
}

int store_purge(struct store *store) {
        int64_t number = 0;
        int r;

        if (!store->buried)
                return 0;
        r = find_buried(store, &number);
        if (r <= 0) {
                store->buried = false; /* after an error, too: the next start tries again */
                return r;
        }
        r = store_begin(store);
        if (r == 0)
                r = purge(store, number);
        r = store_end(store, r);
        if (r == 0)
                return 1;
        store->buried = false;
        return r;
}

/* The columns that adding and updating a mount share, in the order of both statements. */
static void bind_mount(struct statement *statement, const struct record_mount *mount) {
        statement_bind_u64(statement, mount->id);
        statement_bind_int(statement, mount->mount_id);
        statement_bind_text(statement, mount->container);
        statement_bind_text(statement, mount->target);
        statement_bind_text(statement, mount->source);
        statement_bind_text(statement, mount->type);
        statement_bind_strv(statement, mount->options);
        statement_bind_text(statement, mount->request);
        statement_bind_text(statement, mount->source_key);
        statement_bind_text(statement, mount->root);
        statement_bind_text(statement, mount->point);
        statement_bind_text(statement, mount->fs_options);
        statement_bind_u64(statement, mount->device);
        statement_bind_u64(statement, mount->job);
        statement_bind_u64(statement, mount->attributes);
        statement_bind_u64(statement, mount->propagation);
        statement_bind_int(statement, mount->made);
        statement_bind_int(statement, mount->made_file);
        statement_bind_int(statement, mount->nested);
        statement_bind_int(statement, mount->deferred);
        statement_bind_int(statement, mount->ground_free);
        statement_bind_int(statement, mount->ground_caller);
        statement_bind_u64(statement, mount->namespace);
}

int store_put_mount(struct store *store, const char *uuid, struct record_mount *mount) {
        const bool add = mount->row == 0;
        struct statement statement;
        int64_t number;
        int r = use(store, add ? STATEMENT_ADD_MOUNT : STATEMENT_SET_MOUNT, &statement);

        if (r < 0)
                return r;
        r = find_pod(store, uuid, &number);
        if (r < 0)
                return r;
        if (r == 0)
                return not_there(store, "the record", uuid);
        statement_bind_int(&statement, number);
        bind_mount(&statement, mount);
        if (!add)
                statement_bind_int(&statement, mount->row);
        r = run_existing(&statement, "a mount", uuid);
        if (r < 0)
                return r;
        if (add)
                mount->row = sqlite3_last_insert_rowid(store->db);
        return 0;
}

int store_delete_mount(struct store *store, const char *uuid, int64_t row) {
        struct statement statement;
        int64_t number;
        int r = use(store, STATEMENT_DELETE_MOUNT, &statement);

        if (r == 0)
                r = find_pod(store, uuid, &number);
        if (r <= 0)
                return r;
        statement_bind_int(&statement, number);
        statement_bind_int(&statement, row);
        return statement_run(&statement);
}

/* It leaves the journal when the transaction is through. */
static int end_noted(struct store *store, uint64_t job) {
        uint64_t *slot = array_append(&store->ended, &store->n_ended);

        if (!slot) {
                store->failed = -ENOMEM;
                return log_oom();
        }
        *slot = job;
        return 0;
}

bool store_note_intent(struct store *store, const struct record_intent *intent) {
        return !intent->detail && journal_put(store->journal, intent->job, intent->uuid, intent->verb, intent->lazy);
}

bool store_forget_noted(struct store *store, uint64_t job) {
        bool noted = journal_has(store->journal, job);

        journal_drop(store->journal, job);
        return noted;
}

int store_put_intent(struct store *store, const struct record_intent *intent) {
        struct statement statement;
        int r = use(store, STATEMENT_PUT_INTENT, &statement);

        if (r == 0 && journal_has(store->journal, intent->job))
                r = end_noted(store, intent->job);
        if (r < 0)
                return r;
        statement_bind_u64(&statement, intent->job);
        statement_bind_text(&statement, intent->uuid);
        statement_bind_int(&statement, intent->verb);
        statement_bind_int(&statement, intent->lazy);
        statement_bind_text(&statement, intent->detail);
        return statement_run(&statement);
}

int store_delete_intent(struct store *store, uint64_t job) {
        struct statement statement;
        int r = use(store, STATEMENT_DELETE_INTENT, &statement);

        if (r == 0 && journal_has(store->journal, job))
                return end_noted(store, job);
        if (r < 0)
                return r;
        statement_bind_u64(&statement, job);
        return statement_run(&statement);
}
