/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes, counts and ends requests and their works. */

#include "api/request.h"

#include <string.h>

#include "api/authorise.h"
#include "util/log.h"

/* How many requests a uid has in flight; in api->users. */
struct user {
        uid_t uid;
        uint32_t n_requests;
};

struct request *request_new(struct peer *peer, const struct request_transport *transport, void *message) {
        struct request *request = calloc(1, sizeof(*request));
        struct api *api = peer->api;

        if (!request)
                return NULL;
        request->api = api;
        request->peer = peer_ref(peer);
        request->transport = transport;
        request->message = message;
        request->link = api->requests_end;
        *request->link = request;
        api->requests_end = &request->next;
        return request;
}

int request_charge(struct request *request, struct failure *f) {
        const struct caller *caller = &request->peer->caller;
        uint32_t limit = request->api->settings->requests_per_user;
        struct user *user;
        int r;

        if (request->charged)
                return 0;
        user = map_get_u64(request->api->users, caller->uid);
        if (user && user->n_requests >= limit && !caller_is_root(caller))
                return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                                   "User %u has %u requests in flight, the limit (RequestsPerUser=): wait for answers before asking more",
                                   (unsigned) caller->uid, user->n_requests);
        if (!user) {
                user = calloc(1, sizeof(*user));
                if (!user)
                        return log_oom();
                user->uid = caller->uid;
                r = map_put_u64(request->api->users, user->uid, user);
                if (r < 0) {
                        free(user);
                        return r;
                }
        }
        user->n_requests++;
        request->charged = true;
        return 0;
}

static void uncharge(struct request *request) {
        struct user *user;

        if (!request->charged)
                return;
        request->charged = false;
        user = map_get_u64(request->api->users, request->peer->caller.uid);
        if (user && --user->n_requests == 0) {
                (void) map_remove_u64(request->api->users, user->uid);
                free(user);
        }
}

struct work *request_add_work(struct request *request, struct operation *operation, const char *id) {
        struct work *work = calloc(1, sizeof(*work)), **slot;

        if (!work) {
                (void) operation_free(operation);
                return NULL;
        }
        work->request = request;
        work->operation = operation;
        if (id) {
                work->id = strdup(id);
                if (!work->id) {
                        (void) operation_free(operation);
                        free(work);
                        return NULL;
                }
        }
        slot = array_append(&request->works, &request->n_works);
        if (!slot) {
                (void) operation_free(operation);
                free(work->id);
                free(work);
                return NULL;
        }
        *slot = work;
        return work;
}

void work_release(struct work *work) {
        struct operation *operation = TAKE_PTR(work->operation);

        if (!operation)
                return;
        if (work->state == WORK_EXECUTING)
                (void) operation_abandon(operation); /* it ends by itself either way */
        else
                (void) operation_free(operation);
}

static void work_free(struct work *work) {
        work_release(work);
        (void) operation_free(work->holders);
        (void) sd_event_source_disable_unref(work->again);
        strv_free(work->gc_warnings);
        failure_clear(&work->failure);
        free(work->id);
        free(work->detail);
        free(work);
}

struct request *request_free(struct request *request) {
        if (!request)
                return NULL;
        (void) sd_event_source_disable_unref(request->timeout);
        request->authorisation = authorisation_free(request->authorisation);
        for (size_t i = 0; i < request->n_works; i++)
                work_free(request->works[i]);
        free(request->works);
        uncharge(request);
        arguments_done(&request->arguments);
        failure_clear(&request->failure);
        free(request->text);
        free(request->uuid);
        if (request->message)
                request->transport->release(request);
        *request->link = request->next;
        if (request->next)
                request->next->link = request->link;
        else
                request->api->requests_end = request->link;
        (void) peer_unref(request->peer);
        free(request);
        return NULL;
}

struct pod *request_answer_pod(const struct request *request) {
        return request->n_works > 0 && request->works[0]->operation ? operation_pod(request->works[0]->operation) : request->pod;
}
