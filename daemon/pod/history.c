/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits to be written: an array, and a timer that is on while it is not empty. */

#include "pod/history.h"

#include <errno.h>
#include <string.h>

#include "util/array.h"
#include "util/clock.h"
#include "util/log.h"

enum {
        WRITE_AFTER_US = 500 * 1000,
        WAITING_MAX = 256, /* then they are written at once: about a millisecond */
        TEXT_MAX = 512,    /* bytes of one text */
};

struct waiting {
        char *uuid, *name;
        uid_t owner;
        bool gone; /* when it was noted: nothing is known of its owner */
        struct record_event event;
};

struct history {
        struct waiting *rows;
        size_t n_rows;
        sd_event_source *timer;
};

static void waiting_done(struct waiting *row) {
        record_event_done(&row->event);
        free(row->uuid);
        free(row->name);
}

static void forget_rows(struct history *history) {
        for (size_t i = 0; i < history->n_rows; i++)
                waiting_done(&history->rows[i]);
        free(history->rows);
        history->rows = NULL;
        history->n_rows = 0;
        if (history->timer)
                (void) sd_event_source_set_enabled(history->timer, SD_EVENT_OFF); /* fails without a source alone */
}

struct history *history_free(struct history *history) {
        if (!history)
                return NULL;
        forget_rows(history);
        (void) sd_event_source_disable_unref(history->timer);
        free(history);
        return NULL;
}

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        (void) history_write(userdata); /* logged; what cannot be written is dropped there */
        return 0;
}

/* Where the next row goes, with the timer on. NULL: memory is short. */
static struct waiting *next(struct pods *pods) {
        struct history *history = pods->history;
        int r;

        if (!history) {
                history = pods->history = calloc(1, sizeof(*history));
                if (!history)
                        return NULL;
        }
        if (history->n_rows >= WAITING_MAX)
                (void) history_write(pods);
        if (!history->timer) {
                r = sd_event_add_time_relative(pods->event, &history->timer, CLOCK_MONOTONIC, WRITE_AFTER_US, 0, on_timer, pods);
                if (r >= 0)
                        r = sd_event_source_set_priority(history->timer, SD_EVENT_PRIORITY_IDLE);
        } else if (history->n_rows == 0) {
                r = sd_event_source_set_time_relative(history->timer, WRITE_AFTER_US);
                if (r >= 0)
                        r = sd_event_source_set_enabled(history->timer, SD_EVENT_ONESHOT);
        } else
                r = 0;
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "arm the timer that writes the history of pods"); /* the next row tries again */
        return array_append(&history->rows, &history->n_rows);
}

static int copy(const char *text, char **ret) {
        *ret = text && *text ? strndup(text, TEXT_MAX) : NULL;
        return text && *text && !*ret ? -ENOMEM : 0;
}

static int fill(struct pods *pods, const char *uuid, struct waiting *row) {
        const struct pod *pod = map_get(pods->by_uuid, uuid);

        row->event.time_us = clock_us(CLOCK_REALTIME);
        row->event.uid = HISTORY_NOBODY;
        row->gone = !pod;
        row->owner = pod ? pod->record->owner : 0;
        return copy(uuid, &row->uuid) < 0 || copy(pod ? pod->record->name : NULL, &row->name) < 0 ? -ENOMEM : 0;
}

/* Of a row that memory was too short for there is nothing left. */
static void keep(struct pods *pods, int r) {
        struct history *history = pods->history;

        if (r == 0)
                return;
        (void) log_oom(); /* what happened is in the journal */
        waiting_done(&history->rows[--history->n_rows]);
}

void history_add_request(struct pods *pods, const char *uuid, const struct history_request *request) {
        struct waiting *row = next(pods);
        int r;

        if (!row) {
                (void) log_oom();
                return;
        }
        r = fill(pods, uuid, row);
        row->event.uid = request->caller->uid;
        row->event.mount_id = request->mount_id;
        if (r == 0 && (copy(request->method, &row->event.event) < 0 || copy(request->caller->unit, &row->event.unit) < 0 ||
                       copy(request->target, &row->event.target) < 0 || copy(request->action, &row->event.action) < 0 ||
                       copy(request->outcome, &row->event.outcome) < 0 || copy(request->detail, &row->event.detail) < 0))
                r = -ENOMEM;
        keep(pods, r);
}

static int fill_event(struct pods *pods, const char *uuid, enum event event, uint64_t mount_id, const char *target, const char *detail,
                      struct waiting *row) {
        int r = fill(pods, uuid, row);

        row->event.mount_id = mount_id;
        return r < 0 || copy(event_name(event), &row->event.event) < 0 || copy(target, &row->event.target) < 0 ||
                       copy(detail, &row->event.detail) < 0
                       ? -ENOMEM
                       : 0;
}

void history_add_event(struct pods *pods, const char *uuid, enum event event, uint64_t mount_id, const char *target, const char *detail) {
        struct waiting *row = next(pods);

        if (row)
                keep(pods, fill_event(pods, uuid, event, mount_id, target, detail, row));
        else
                (void) log_oom();
}

static int put(struct pods *pods, const struct waiting *row) {
        return store_put_event(pods->store, row->uuid, row->gone ? NULL : &row->owner, row->name, &row->event);
}

/* All that waits, inside a transaction. */
static int put_all(struct pods *pods) {
        struct history *history = pods->history;
        int r = 0;

        for (size_t i = 0; history && r == 0 && i < history->n_rows; i++)
                r = put(pods, &history->rows[i]);
        return r;
}

/* Its own row does not wait: it is so only if the transaction comes to its end, and a full queue would begin another one. */
int history_put_removal(struct pods *pods, const char *uuid, const char *reason) {
        struct waiting row = {};
        int r = fill_event(pods, uuid, EVENT_POD_REMOVED, 0, NULL, reason, &row);

        if (r == 0)
                r = put_all(pods);
        if (r == 0)
                r = put(pods, &row);
        if (r == 0)
                r = store_end_history(pods->store, uuid, row.event.time_us);
        waiting_done(&row);
        return r;
}

void history_settle(struct pods *pods, bool committed) {
        if (pods->history && committed)
                forget_rows(pods->history);
}

int history_write(struct pods *pods) {
        int r;

        if (!pods->history || pods->history->n_rows == 0)
                return 0;
        r = store_begin(pods->store);
        if (r == 0)
                r = put_all(pods);
        r = store_end(pods->store, r);
        forget_rows(pods->history); /* on a full disk, too: they must not pile up */
        return r < 0 ? log_errno(LOG_ERR, r, "write down the history of pods") : 0;
}

int history_find_gone(struct pods *pods, const char *id, const struct caller *caller, char **ret) {
        _cleanup_free_ char *uuid = NULL;
        const bool all = caller_is_root(caller);
        int r;

        if (!all && caller->uid == 0) /* uid 0 of somewhere else owns nothing */
                return 0;
        if (pod_looks_like_uuid(id) && pod_uuid_canonical(id, &uuid) == -ENOMEM)
                return log_oom();
        r = history_write(pods);
        return r < 0 ? r : store_find_gone(pods->store, uuid ?: id, all ? NULL : &caller->uid, ret);
}

int history_load(struct pods *pods, const char *uuid, uint32_t limit, struct record_event **ret, size_t *ret_n) {
        int r = history_write(pods);

        return r < 0 ? r : store_load_history(pods->store, uuid, limit, ret, ret_n);
}
