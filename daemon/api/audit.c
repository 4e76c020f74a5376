/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes the audit lines. */

#include "api/audit.h"

#include <string.h>

#include "api/authorise.h"
#include "api/errors.h"
#include "dbus/names.h"
#include "util/event.h"
#include "util/text.h"

enum { MOUNT_IDS_MAX = 16 /* of one request: the pod's record has them all */ };

static enum event event_of(const struct failure *f) {
        if (!f || f->kind == FAILURE_NONE)
                return EVENT_REQUEST_DONE;
        if (f->kind == FAILURE_ACCESS_DENIED || f->kind == FAILURE_INTERACTIVE_AUTHORIZATION_REQUIRED)
                return EVENT_REQUEST_DENIED;
        return EVENT_REQUEST_FAILED;
}

static const char *verdict_of(enum event event) {
        return event == EVENT_REQUEST_DONE ? "done" : event == EVENT_REQUEST_DENIED ? "denied" : "failed";
}

/* What it is about: a pod, or, of the layer store, a layer. */
static const char *object_of(const struct request *request, bool *ret_layer) {
        const struct operation *operation = request->n_works > 0 ? request->works[0]->operation : NULL;
        const struct pod *pod = operation ? operation_pod(operation) : NULL;

        *ret_layer = strcmp(request->method->interface, PODMOUNT_LAYER_STORE_INTERFACE) == 0;
        if (pod)
                return pod->record->uuid;
        if (request->arguments.layer)
                return request->arguments.layer;
        if (request->uuid)
                return request->uuid;
        return request->n_works > 0 ? request->works[0]->id : request->arguments.id;
}

/* The mounts that it made, took away or was about; how many texts. */
static size_t list_ids(const struct request *request, char texts[static MOUNT_IDS_MAX][EVENT_NUMBER_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < request->n_works; i++) {
                const struct operation *operation = request->works[i]->operation;
                size_t n_ids = 0;
                const uint64_t *ids = operation ? operation_ids(operation, &n_ids) : NULL;

                for (size_t j = 0; j < n_ids && n < MOUNT_IDS_MAX; j++)
                        if (event_id(ids[j], texts[n]))
                                n++;
        }
        return n;
}

static void count(struct counters *counters, enum event event, const struct failure *f) {
        if (event == EVENT_REQUEST_DONE)
                counters->requests_done++;
        else if (event == EVENT_REQUEST_DENIED)
                counters->requests_denied++;
        else {
                counters->requests_failed++;
                counters->quota_refusals += f->kind == FAILURE_QUOTA_EXCEEDED;
        }
}

void audit_request(const struct request *request, const struct failure *f) {
        const struct caller *caller = &request->peer->caller;
        const enum event event = event_of(f);
        char uid[EVENT_NUMBER_MAX], pid[EVENT_NUMBER_MAX], ids[MOUNT_IDS_MAX][EVENT_NUMBER_MAX];
        const char *method = request->method->member, *name, *shown;
        _cleanup_free_ char *actions = NULL;
        const char *fields[18 + 2 * MOUNT_IDS_MAX + 1];
        size_t n = 0, n_ids;
        bool layer;

        if (event == EVENT_REQUEST_DONE && (!request->method->changes || request->arguments.dry_run))
                return;
        count(&request->api->pods->counters, event, f);
        if (event_priority(event) > log_level())
                return;
        name = object_of(request, &layer);
        shown = name ?: "";
        actions = authorise_actions(request);
        n_ids = list_ids(request, ids);
        const char *const common[] = {
                "CALLER_UID=", event_number(caller->uid, uid), "CALLER_PID=", event_id((uint64_t) caller->pid, pid),
                "CALLER_UNIT=", caller->unit, "METHOD=", method, "POD=", layer ? NULL : name, "LAYER=", layer ? name : NULL,
                "TARGET=", request->arguments.target, "POLKIT_ACTION=", actions, "VERDICT=", verdict_of(event),
        };

        memcpy(fields, common, sizeof(common));
        n = ELEMENTSOF(common);
        for (size_t i = 0; i < n_ids; i++) {
                fields[n++] = "MOUNT_ID=";
                fields[n++] = ids[i];
        }
        fields[n] = NULL;
        if (event == EVENT_REQUEST_DONE)
                event_log(event, fields, "%s %s by uid %s: done", method, shown, uid);
        else
                event_log(event, fields, "%s %s by uid %s: %s, %s", method, shown, uid, verdict_of(event), f->text ?: error_name(f->kind));
}
