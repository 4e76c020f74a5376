/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pod's rows are a ring: the number of a row, by which they are counted, says which older one it takes the place of. */

#include "store/history.h"

#include <errno.h>
#include <stdlib.h>

#include "store/statement.h"
#include "util/array.h"
#include "util/log.h"

void record_event_done(struct record_event *event) {
        free(event->event);
        free(event->unit);
        free(event->target);
        free(event->action);
        free(event->outcome);
        free(event->detail);
        *event = (struct record_event) {};
}

static int check(const struct store *store) {
        if (store->failed < 0)
                return store->failed;
        return sqlite3_get_autocommit(store->db) ? log_errno(LOG_ERR, EINVAL, "state.db: a change outside a transaction") : 0;
}

static int forget_other_owners(struct store *store, const char *uuid, uid_t owner) {
        struct statement statement = statement_use(store, STATEMENT_HISTORY_OTHERS);

        statement_bind_text(&statement, uuid);
        statement_bind_int(&statement, owner);
        return statement_run(&statement);
}

/* Counts one more row: 1 with the pod's key and the row's number, 0 for a pod of which nothing is known. */
static int count_row(struct statement *statement, int64_t *ret_pod, int64_t *ret_row) {
        int r = statement_next(statement);

        if (r <= 0)
                return r;
        *ret_pod = statement_int(statement);
        *ret_row = statement_int(statement);
        r = statement_next(statement); /* to its end, which is when SQLite is done with the change */
        return r < 0 ? r : 1;
}

static int put_row(struct store *store, int64_t pod, int64_t row, const struct record_event *event) {
        struct statement statement = statement_use(store, STATEMENT_HISTORY_PUT);

        statement_bind_int(&statement, pod);
        statement_bind_int(&statement, row % HISTORY_ROWS_MAX);
        statement_bind_int(&statement, row);
        statement_bind_u64(&statement, event->time_us);
        statement_bind_text(&statement, event->event);
        statement_bind_int(&statement, event->uid);
        statement_bind_text(&statement, event->unit);
        statement_bind_u64(&statement, event->mount_id);
        statement_bind_text(&statement, event->target);
        statement_bind_text(&statement, event->action);
        statement_bind_text(&statement, event->outcome);
        statement_bind_text(&statement, event->detail);
        return statement_run(&statement);
}

int store_put_event(struct store *store, const char *uuid, const uid_t *owner, const char *name, const struct record_event *event) {
        struct statement statement;
        int64_t pod, row;
        int r = check(store);

        if (r == 0 && owner)
                r = forget_other_owners(store, uuid, *owner);
        if (r < 0)
                return r;
        statement = statement_use(store, owner ? STATEMENT_HISTORY_COUNT : STATEMENT_HISTORY_COUNT_GONE);
        statement_bind_text(&statement, uuid);
        if (owner) {
                statement_bind_text(&statement, name);
                statement_bind_int(&statement, *owner);
        }
        r = count_row(&statement, &pod, &row);
        return r <= 0 ? r : put_row(store, pod, row, event);
}

int store_end_history(struct store *store, const char *uuid, uint64_t time_us) {
        struct statement statement;
        int r = check(store);

        if (r < 0)
                return r;
        statement = statement_use(store, STATEMENT_HISTORY_END);
        statement_bind_u64(&statement, time_us);
        statement_bind_text(&statement, uuid);
        r = statement_run(&statement);
        if (r < 0)
                return r;
        statement = statement_use(store, STATEMENT_HISTORY_PRUNE);
        statement_bind_text(&statement, uuid);
        statement_bind_int(&statement, HISTORY_GONE_MAX);
        return statement_run(&statement);
}

int store_find_gone(struct store *store, const char *id, const uid_t *owner, char **ret) {
        struct statement statement = statement_use(store, STATEMENT_HISTORY_FIND);
        char *uuid = NULL;
        int r;

        statement_bind_text(&statement, id);
        statement_bind_int(&statement, !owner);
        statement_bind_int(&statement, owner ? *owner : 0);
        r = statement_next(&statement);
        if (r <= 0)
                return r;
        r = statement_text(&statement, &uuid);
        statement_end(&statement);
        if (r < 0 || !uuid)
                return r < 0 ? r : -EBADMSG;
        *ret = uuid;
        return 1;
}

static int read_row(struct statement *statement, struct record_event *event) {
        int r;

        event->time_us = statement_u64(statement);
        r = statement_text(statement, &event->event);
        event->uid = statement_u32(statement);
        if (r >= 0)
                r = statement_text(statement, &event->unit);
        event->mount_id = statement_u64(statement);
        if (r >= 0)
                r = statement_text(statement, &event->target);
        if (r >= 0)
                r = statement_text(statement, &event->action);
        if (r >= 0)
                r = statement_text(statement, &event->outcome);
        return r >= 0 ? statement_text(statement, &event->detail) : r;
}

int store_load_history(struct store *store, const char *uuid, uint32_t limit, struct record_event **ret, size_t *ret_n) {
        struct statement statement = statement_use(store, STATEMENT_HISTORY_LOAD);
        struct record_event *events = NULL;
        size_t n = 0;
        int r;

        statement_bind_text(&statement, uuid);
        statement_bind_int(&statement, limit);
        while ((r = statement_next(&statement)) > 0) {
                struct record_event *event = array_append(&events, &n);

                r = event ? read_row(&statement, event) : -ENOMEM;
                if (r < 0) {
                        statement_end(&statement);
                        break;
                }
        }
        if (r < 0) {
                for (size_t i = 0; i < n; i++)
                        record_event_done(&events[i]);
                free(events);
                return r;
        }
        *ret = events;
        *ret_n = n;
        return 0;
}
