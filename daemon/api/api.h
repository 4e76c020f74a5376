/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The request path and its adapters under one owner: what the manager starts and stops, and what every file of this floor
 * can reach. The requests' way through it is dispatch.c's.
 */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "executor/pool.h"
#include "pod/pods.h"
#include "table/costs.h"
#include "util/map.h"
#include "util/settings.h"

struct bus;
struct listener;
struct varlink;
struct peer;
struct request;

struct api_setup {
        sd_event *event;
        struct pods *pods;             /* outlives the api; its observer is set by api_new() */
        const struct settings *settings;
        int listen_fd;                 /* the private socket, listening; taken over, also on failure */
        int varlink_fd;                /* the varlink socket, likewise */
        bool bus;                      /* serve the system bus, too */
        const char *tracking;          /* "mountinfo"…: how the table follows the kernel */
        char *const *features;         /* names of what the kernel offers and podmount uses; copied */
        int (*rescan)(void *userdata); /* re-reads the mount table */
        void (*costs)(struct table_costs *ret, void *userdata); /* what keeping it costs */
        void *userdata;
};

struct api {
        sd_event *event;
        struct pods *pods;
        const struct settings *settings;
        const char *tracking;
        char **features;
        int (*rescan)(void *userdata);
        void (*costs)(struct table_costs *ret, void *userdata);
        void *userdata;
        struct bus *bus;           /* NULL without one */
        struct listener *listener;
        struct varlink *varlink;
        uint64_t last_peer;        /* the number of the newest */
        struct peer *peers;        /* all that are connected, or known on the bus */
        struct request *requests;  /* all in flight, in the order of their arrival… */
        struct request **requests_end; /* …and where the next one goes */
        struct map *users;         /* how many requests, and fds with them, each uid has in flight (request.c)… */
        struct map *groups;        /* …and each gid, but for root's */
        bool stopping;
};

/* Makes everything, serves nothing yet. */
int api_new(const struct api_setup *setup, struct api **ret);
struct api *api_free(struct api *api);
DEFINE_CLEANUP(struct api *, api_free)

/* Serves: the sockets now, the bus as soon as there is one. */
int api_start(struct api *api);

/* Takes no further request. What waits for its turn or for an authorisation is refused, what executes is answered. */
void api_stop(struct api *api);

/* Nothing is in flight and every answer has been written. */
bool api_idle(const struct api *api);

/* Ends every connection, written out or not. To be called before the event loop is left: sd-bus would wait there, for as
 * long as it takes, until each peer has shaken hands and read everything. */
void api_close(struct api *api);
