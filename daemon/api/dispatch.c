/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The request path, a function per station. A request moves on until a station has to wait; whoever it waits for calls
 * back. Nothing here knows a transport, and nothing but the pods' operations changes anything.
 */

#include "api/dispatch.h"

#include <inttypes.h>
#include <string.h>

#include "api/audit.h"
#include "api/authorise.h"
#include "api/history.h"
#include "api/holders.h"
#include "api/identify.h"
#include "api/verb.h"
#include "spec/spec.h"
#include "util/log.h"

enum {
        RETRY_INTERVAL_US = 500 * 1000, /* between two tries of a collection that waits for holders */
        STRANGER_REQUESTS_MAX = 64,     /* of one connection, while it is not known who is at its end */
};

static void run(struct request *request);

/* 1 arrive: the adapter hands over, nothing else. */
void dispatch_run(struct request *request) {
        if (request->api->stopping) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;

                (void) failure_set(&f, FAILURE_BUSY, "podmountd is stopping: call again when it runs");
                dispatch_fail(request, &f);
                return;
        }
        request->station = STATION_DECODE;
        run(request);
}

static void work_ended(struct work *work);

/* A work that has failed already, of which somebody looks who is in the way. */
static void stop_explaining(struct work *work) {
        if (work->state != WORK_EXPLAINING)
                return;
        work->holders = operation_free(work->holders);
        work_ended(work);
}

static int on_timeout(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct request *request = userdata;
        bool executing = false;

        for (size_t i = 0; i < request->n_works; i++) {
                stop_explaining(request->works[i]);
                executing |= request->works[i]->state == WORK_EXECUTING;
        }
        if (request->n_works > 0 && request->n_done == request->n_works) { /* what came out is known, and who is in the way is not */
                dispatch_continue(request);
                return 0;
        }
        (void) failure_set(&f, FAILURE_TIMED_OUT,
                           executing ? "Not done within %" PRIu64 " µs: the work goes on and is recorded; call again to learn its outcome"
                                     : "Not begun within %" PRIu64 " µs: nothing was changed",
                           request->arguments.timeout_us);
        dispatch_fail(request, &f);
        return 0;
}

/* A document past the limit is refused here, before the request waits for anybody with it in memory. */
static int check_size(const struct request *request, struct failure *f) {
        uint64_t size_max = request->api->settings->spec_size_max;
        const char *text = request->arguments.text;
        _cleanup_(spec_freep) struct spec *spec = NULL;
        size_t size = text ? strlen(text) : 0;

        if (size <= size_max || (request_restores(request) && size <= SPEC_EXPORT_SIZE_MAX))
                return 0;
        return request_parse_spec(request, &spec, f);
}

/* 2 decode: types, sizes, fds; touches no state. */
static int station_decode(struct request *request, struct failure *f) {
        int r;

        arguments_done(&request->arguments);
        request->pod = NULL;
        r = request->transport->decode(request, f);
        if (r == 0)
                r = check_size(request, f);
        if (r != 0 || request->arguments.timeout_us == 0 || request->arguments.timeout_us == UINT64_MAX || request->timeout)
                return r;
        r = sd_event_add_time_relative(request->api->event, &request->timeout, CLOCK_MONOTONIC, request->arguments.timeout_us, 1000,
                                       on_timeout, request);
        if (r == -EOVERFLOW) /* later than this clock can say: never */
                return 0;
        return r < 0 ? log_errno(LOG_ERR, r, "cannot arm the timeout of a request") : 0;
}

/* Nobody is charged for requests whose caller is not known yet; they are few, however long an executor takes to look. */
static int check_strangers(const struct request *request, struct failure *f) {
        const struct caller *caller = &request->peer->caller;
        size_t n = 0;

        if (caller->transport != CALLER_BUS && caller->uid == 0)
                return DISPATCH_WAIT;
        for (const struct request *other = request->api->requests; other; other = other->next)
                if (other->peer == request->peer && other->waiting && other->station == STATION_IDENTIFY)
                        n += request_weight(other);
        if (n == 0 || n + request_weight(request) <= STRANGER_REQUESTS_MAX)
                return DISPATCH_WAIT;
        return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                           "%d calls of this connection wait for podmountd to learn who makes them: wait for the first answer before asking more",
                           STRANGER_REQUESTS_MAX);
}

/* 3 identify: who calls, from the transport and an executor, never from the arguments. */
static int station_identify(struct request *request, struct failure *f) {
        int r = identify_begin(request->peer);

        if (r < 0)
                return r;
        if (request->peer->identity != PEER_KNOWN)
                return check_strangers(request, f);
        return request_charge(request, f);
}

