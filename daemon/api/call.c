/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Translates between messages and requests, and nothing else. sd-bus's own object vtables are not used: they answer
 * within the handler, and here the caller has to be identified first, which takes a while.
 */

#include "api/call.h"

#include <string.h>

#include "api/dispatch.h"
#include "api/errors.h"
#include "api/listener.h"
#include "dbus/names.h"
#include "util/log.h"

static int decode(struct request *request, struct failure *f) {
        if (!request->method->in)
                return 0;
        return decode_arguments(request->message, request->method->in, request->method->keys, &request->arguments, f);
}

enum { LISTS_UNREAD_MAX = 8 /* long answers that a connection of the private socket may leave unread; see listener.c, too */ };

static void sent(struct request *request, int r) {
        if (r < 0 && !request->peer->gone)
                (void) log_errno(LOG_WARNING, r, "cannot answer a call of %s", request->method->member);
        if (request->peer->caller.transport != CALLER_SOCKET)
                return;
        if (r < 0)
                listener_cut(request->peer); /* so that nobody waits for an answer that does not come */
        else
                listener_check_queue(request->peer);
}

static void fail(struct request *request, const struct failure *f) {
        const char *name = request->dbus_error ? request->dbus_error : error_name(f->kind);

        sent(request, sd_bus_reply_method_errorf(request->message, name, "%s", f->text ? f->text : "podmountd is short of memory"));
}

/* Answers that change nothing can be had for the asking, of a size that a short call chooses: whoever does not read them
 * gets no more of them into our memory. */
static int check_unread(struct request *request, struct failure *f) {
        struct peer *peer = request->peer;
        uint64_t n = 0;

        if (peer->caller.transport != CALLER_SOCKET || peer->gone || !request->method->encode ||
            (request->method->changes && !request->arguments.dry_run))
                return 0;
        if (sd_bus_get_n_queued_write(peer->bus, &n) >= 0 && n == 0)
                peer->n_lists = 0;
        if (peer->n_lists >= LISTS_UNREAD_MAX)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                                   "%u answers to this connection wait to be read: read them before asking more", peer->n_lists);
        peer->n_lists++;
        return 0;
}

static void reply(struct request *request) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_failure_ struct failure unread = FAILURE_INIT;
        int r;

        if (check_unread(request, &unread) != 0) {
                fail(request, &unread);
                return;
        }
        r = sd_bus_message_new_method_return(request->message, &m);
        if (r >= 0 && request->method->encode)
                r = request->method->encode(request, m);
        if (r < 0) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;

                (void) log_errno(LOG_ERR, r, "cannot write the answer to a call of %s", request->method->member);
                (void) failure_from_errno(&f, r);
                fail(request, &f);
                return;
        }
        sent(request, sd_bus_send(request->peer->bus, m, NULL));
}

static bool interactive(const struct request *request) {
        return sd_bus_message_get_allow_interactive_authorization(request->message) > 0;
}

static void release(struct request *request) {
        request->message = sd_bus_message_unref(request->message);
}

static const struct request_transport transport = {
        .decode = decode,
        .reply = reply,
        .fail = fail,
        .interactive = interactive,
        .release = release,
};

/* What lies at a path; 0 for nothing of ours. Whether there is such a pod is judged later, when the caller is known. */
static unsigned kind_of(const char *path) {
        static const char pods[] = PODMOUNT_POD_PATH "/";

        if (strcmp(path, PODMOUNT_OBJECT_PATH) == 0)
                return OBJECT_MANAGER;
        if (strncmp(path, pods, sizeof(pods) - 1) == 0 && !strchr(path + sizeof(pods) - 1, '/'))
                return OBJECT_POD;
        if (strcmp(path, "/") == 0 || strcmp(path, "/org") == 0 || strcmp(path, PODMOUNT_POD_PATH) == 0)
                return OBJECT_NODE;
        return 0;
}

int call_arrived(struct peer *peer, sd_bus_message *m) {
        const char *path = sd_bus_message_get_path(m), *interface = sd_bus_message_get_interface(m);
        const char *member = sd_bus_message_get_member(m);
        unsigned kind = kind_of(path);
        struct request *request;
        bool interface_known;

        if (kind == 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_UNKNOWN_OBJECT, "There is no object %s", path);
        request = request_new(peer, &transport, sd_bus_message_ref(m));
        if (!request) {
                (void) sd_bus_message_unref(m);
                return log_oom();
        }
        request->path = path;
        request->object = kind;
        request->method = method_find(kind, interface, member, &interface_known);
        if (!request->method) {
                request->method = &method_unknown;
                request->dbus_error = interface_known ? SD_BUS_ERROR_UNKNOWN_METHOD : SD_BUS_ERROR_UNKNOWN_INTERFACE;
        }
        dispatch_run(request);
        return 1;
}
