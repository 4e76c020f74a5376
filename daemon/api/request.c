/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes, counts and ends requests and their works. */

#include "api/request.h"

#include <string.h>

#include "admit/quota.h"
#include "api/authorise.h"
#include "util/log.h"

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

static struct request_use *find_use(struct map *all, uint32_t id) {
        struct request_use *use = map_get_u64(all, id);

        if (use)
                return use;
        use = calloc(1, sizeof(*use));
        if (use)
                use->id = id;
        if (use && map_put_u64(all, id, use) < 0) {
                free(use);
                return NULL;
        }
        return use;
}

static void drop_use(struct map *all, struct request_use *use) {
        if (!use || use->n_requests > 0)
                return;
        (void) map_remove_u64(all, use->id);
        free(use);
}

uint32_t request_weight(const struct request *request) {
        const char *text = request->arguments.text;

        return 1 + (uint32_t) (text && *text ? (strlen(text) - 1) / request->api->settings->spec_size_max : 0);
}

static int check_use(const struct settings *settings, const struct request_use *use, bool group, uint32_t weight, size_t n_fds, struct failure *f) {
        int r = quota_exceeds(group ? QUOTA_REQUESTS_OF_GROUP : QUOTA_REQUESTS_OF_USER, use->n_requests,
                              group ? settings->requests_per_group : settings->requests_per_user,
                              use->n_requests == 0 ? 1 : weight, f);

        return r != 0 ? r : quota_exceeds(group ? QUOTA_FDS_OF_GROUP : QUOTA_FDS_OF_USER, use->n_fds,
                                          group ? settings->fds_per_group : settings->fds_per_user, n_fds, f);
}

int request_charge(struct request *request, struct failure *f) {
        const struct caller *caller = &request->peer->caller;
        const uint32_t weight = request_weight(request);
        struct api *api = request->api;
        struct request_use *user, *group;
        int r;

        if (request->charged)
                return 0;
        user = find_use(api->users, caller->uid);
        group = find_use(api->groups, caller->gid);
        r = user && group ? 0 : log_oom();
        if (r == 0 && !caller_is_root(caller))
                r = check_use(api->settings, user, false, weight, request->arguments.n_fds, f);
        if (r == 0 && !caller_is_root(caller))
                r = check_use(api->settings, group, true, weight, request->arguments.n_fds, f);
        if (r != 0) {
                drop_use(api->users, user);
                drop_use(api->groups, group);
                return r;
        }
        request->charged = true;
        request->weight = weight;
        request->n_fds = (uint32_t) request->arguments.n_fds;
        user->n_requests += weight;
        user->n_fds += request->n_fds;
        if (caller->uid != 0) {
                group->n_requests += weight;
                group->n_fds += request->n_fds;
        } else
                drop_use(api->groups, group); /* root's own group is nobody's */
        return 0;
}

static void release_use(struct map *all, uint32_t id, const struct request *request) {
        struct request_use *use = map_get_u64(all, id);

        if (!use)
                return;
        use->n_requests -= request->weight;
        use->n_fds -= request->n_fds;
        drop_use(all, use);
}

static void uncharge(struct request *request) {
        const struct caller *caller = &request->peer->caller;

        if (!request->charged)
                return;
        request->charged = false;
        release_use(request->api->users, caller->uid, request);
        if (caller->uid != 0)
                release_use(request->api->groups, caller->gid, request);
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