/* 4 authorise: a verdict from the table, polkit where it says "ask". */
static int station_authorise(struct request *request, struct failure *f) {
        return authorise(request, f);
}

/* 5 validate: the pod's state, quotas, retries. */
static int station_validate(struct work *work, struct failure *f) {
        return operation_validate(work->operation, f);
}

/* 6 plan: pure; what a dry run prints. */
static int station_plan(struct work *work, struct failure *f) {
        return operation_plan(work->operation, f);
}

/* 7 intend: the store knows before the kernel does. */
static int station_intend(struct work *work, struct failure *f) {
        return operation_intend(work->operation, f);
}

static void on_executed(struct operation *operation, struct failure *f, void *userdata);

/* 8 execute: on an executor, one job at a time per pod. Station 9, record, follows inside the operation. */
static int station_execute(struct work *work, struct failure *f) {
        int r;

        work->state = WORK_EXECUTING;
        r = operation_execute(work->operation, on_executed, work, f);
        if (r == OPERATION_GO_ON)
                return DISPATCH_WAIT;
        work->state = WORK_NEW;
        return r;
}

static int (*const work_stations[])(struct work *work, struct failure *f) = {
        station_validate,
        station_plan,
        station_intend,
        station_execute,
};

static void run_work(struct work *work);

static int on_again(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct work *work = userdata;
        struct request *request = work->request;
        struct collect_arguments arguments = {
                .lazy = request->arguments.lazy, .reason = "collected", .gc_ended = work->gc_ended, .warnings = work->gc_warnings};
        struct pod *pod = map_get(request->api->pods->by_uuid, work->id);
        int r;

        work->again = sd_event_source_disable_unref(work->again);
        work->state = WORK_NEW;
        failure_clear(&work->failure);
        if (!pod) /* somebody else has collected it */
                work->not_found = true;
        else {
                r = operation_new_collect(request->api->pods, &request->peer->caller, pod, &arguments, &work->operation, &work->failure);
                if (r < 0)
                        (void) failure_from_errno(&work->failure, r);
        }
        run_work(work);
        if (request->n_done == request->n_works)
                dispatch_continue(request);
        return 0;
}

/* A collection that shall wait is tried again while it is busy, until the request's timeout. */
static bool will_try_again(const struct work *work) {
        const struct request *request = work->request;

        return request->arguments.wait && work->id && work->failure.kind == FAILURE_BUSY && !request->api->stopping;
}

static bool try_again(struct work *work) {
        struct request *request = work->request;

        if (!will_try_again(work))
                return false;
        if (work->operation && operation_gc_ended(work->operation)) {
                work->gc_ended = true;
                work->gc_warnings = strv_free(work->gc_warnings);
                if (strv_copy(operation_warnings(work->operation), &work->gc_warnings) < 0)
                        (void) log_oom(); /* the journal has them */
        }
        work_release(work);
        work->state = WORK_WAITING;
        return sd_event_add_time_relative(request->api->event, &work->again, CLOCK_MONOTONIC, RETRY_INTERVAL_US, 0, on_again, work) >= 0;
}

static void work_ended(struct work *work) {
        if (try_again(work))
                return;
        work->state = WORK_DONE;
        work->request->n_done++;
}

/* Called from the loop, or from within holders_explain(). */
static void on_explained(struct work *work) {
        struct request *request = work->request;

        work_ended(work);
        if (request->waiting && request->n_done == request->n_works)
                dispatch_continue(request);
}

static void on_executed(struct operation *operation _unused_, struct failure *f, void *userdata) {
        struct work *work = userdata;
        struct request *request = work->request;

        failure_move(&work->failure, f);
        work->state = WORK_DONE; /* the operation has ended: nothing is left to abandon */
        if (!will_try_again(work) && holders_explain(work, on_explained))
                return; /* on_explained() goes on, if it has not yet: the request may be gone */
        work_ended(work);
        if (request->waiting && request->n_done == request->n_works)
                dispatch_continue(request);
}

static void on_turn(struct operation *operation _unused_, void *userdata) {
        struct work *work = userdata;
        struct request *request = work->request;

        work->state = WORK_NEW;
        run_work(work);
        if (request->waiting && request->n_done == request->n_works)
                dispatch_continue(request);
}

