/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who is at the other end: a unique name of the bus, or a connection of the private socket or of varlink's. Carries the
 * caller's identity once it is established (identify.h), and the subscription. Lives as long as the connection, or a request of it.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "admit/caller.h"
#include "api/api.h"
#include "util/failure.h"

enum peer_identity { PEER_UNKNOWN, PEER_ASKING, PEER_KNOWN };

struct peer {
        unsigned references;
        uint64_t number;          /* that no other peer of this api had or has */
        struct api *api;
        sd_bus *bus;              /* reference: the system bus, or this connection; of varlink the object that makes its messages */
        struct caller caller;     /* complete in PEER_KNOWN */
        enum peer_identity identity;
        bool subscribed;
        bool lost_once;           /* the executor that looked at the caller died, another one looks */
        bool gone;                /* the connection is; its requests go on without it */
        unsigned n_lists;         /* socket: long answers sent since it had last read everything */
        int pidfd;                /* of the caller's process, -1 if it has none; of varlink it is kept for polkit */
        bool pidfd_of_kernel;     /* and surely of the process that connected, not of a later one with its number */
        sd_bus_slot *watch_slot;  /* bus: NameOwnerChanged of the name */
        sd_bus_slot *call_slot;   /* bus: the question that is out */
        struct pool_job *job;     /* STEP_IDENTIFY, while it is out */
        void (*on_disconnect)(struct peer *peer); /* the adapter forgets it: its entry, its slots */
        void (*deliver)(struct peer *peer, sd_bus_message *signal); /* NULL: as a message of `bus` */
        void *adapter;
        struct peer *next, **link; /* in api->peers while not gone */
};

/* A new peer in api->peers, with one reference for the adapter; takes the bus's reference count up. NULL: memory. */
struct peer *peer_new(struct api *api, sd_bus *bus, enum caller_transport transport);
struct peer *peer_ref(struct peer *peer);
/* Takes NULL, returns NULL. */
struct peer *peer_unref(struct peer *peer);
DEFINE_CLEANUP(struct peer *, peer_unref)

/* The connection ended: requests that execute nothing yet are taken back, the subscription and the adapter's reference are
 * dropped. */
void peer_disconnect(struct peer *peer);
