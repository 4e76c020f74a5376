/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One request on its way through the stations (dispatch.h). It knows its transport only by the functions below.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "api/arguments.h"
#include "api/method.h"
#include "api/peer.h"
#include "pod/operation.h"
#include "util/failure.h"

enum station {
        STATION_DECODE,
        STATION_IDENTIFY,
        STATION_AUTHORISE,
        STATION_WORK,     /* 5 to 9, for each pod that it changes */
        STATION_ANNOUNCE,
};

/* What an adapter provides. The message stays alive until `release`. */
struct request_transport {
        int (*decode)(struct request *request, struct failure *f);
        void (*reply)(struct request *request);
        void (*fail)(struct request *request, const struct failure *f);
        bool (*interactive)(const struct request *request); /* the caller can wait for a person to answer */
        void (*release)(struct request *request);
};

/* A change of one pod within a request: stations 5 to 9. */
enum work_state { WORK_NEW, WORK_WAITING, WORK_EXECUTING, WORK_EXPLAINING, WORK_DONE };
struct work {
        struct request *request;
        enum work_state state;
        struct operation *operation; /* NULL once it is left to itself, or when there is nothing to do */
        struct failure failure;      /* why it failed */
        char *id;                    /* GC: of the pod as the reply names it */
        char *detail;                /* GC: a sentence, or NULL */
        bool not_found;              /* GC */
        struct operation *holders;   /* it was busy: looks for who is in the way (holders.h)… */
        void (*explained)(struct work *work); /* …and then */
        sd_event_source *again;      /* GC with wait: another try is due… */
        bool gc_ended;               /* …which does not run the gc program again… */
        char **gc_warnings;          /* …and answers with these, too */
};

struct authorisation;

struct request {
        struct api *api;
        struct peer *peer;        /* reference */
        const struct request_transport *transport;
        void *message;            /* the transport's */
        const struct method *method;
        enum object_kind object;
        const char *path;         /* of the object, the message's */
        enum station station;
        bool waiting;             /* for something that calls dispatch_continue() */
        bool charged;             /* counted in api->users and api->groups… */
        uint32_t weight;          /* …as so many… */
        uint32_t n_fds;           /* …with so many fds */
        struct arguments arguments;
        struct pod *pod;          /* the one that it names; valid within the turn that found it */
        char *uuid;               /* its UUID; of a method for the past, that of one that is gone, maybe */
        struct work **works;
        size_t n_works, n_done;
        struct authorisation *authorisation; /* asked for or granted, NULL else */
        struct failure failure;
        const char *dbus_error;   /* a standard name that no failure kind has, or NULL */
        char *text;               /* an answer in words: Introspect() */
        uint64_t number;          /* an answer in a number: Rescan() */
        size_t n_holder_bytes;    /* GC: of the holders that are in the answer already */
        sd_event_source *timeout;
        struct request *next, **link; /* in api->requests */
};

/* A new request in the api's list; takes a reference on the peer. The transport's message is released with it, unless NULL is
 * returned: memory is short. */
struct request *request_new(struct peer *peer, const struct request_transport *transport, void *message);
struct request *request_free(struct request *request);
DEFINE_CLEANUP(struct request *, request_free)

/* What a uid, or a gid, has in flight; in api->users, or api->groups. */
struct request_use {
        uint32_t id;
        uint32_t n_requests, n_fds;
};

/* How many requests it counts for: one, and one more for each SpecSizeMax= that its document is long, so that the documents that requests wait with
 * take no more memory when some of them are exports. */
uint32_t request_weight(const struct request *request);

/* Counts the request by its weight (the only one of its caller counts for no more than it may have), and the fds that came with it, for its caller and the caller's group. FAILURE_QUOTA_EXCEEDED past RequestsPerUser=,
 * FdsPerUser= and the same of groups; root is not charged. */
int request_charge(struct request *request, struct failure *f);

/* Adds a work; takes the operation over, also on failure (NULL, memory is short). `id` may be NULL. */
struct work *request_add_work(struct request *request, struct operation *operation, const char *id);
/* Leaves the work's operation to itself, or takes it back if nothing was executed. */
void work_release(struct work *work);

/* The pod that a request's reply is about: of its first work, else the one that it names. */
struct pod *request_answer_pod(const struct request *request);