/* Takes one change through its stations, until it waits or has ended. */
static void run_work(struct work *work) {
        int r = work->failure.kind != FAILURE_NONE || !work->operation ? OPERATION_FINISHED : 0;

        if (r == 0)
                operation_set_resume(work->operation, on_turn, work);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(work_stations); i++)
                r = work_stations[i](work, &work->failure);
        if (r == DISPATCH_WAIT)
                return;
        if (r == OPERATION_WAIT) {
                work->state = WORK_WAITING;
                return;
        }
        if (r < 0 && r != OPERATION_FINISHED)
                (void) failure_from_errno(&work->failure, r);
        work_ended(work);
}

/* 5 to 9, for every change that the request makes, side by side; a method that changes nothing has its say here, too. */
static int station_work(struct request *request, struct failure *f) {
        int r = 0;

        if (request->n_works == 0) {
                if (request->method->prepare)
                        r = request->method->prepare(request, f);
                else if (request->method->query)
                        r = request->method->query(request, f);
                if (r != 0)
                        return r;
                for (size_t i = 0; i < request->n_works; i++)
                        run_work(request->works[i]);
        }
        if (request->n_done < request->n_works)
                return DISPATCH_WAIT;

        /* Where the reply has no place for the outcome of each pod, the failure is the reply. */
        if (request->n_works == 1 && !request->works[0]->id && request->works[0]->failure.kind != FAILURE_NONE) {
                failure_move(f, &request->works[0]->failure);
                return (int) f->kind;
        }
        return 0;
}

/* 10 announce: the signals have been queued by the observer (signals.c), the reply is the last. */
static int station_announce(struct request *request, struct failure *f _unused_) {
        audit_request(request, NULL);
        history_of_request(request, NULL);
        request->transport->reply(request);
        return 0;
}

static int (*const stations[])(struct request *request, struct failure *f) = {
        [STATION_DECODE] = station_decode,
        [STATION_IDENTIFY] = station_identify,
        [STATION_AUTHORISE] = station_authorise,
        [STATION_WORK] = station_work,
        [STATION_ANNOUNCE] = station_announce,
};

static void run(struct request *request) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        for (; request->station < ELEMENTSOF(stations); request->station++) {
                int r;

                request->waiting = false;
                r = stations[request->station](request, &f);
                if (r == DISPATCH_WAIT) {
                        request->waiting = true;
                        return;
                }
                if (r < 0)
                        (void) failure_from_errno(&f, r);
                if (r != 0) {
                        dispatch_fail(request, &f);
                        return;
                }
        }
        (void) request_free(request);
}

void dispatch_continue(struct request *request) {
        if (request->waiting)
                run(request);
}

void dispatch_restart(struct request *request) {
        request->station = STATION_DECODE;
        run(request);
}

void dispatch_fail(struct request *request, struct failure *f) {
        audit_request(request, f);
        history_of_request(request, f);
        request->transport->fail(request, f);
        (void) request_free(request);
}

void dispatch_identified(struct peer *peer, bool known) {
        struct api *api = peer->api;
        struct request *request, *next;

        /* In the order of their arrival. What is appended meanwhile has found the peer known. */
        for (request = api->requests; request; request = next) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;

                next = request->next;
                if (request->peer != peer || !request->waiting || request->station != STATION_IDENTIFY)
                        continue;
                if (known) {
                        run(request);
                        continue;
                }
                (void) failure_set(&f, FAILURE_ACCESS_DENIED, "podmountd could not establish who calls: call again");
                dispatch_fail(request, &f);
        }
}

static bool executes(const struct request *request) {
        for (size_t i = 0; i < request->n_works; i++)
                if (request->works[i]->state == WORK_EXECUTING || request->works[i]->state == WORK_EXPLAINING)
                        return true;
        return false;
}

void dispatch_cancel_peer(struct peer *peer) {
        struct request *request, *next;

        for (request = peer->api->requests; request; request = next) {
                next = request->next;
                if (request->peer != peer || !request->waiting)
                        continue;
                log_info("The caller of %s (uid %u) left: %s", request->method->member, (unsigned) peer->caller.uid,
                         executes(request) ? "what was begun is finished" : "nothing was changed");
                (void) request_free(request);
        }
}

void dispatch_refuse_waiting(struct api *api) {
        struct request *request, *next;

        for (request = api->requests; request; request = next) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;

                next = request->next;
                if (!request->waiting || executes(request))
                        continue;
                (void) failure_set(&f, FAILURE_BUSY, "podmountd is stopping: call again when it runs");
                dispatch_fail(request, &f);
        }
}
