/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the connection to the system bus, and a peer for each name that has called. */

#include "api/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

#include "api/call.h"
#include "api/peer.h"
#include "api/machines.h"
#include "api/units.h"
#include "dbus/names.h"
#include "pod/lease.h"
#include "util/event.h"
#include "util/log.h"

#define DEFAULT_ADDRESS "unix:path=/run/dbus/system_bus_socket"

enum {
        RETRY_MIN_US = 100 * 1000, /* after the connection was lost, doubled with each failure… */
        RETRY_MAX_US = 30 * 1000 * 1000,
        NAME_PRIMARY_OWNER = 1, /* answers to RequestName */
        NAME_IN_QUEUE = 2,
};

struct bus {
        struct api *api;
        sd_bus *bus;       /* NULL between two tries */
        struct map *peers; /* by unique name */
        struct units *units;
        struct machines *machines;
        sd_event_source *retry;
        uint64_t retry_us;
        bool stopping;
};

static void on_disconnect(struct peer *peer) {
        struct bus *bus = peer->adapter;

        (void) map_remove(bus->peers, peer->caller.bus_name);
        peer->watch_slot = sd_bus_slot_unref(peer->watch_slot);
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct peer *peer = userdata;
        const char *name, *old, *new;

        if (sd_bus_message_read(m, "sss", &name, &old, &new) >= 0 && !*new)
                peer_disconnect(peer);
        return 0;
}

/* Without the match nobody tells us when the peer ends: it can call, but is identified each time and cannot subscribe. */
static int on_match_added(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct peer *peer = userdata;

        if (sd_bus_message_is_method_error(m, NULL)) {
                log_warning("the bus has no room for another match rule (%s)", sd_bus_message_get_error(m)->message);
                peer->watch_slot = sd_bus_slot_unref(peer->watch_slot);
        }
        return 1;
}

/* The match is set before anything is asked about the name: an end in between shows as a failure to answer. */
static int watch_peer(struct peer *peer) {
        _cleanup_free_ char *rule = NULL;

        if (asprintf(&rule,
                     "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                     "member='NameOwnerChanged',arg0='%s'",
                     peer->caller.bus_name) < 0)
                return -ENOMEM;
        return sd_bus_add_match_async(peer->bus, &peer->watch_slot, rule, on_owner_changed, on_match_added, peer);
}

static int find_peer(struct bus *bus, const char *name, struct peer **ret) {
        struct peer *peer = map_get(bus->peers, name);
        int r;

        if (peer && !peer->watch_slot && peer->identity == PEER_KNOWN) {
                peer_disconnect(peer); /* not watched: what was known may be past */
                peer = NULL;
        }
        if (!peer) {
                peer = peer_new(bus->api, bus->bus, CALLER_BUS);
                if (!peer)
                        return -ENOMEM;
                peer->adapter = bus;
                peer->caller.bus_name = strdup(name);
                r = peer->caller.bus_name ? map_put(bus->peers, peer->caller.bus_name, peer) : -ENOMEM;
                if (r < 0) {
                        (void) peer_unref(peer);
                        return r;
                }
                peer->on_disconnect = on_disconnect;
                r = watch_peer(peer);
                if (r < 0) {
                        peer_disconnect(peer);
                        return r;
                }
        }
        *ret = peer;
        return 0;
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct bus *bus = userdata;
        const char *sender = sd_bus_message_get_sender(m);
        struct peer *peer;
        int r;

        if (!sender)
                return -EBADMSG; /* no broker sends that */
        r = find_peer(bus, sender, &peer);
        return r < 0 ? r : call_arrived(peer, m);
}

static void forget_peers(struct bus *bus) {
        for (;;) {
                size_t position = 0;
                struct peer *peer = map_next(bus->peers, &position);

                if (!peer)
                        return;
                leases_outlive(bus->api->pods, peer->number); /* it is we who have gone */
                peer_disconnect(peer);
        }
}

static int connect_bus(struct bus *bus);

static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        return connect_bus(userdata);
}

static int retry_later(struct bus *bus) {
        uint64_t wait = bus->retry_us;

        bus->retry_us = wait * 2 > RETRY_MAX_US ? RETRY_MAX_US : wait * 2;
        bus->retry = sd_event_source_disable_unref(bus->retry);
        return sd_event_add_time_relative(bus->api->event, &bus->retry, CLOCK_MONOTONIC, wait, 0, on_retry, bus);
}

static void drop(struct bus *bus) {
        forget_peers(bus);
        units_disconnected(bus->units);
        machines_disconnected(bus->machines);
        if (!bus->bus)
                return;
        (void) sd_bus_detach_event(bus->bus);
        sd_bus_close(bus->bus);
        bus->bus = sd_bus_unref(bus->bus);
}

static int on_lost(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_) {
        struct bus *bus = userdata;
        int r;

        event_log(EVENT_BUS_LOST, NULL, "The connection to the bus ended%s", bus->stopping ? "" : ": podmountd goes on and waits for it");
        drop(bus);
        r = bus->stopping ? 0 : retry_later(bus);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "cannot wait for the bus");
        return 1;
}

