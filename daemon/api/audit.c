/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes the audit lines. */

#include "api/audit.h"

#include <stdio.h>
#include <string.h>

#include "api/errors.h"
#include "dbus/names.h"
#include "util/log.h"

static const char *verdict_of(const struct failure *f) {
        if (!f || f->kind == FAILURE_NONE)
                return "done";
        if (f->kind == FAILURE_ACCESS_DENIED || f->kind == FAILURE_INTERACTIVE_AUTHORIZATION_REQUIRED)
                return "denied";
        return "failed";
}

/* What it is about: a pod, or, of the layer store, a layer. */
static const char *object_of(const struct request *request, bool *ret_layer) {
        const struct pod *pod = request_answer_pod(request);

        *ret_layer = strcmp(request->method->interface, PODMOUNT_LAYER_STORE_INTERFACE) == 0;
        if (pod)
                return pod->record->uuid;
        if (request->arguments.layer)
                return request->arguments.layer;
        return request->n_works > 0 ? request->works[0]->id : request->arguments.id;
}

void audit_request(const struct request *request, const struct failure *f) {
        const struct caller *caller = &request->peer->caller;
        bool layer;
        const char *verdict = verdict_of(f), *name = object_of(request, &layer);
        char uid[sizeof("4294967295")], pid[sizeof("-2147483648")];
        const char *const fields[] = {
                "CALLER_UID=", uid, "CALLER_PID=", pid, "METHOD=", request->method->member, "POD=", layer ? NULL : name, "LAYER=", layer ? name : NULL, "VERDICT=", verdict, NULL,
        };
        bool done = !f || f->kind == FAILURE_NONE;

        if (done && (!request->method->changes || request->arguments.dry_run))
                return;
        (void) snprintf(uid, sizeof(uid), "%u", (unsigned) caller->uid); /* always fits */
        (void) snprintf(pid, sizeof(pid), "%d", (int) caller->pid);      /* always fits */
        if (done)
                log_fields(LOG_INFO, AUDIT_MESSAGE_ID, fields, "%s %s by uid %s: done", request->method->member, name ? name : "", uid);
        else
                log_fields(LOG_NOTICE, AUDIT_MESSAGE_ID, fields, "%s %s by uid %s: %s, %s", request->method->member, name ? name : "", uid,
                           verdict, f->text ? f->text : error_name(f->kind));
}
