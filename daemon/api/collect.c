/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GC and Collect: a work for each pod, an outcome for each work. A pod that the caller may not see is not found; the
 * failure of one is its outcome, and no other's.
 */

#include <string.h>

#include "api/errors.h"
#include "api/holders.h"
#include "api/verb.h"
#include "api/wire.h"
#include "pod/cgroups.h"
#include "pod/garbage.h"
#include "util/log.h"

static struct work *find_work(const struct request *request, const char *id) {
        for (size_t i = 0; i < request->n_works; i++)
                if (strcmp(request->works[i]->id, id) == 0)
                        return request->works[i];
        return NULL;
}

static struct collect_arguments arguments_of(const struct request *request, const char *reason) {
        return (struct collect_arguments) {
                .lazy = request->arguments.lazy,
                .dry_run = request->arguments.dry_run,
                .reason = reason,
        };
}

/* Adds the work of an operation, whose making came to `r`; what stood against it is that work's failure. */
static int add_work(struct request *request, struct operation *operation, const char *id, int r, struct failure *f) {
        struct work *work = request_add_work(request, operation, id);

        if (!work)
                return log_oom();
        if (r < 0)
                (void) failure_from_errno(f, r);
        failure_move(&work->failure, f);
        return 0;
}

static int add_pod(struct request *request, struct pod *pod, const char *reason) {
        const struct collect_arguments arguments = arguments_of(request, reason);
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;
        int r;

        if (find_work(request, pod->record->uuid))
                return 0; /* named twice */
        r = operation_new_collect(request->api->pods, &request->peer->caller, pod, &arguments, &operation, &f);
        return add_work(request, operation, pod->record->uuid, r, &f);
}

static int add_named(struct request *request, const char *id) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct pod *pod = pods_find(request->api->pods, id, &request->peer->caller, false, &f);
        struct work *work;

        if (pod)
                return add_pod(request, pod, "collected");
        if (find_work(request, id))
                return 0;
        work = request_add_work(request, NULL, id);
        if (!work)
                return log_oom();
        work->not_found = f.kind == FAILURE_NO_SUCH_POD;
        failure_move(&work->failure, &f);
        return 0;
}

static int add_orphan(struct request *request, const char *directory) {
        const struct collect_arguments arguments = arguments_of(request, "garbage");
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;
        int r = operation_new_collect_orphan(request->api->pods, &request->peer->caller, directory, &arguments,
                                             &operation, &f);

        return add_work(request, operation, directory, r, &f);
}

static int add_garbage(struct request *request) {
        struct garbage *garbage = NULL;
        size_t n = 0;
        int r = garbage_list(request->api->pods, &request->peer->caller, &garbage, &n);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = garbage[i].pod ? add_pod(request, garbage[i].pod, "garbage") : add_orphan(request, garbage[i].directory);
                if (r >= 0 && request->n_works > 0)
                        request->works[request->n_works - 1]->detail = TAKE_PTR(garbage[i].detail);
        }
        garbage_free(garbage, n);
        return r;
}

int prepare_gc(struct request *request, struct failure *f _unused_) {
        int r = 0;

        if (!request->arguments.dry_run)
                cgroups_retry(request->api->pods);
        if (!request->arguments.ids || !request->arguments.ids[0])
                return add_garbage(request);
        for (char **id = request->arguments.ids; r >= 0 && *id; id++)
                r = add_named(request, *id);
        return r;
}

int prepare_collect(struct request *request, struct failure *f _unused_) {
        return add_pod(request, request->pod, "collected");
}

static const char *outcome_of(const struct work *work) {
        if (work->not_found || work->failure.kind == FAILURE_NO_SUCH_POD)
                return "not-found";
        if (work->failure.kind == FAILURE_BUSY)
                return "busy";
        if (work->failure.kind != FAILURE_NONE)
                return "failed";
        return work->request->arguments.dry_run ? "would-remove" : "removed";
}

static int append_text(sd_bus_message *m, const char *key, const char *text) {
        return text ? wire_append_entry(m, key, text) : 0;
}

/* Sentences that name paths, so not always UTF-8. */
static int append_warnings(sd_bus_message *m, char *const *warnings) {
        int r;

        if (!warnings || !warnings[0])
                return 0;
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "Warnings");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (; r >= 0 && *warnings; warnings++)
                r = wire_append_text(m, *warnings);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_details(sd_bus_message *m, const struct work *work) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = append_text(m, "Reason", work->detail);
        if (r >= 0 && work->failure.kind != FAILURE_NONE)
                r = append_text(m, "Error", error_name(work->failure.kind));
        if (r >= 0)
                r = append_text(m, "Message", work->failure.text);
        if (r >= 0)
                r = holders_append(m, work);
        if (r >= 0 && work->operation)
                r = append_text(m, "Plan", operation_plan_text(work->operation));
        if (r >= 0 && work->operation)
                r = append_warnings(m, operation_warnings(work->operation));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int encode_gc(struct request *request, sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, 'a', "(ssa{sv})");

        for (size_t i = 0; r >= 0 && i < request->n_works; i++) {
                const struct work *work = request->works[i];

                r = sd_bus_message_open_container(m, 'r', "ssa{sv}");
                if (r >= 0)
                        r = wire_append_text(m, work->id); /* an orphan is called whatever its directory is */
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", outcome_of(work));
                if (r >= 0)
                        r = append_details(m, work);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int encode_collect(struct request *request, sd_bus_message *m) {
        int r = sd_bus_message_append(m, "s", outcome_of(request->works[0]));

        return r < 0 ? r : append_details(m, request->works[0]);
}