static int on_name(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_) {
        uint32_t answer = 0;

        if (sd_bus_message_is_method_error(m, NULL))
                event_log(EVENT_BUS_REFUSED, NULL, "the bus does not give us the name " PODMOUNT_BUS_NAME " (%s): is its policy file installed, and may this user own it?",
                          sd_bus_message_get_error(m)->message);
        else if (sd_bus_message_read(m, "u", &answer) >= 0 && answer == NAME_IN_QUEUE)
                log_warning("another process owns the name " PODMOUNT_BUS_NAME ": it is ours when that one gives it up");
        else if (answer == NAME_PRIMARY_OWNER)
                event_log(EVENT_BUS_SERVED, NULL, "Serving " PODMOUNT_BUS_NAME " on the bus");
        return 1;
}

static int on_connected(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_) {
        struct bus *bus = userdata;
        int r;

        bus->retry_us = RETRY_MIN_US;
        r = sd_bus_request_name_async(bus->bus, NULL, PODMOUNT_BUS_NAME, SD_BUS_NAME_QUEUE, on_name, bus);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "cannot ask for the name " PODMOUNT_BUS_NAME);
        units_connected(bus->units);
        machines_connected(bus->machines);
        return 1;
}

static int set_up(struct bus *bus, sd_bus *connection) {
        const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
        int r = sd_bus_set_address(connection, address && *address ? address : DEFAULT_ADDRESS);

        if (r >= 0)
                r = sd_bus_set_description(connection, "system-bus");
        if (r >= 0)
                r = sd_bus_set_bus_client(connection, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(connection, true);
        if (r >= 0)
                r = sd_bus_set_watch_bind(connection, true);
        if (r >= 0)
                r = sd_bus_set_connected_signal(connection, true);
        if (r >= 0)
                r = sd_bus_add_fallback(connection, NULL, "/", on_call, bus);
        if (r >= 0)
                r = sd_bus_match_signal_async(connection, NULL, "org.freedesktop.DBus.Local", NULL, "org.freedesktop.DBus.Local", "Connected",
                                              on_connected, NULL, bus);
        if (r >= 0)
                r = sd_bus_match_signal_async(connection, NULL, "org.freedesktop.DBus.Local", NULL, "org.freedesktop.DBus.Local",
                                              "Disconnected", on_lost, NULL, bus);
        if (r >= 0)
                r = sd_bus_start(connection);
        return r < 0 ? r : sd_bus_attach_event(connection, bus->api->event, SD_EVENT_PRIORITY_NORMAL);
}

static int connect_bus(struct bus *bus) {
        int r;

        bus->retry = sd_event_source_disable_unref(bus->retry);
        r = sd_bus_new(&bus->bus);
        if (r >= 0)
                r = set_up(bus, bus->bus);
        if (r >= 0)
                return 0;
        (void) log_errno(LOG_NOTICE, r, "cannot connect to the bus yet");
        drop(bus);
        return retry_later(bus);
}

int bus_new(struct api *api, struct bus **ret) {
        struct bus *bus = calloc(1, sizeof(*bus));

        if (!bus)
                return log_oom();
        bus->api = api;
        bus->retry_us = RETRY_MIN_US;
        bus->peers = map_new(MAP_KEY_STRING);
        bus->units = units_new(api);
        bus->machines = machines_new(api);
        if (!bus->peers || !bus->units || !bus->machines) {
                (void) units_free(bus->units);
                (void) machines_free(bus->machines);
                (void) map_free(bus->peers);
                free(bus);
                return log_oom();
        }
        *ret = bus;
        return 0;
}

struct bus *bus_free(struct bus *bus) {
        if (!bus)
                return NULL;
        drop(bus);
        (void) units_free(bus->units);
        (void) machines_free(bus->machines);
        (void) sd_event_source_disable_unref(bus->retry);
        (void) map_free(bus->peers);
        free(bus);
        return NULL;
}

int bus_start(struct bus *bus) {
        return connect_bus(bus);
}

void bus_stop(struct bus *bus) {
        bus->stopping = true;
        bus->retry = sd_event_source_disable_unref(bus->retry);
        if (bus->bus && sd_bus_is_ready(bus->bus) > 0)
                (void) sd_bus_release_name_async(bus->bus, NULL, PODMOUNT_BUS_NAME, NULL, NULL); /* the end of the connection does it, too */
}

sd_bus *bus_connection(const struct bus *bus) {
        return bus->bus && sd_bus_is_ready(bus->bus) > 0 ? bus->bus : NULL;
}

bool bus_flushed(const struct bus *bus) {
        uint64_t n = 0;

        return !bus->bus || sd_bus_is_ready(bus->bus) <= 0 || sd_bus_get_n_queued_write(bus->bus, &n) < 0 || n == 0;
}
