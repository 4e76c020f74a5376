/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Holders(): one work, which changes nothing, and rows. A busy work gets the same, as if its caller had asked: that is the operation in work->holders. */

#include "api/holders.h"

#include <string.h>

#include "api/wire.h"
#include "pod/operation.h"
#include "util/log.h"
#include "util/text.h"

enum { NAMED_MAX = 3 /* holders in the text of an error */ };

int prepare_holders(struct request *request, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        const struct holders_arguments holders = {.container = arguments->container, .target = arguments->target, .mount_id = arguments->mount_id};
        struct operation *operation;
        int r = operation_new_holders(request->api->pods, &request->peer->caller, request->pod, &holders, &operation, f);

        if (r != 0)
                return r;
        return request_add_work(request, operation, NULL) ? 0 : log_oom();
}

static int append_row(sd_bus_message *m, const struct mount_holder *holder) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}", "PID", "u", holder->pid, "UID", "u", holder->uid);
        if (r >= 0)
                r = wire_append_entry(m, "Command", holder->command);
        if (r >= 0)
                r = wire_append_entry(m, "Unit", holder->unit);
        if (r >= 0)
                r = wire_append_entry(m, "Kind", holder_kind_name(holder->kind));
        if (r >= 0)
                r = wire_append_entry(m, "Detail", holder->detail);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_rows(sd_bus_message *m, const struct operation *operation) {
        size_t n;
        const struct mount_holder *holders = operation_holders(operation, &n);
        int r = sd_bus_message_open_container(m, 'a', "a{sv}");

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_row(m, &holders[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int encode_holders(struct request *request, sd_bus_message *m) {
        return append_rows(m, request->works[0]->operation);
}

/* Whether the answer, of which a bus takes so much, has room for these as well. */
static bool has_room(struct request *request, const struct operation *operation) {
        size_t n, size = 0;
        const struct mount_holder *holders = operation_holders(operation, &n);

        for (size_t i = 0; i < n; i++)
                size += holder_size(&holders[i]);
        if (size > HOLDER_BYTES_MAX - request->n_holder_bytes)
                return false;
        request->n_holder_bytes += size;
        return true;
}

int holders_append(sd_bus_message *m, const struct work *work) {
        int r;

        if (!work->holders || work->state != WORK_DONE || !has_room(work->request, work->holders))
                return 0;
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "Holders");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "aa{sv}");
        if (r >= 0)
                r = append_rows(m, work->holders);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* The first ones, in words. Several rows of one process are one here. */
static char *name_some(const struct operation *operation) {
        size_t n, named = 0, others = 0;
        const struct mount_holder *holders = operation_holders(operation, &n);
        char *text = NULL;

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *one = NULL, *before = text;

                if (holders[i].kind == HOLDER_MORE || (i > 0 && holders[i].pid != 0 && holders[i].pid == holders[i - 1].pid)) {
                        before = NULL;
                        continue;
                }
                if (named == NAMED_MAX) {
                        before = NULL;
                        others++;
                        continue;
                }
                named++;
                one = holder_describe(&holders[i]);
                text = one ? text_format("%s%s%s", before ?: "", before ? ", " : "", one) : NULL;
                if (!text)
                        return NULL;
        }
        if (text && others > 0) {
                _cleanup_free_ char *before = text;

                text = text_format("%s and %zu more", before, others);
        }
        return text;
}

static void take(struct work *work) {
        _cleanup_free_ char *names = name_some(work->holders), *text = NULL;

        if (!names)
                return;
        text = work->failure.text ? strdup(work->failure.text) : NULL;
        if (!text)
                return;
        failure_clear(&work->failure);
        (void) failure_set(&work->failure, FAILURE_BUSY, "%s; held by %s", text, names);
}

static void on_done(struct operation *operation _unused_, struct failure *f, void *userdata) {
        struct work *work = userdata;

        if (f->kind != FAILURE_NONE)
                log_notice("Who holds what is busy is not known: %s", f->text);
        else
                take(work);
        failure_clear(f);
        work->explained(work);
}

static void run(struct operation *operation, void *userdata) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct work *work = userdata;
        int r = operation_validate(operation, &f);

        if (r == OPERATION_WAIT)
                return;
        if (r == 0)
                r = operation_plan(operation, &f);
        if (r == 0)
                r = operation_intend(operation, &f);
        if (r == 0)
                r = operation_execute(operation, on_done, work, &f);
        if (r == 0)
                return;
        if (f.kind == FAILURE_NONE)
                (void) failure_from_errno(&f, r);
        on_done(operation, &f, work);
}

/* What was asked for is what is looked at. */
static bool arguments_of(const struct work *work, struct holders_arguments *ret) {
        const struct arguments *arguments = &work->request->arguments;

        *ret = (struct holders_arguments) {.brief = true};
        switch ((unsigned) operation_verb(work->operation)) {
        case OPERATION_COLLECT:
                return true;
        case OPERATION_UNMOUNT:
                ret->container = arguments->container;
                ret->target = arguments->target;
                ret->mount_id = arguments->mount_id;
                return true;
        case OPERATION_REMOVE_CONTAINER:
                ret->container = arguments->container;
                return true;
        }
        return false;
}

bool holders_explain(struct work *work, void (*done)(struct work *work)) {
        struct request *request = work->request;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct holders_arguments arguments;
        const struct pod *pod;
        int r;

        if (work->failure.kind != FAILURE_BUSY || !work->operation || work->holders || request->api->stopping || !arguments_of(work, &arguments))
                return false;
        pod = operation_pod(work->operation);
        if (!pod)
                return false;
        r = operation_new_holders(request->api->pods, &request->peer->caller, pod, &arguments, &work->holders, &f);
        if (r != 0)
                return false;
        work->state = WORK_EXPLAINING;
        work->explained = done;
        operation_set_resume(work->holders, run, work);
        run(work->holders, work);
        return true;
}
