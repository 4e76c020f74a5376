/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Accepts connections of the private socket and makes a peer of each. */

#include "api/listener.h"

#include <errno.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "api/acceptor.h"
#include "api/call.h"
#include "api/credentials.h"
#include "api/rounds.h"
#include "util/event.h"
#include "util/log.h"

enum {
        QUEUE_MAX = 16384,    /* messages that a peer may leave unread */
        GREETING_MAX = 16,    /* messages that fit behind a handshake: sd-bus reads it by 256 bytes, a header has 16 */
};

struct listener {
        struct api *api;
        struct acceptor *acceptor;
        struct rounds *rounds;
        struct connection *connections;
};

struct connection {
        struct listener *listener;
        struct peer *peer; /* the peer holds the reference on the bus; this is the adapter's on the peer */
        struct rounds_entry *turns;
        sd_event_source *greeting; /* until the handshake is over */
        struct connection *next, **link;
};

static void on_disconnect(struct peer *peer) {
        struct connection *connection = peer->adapter;

        connection->greeting = sd_event_source_disable_unref(connection->greeting);
        *connection->link = connection->next;
        if (connection->next)
                connection->next->link = connection->link;
        connection->turns = rounds_remove(connection->turns);
        sd_bus_close(peer->bus);
        free(connection);
        peer->adapter = NULL;
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        const struct connection *connection = userdata;

        return call_arrived(connection->peer, m);
}

/* Also what sd-bus answers by itself, as Ping, piles up where nobody reads. */
static int on_any(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_) {
        const struct connection *connection = userdata;

        listener_check_queue(connection->peer);
        return 0;
}

static void on_broken(void *userdata) {
        struct connection *connection = userdata;

        peer_disconnect(connection->peer);
}

static int on_closed(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_) {
        struct connection *connection = userdata;

        peer_disconnect(connection->peer);
        return 1;
}

/* A peer may send its first messages right behind its handshake. sd-bus then has them in its buffer already, and waits for
 * the socket, on which nothing more comes: once the handshake is over they are taken from there by hand. */
static int on_greeting(sd_event_source *source _unused_, void *userdata) {
        struct connection *connection = userdata;
        sd_bus *bus = connection->peer->bus;
        int r = 1;

        if (sd_bus_is_ready(bus) == 0)
                return 0;
        connection->greeting = sd_event_source_disable_unref(connection->greeting);
        bus = sd_bus_ref(bus); /* a message may end the connection */
        for (int i = 0; i < GREETING_MAX && r > 0; i++)
                r = sd_bus_process(bus, NULL);
        if (r < 0 && sd_bus_get_fd(bus) >= 0)
                (void) shutdown(sd_bus_get_fd(bus), SHUT_RDWR); /* the loop hears of the end */
        sd_bus_unref(bus);
        return 0;
}

static uint32_t count_connections(const struct listener *listener, uid_t uid) {
        uint32_t n = 0;

        for (const struct connection *connection = listener->connections; connection; connection = connection->next)
                n += connection->peer->caller.uid == uid;
        return n;
}

/* The fds of a message that sd-bus cannot make sense of (another number than its header says is enough) stay open for good,
 * as of libsystemd 252: a few hundred such messages, and we have no fd left. Over this socket nobody but root can call
 * anything that takes fds; a bus checks the messages of the others. */
static bool takes_fds(const struct connection *connection) {
        return connection->peer->caller.uid == 0;
}

/* Makes sd-bus serve the connection. The fd is taken over on success. */
static int start_bus(sd_bus *bus, int fd, struct connection *connection, sd_event *event) {
        sd_id128_t id;
        int r = sd_id128_randomize(&id);

        if (r >= 0)
                r = sd_bus_set_description(bus, "private-socket");
        if (r >= 0)
                r = sd_bus_set_server(bus, true, id);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, takes_fds(connection));
        if (r >= 0)
                r = sd_bus_add_filter(bus, NULL, on_any, connection);
        if (r >= 0)
                r = sd_bus_add_fallback(bus, NULL, "/", on_call, connection);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local", NULL, "org.freedesktop.DBus.Local", "Disconnected", on_closed,
                                        connection);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r >= 0)
                r = rounds_add(connection->listener->rounds, bus, connection->peer->caller.uid, on_broken, connection, &connection->turns);
        return r < 0 ? r : sd_event_add_post(event, &connection->greeting, on_greeting, connection);
}

static int welcome(int client, void *userdata) {
        struct listener *listener = userdata;
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        _cleanup_close_ int fd = client;
        struct connection *connection;
        struct peer *peer;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        peer = peer_new(listener->api, bus, CALLER_SOCKET);
        if (!peer)
                return -ENOMEM;
        connection = calloc(1, sizeof(*connection));
        if (!connection) {
                (void) peer_unref(peer);
                return -ENOMEM;
        }
        connection->listener = listener;
        connection->peer = peer;
        connection->next = listener->connections;
        if (connection->next)
                connection->next->link = &connection->next;
        connection->link = &listener->connections;
        peer->adapter = connection;
        peer->on_disconnect = on_disconnect;

        r = credentials_read(fd, peer);
        if (r >= 0 && count_connections(listener, peer->caller.uid) >= listener->api->settings->connections_per_user && peer->caller.uid != 0) {
                event_log(EVENT_CONNECTION_REFUSED, EVENT_OF_USER(peer->caller.uid),
                           "User %u has %u connections, the limit (ConnectionsPerUser=): another one is refused", (unsigned) peer->caller.uid,
                           listener->api->settings->connections_per_user);
                r = -EUSERS;
        }
        listener->connections = connection; /* on_disconnect() takes it out again */
        if (r >= 0) {
                r = start_bus(bus, fd, connection, listener->api->event);
                if (sd_bus_get_fd(bus) == fd) /* it closes the fd from here on */
                        fd = -1;
        }
        if (r < 0)
                peer_disconnect(peer);
        return r == -EUSERS ? 0 : r;
}

int listener_new(struct api *api, int fd, struct listener **ret) {
        _cleanup_(listener_freep) struct listener *listener = calloc(1, sizeof(*listener));
        int r;

        if (!listener) {
                (void) close_fd(fd);
                return log_oom();
        }
        listener->api = api;
        r = acceptor_new(api->event, fd, "private socket", welcome, listener, &listener->acceptor);
        if (r >= 0)
                r = rounds_new(api->event, &listener->rounds);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(listener);
        return 0;
}

struct listener *listener_free(struct listener *listener) {
        if (!listener)
                return NULL;
        while (listener->connections)
                peer_disconnect(listener->connections->peer);
        (void) acceptor_free(listener->acceptor);
        (void) rounds_free(listener->rounds);
        free(listener);
        return NULL;
}

int listener_start(struct listener *listener) {
        return acceptor_start(listener->acceptor);
}

void listener_stop(struct listener *listener) {
        acceptor_stop(listener->acceptor);
}

void listener_cut(struct peer *peer) {
        int fd = peer->gone ? -1 : sd_bus_get_fd(peer->bus);

        if (fd >= 0)
                (void) shutdown(fd, SHUT_RDWR); /* the loop hears of the end, when nobody is in the middle of it */
}

void listener_check_queue(struct peer *peer) {
        uint64_t n = 0;

        if (peer->gone || sd_bus_get_n_queued_write(peer->bus, &n) < 0 || n <= QUEUE_MAX)
                return;
        event_log(EVENT_CONNECTION_CUT, EVENT_OF_USER(peer->caller.uid), "A connection of user %u does not read: it is cut off", (unsigned) peer->caller.uid);
        listener_cut(peer);
}
