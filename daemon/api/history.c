/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* History(): the rows of a pod, and how requests become rows. */

#include "api/history.h"

#include <inttypes.h>
#include <string.h>

#include "api/authorise.h"
#include "api/errors.h"
#include "api/verb.h"
#include "api/wire.h"
#include "dbus/names.h"
#include "pod/history.h"
#include "util/text.h"

static bool failed(const struct failure *f) {
        return f && f->kind != FAILURE_NONE;
}

static const char *outcome_of(const struct failure *f) {
        if (!failed(f))
                return "done";
        return f->kind == FAILURE_ACCESS_DENIED || f->kind == FAILURE_INTERACTIVE_AUTHORIZATION_REQUIRED ? "denied" : "failed";
}

/* The first of the mounts that an operation made or took away, and how many they are. */
static uint64_t first_id(const struct operation *operation, size_t *ret_n) {
        size_t n = 0;
        const uint64_t *ids = operation_ids(operation, &n);
        uint64_t first = 0;

        *ret_n = 0;
        for (size_t i = 0; ids && i < n; i++) {
                if (ids[i] == 0)
                        continue;
                first = first ?: ids[i];
                (*ret_n)++;
        }
        return first;
}

static void add_work(const struct request *request, const struct work *work, const struct failure *f, struct history_request row) {
        const struct failure *why = failed(&work->failure) ? &work->failure : work->state == WORK_DONE && request->n_works > 1 ? NULL : f;
        _cleanup_free_ char *count = NULL;
        size_t n = 0;

        row.mount_id = failed(why) ? 0 : first_id(work->operation, &n);
        row.outcome = outcome_of(why);
        row.detail = failed(why) ? why->text ?: error_name(why->kind) : NULL;
        if (row.mount_id != 0 && n > 1)
                row.detail = count = text_format("%zu mounts, the first of them %" PRIu64, n, row.mount_id);
        history_add_request(request->api->pods, operation_uuid(work->operation), &row);
}

void history_of_request(const struct request *request, const struct failure *f) {
        _cleanup_free_ char *actions = NULL;
        struct history_request row = {
                .method = request->method->member, .caller = &request->peer->caller, .target = request->arguments.target, .outcome = outcome_of(f)};
        bool any = false;

        if (!request->method->changes || request->arguments.dry_run || strcmp(request->method->interface, PODMOUNT_LAYER_STORE_INTERFACE) == 0)
                return;
        row.action = actions = authorise_actions(request);
        for (size_t i = 0; i < request->n_works; i++) {
                if (!request->works[i]->operation)
                        continue;
                any = true;
                if (failed(f) && operation_verb(request->works[i]->operation) == OPERATION_CREATE)
                        continue; /* it made no pod, and one that has its UUID may be anybody's */
                add_work(request, request->works[i], f, row);
        }
        if (any || !request->uuid)
                return;
        row.detail = failed(f) ? f->text ?: error_name(f->kind) : NULL;
        history_add_request(request->api->pods, request->uuid, &row);
}

static int append_optional(sd_bus_message *m, const char *key, const char *text) {
        return text ? wire_append_entry(m, key, text) : 0;
}

static int append_row(sd_bus_message *m, const struct record_event *event) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "Timestamp", "t", event->time_us);
        if (r >= 0)
                r = wire_append_entry(m, "Event", event->event);
        if (r >= 0 && event->uid != HISTORY_NOBODY)
                r = sd_bus_message_append(m, "{sv}", "UID", "u", event->uid);
        if (r >= 0)
                r = append_optional(m, "Unit", event->unit);
        if (r >= 0 && event->mount_id != 0)
                r = sd_bus_message_append(m, "{sv}", "MountID", "t", event->mount_id);
        if (r >= 0)
                r = append_optional(m, "Target", event->target);
        if (r >= 0)
                r = append_optional(m, "Action", event->action);
        if (r >= 0)
                r = append_optional(m, "Outcome", event->outcome);
        if (r >= 0)
                r = append_optional(m, "Detail", event->detail);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int encode_history(struct request *request, sd_bus_message *m) {
        const uint32_t limit = request->arguments.limit;
        struct record_event *events = NULL;
        size_t n = 0;
        int r = history_load(request->api->pods, request->uuid, limit == 0 || limit > HISTORY_ROWS_MAX ? HISTORY_ROWS_MAX : limit, &events, &n);

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "a{sv}");
        for (size_t i = n; r >= 0 && i > 0; i--)
                r = append_row(m, &events[i - 1]);
        for (size_t i = 0; i < n; i++)
                record_event_done(&events[i]);
        free(events);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
