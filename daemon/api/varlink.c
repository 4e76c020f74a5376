/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Accepts connections of the varlink socket and makes a peer of each. */

#include "api/varlink.h"

#include <errno.h>
#include <sys/socket.h>

#include "api/acceptor.h"
#include "api/credentials.h"
#include "api/foreign-fd.h"
#include "api/varlink-connection.h"
#include "util/event.h"
#include "util/log.h"

enum {
        ROOM_MAX = 64 * 1024 * 1024,      /* bytes of messages that are not whole yet, of all connections of one user */
        ROOM_SMALL = 64 * 1024,           /* what every connection may have */
        FDS_MAX = 1024,                   /* that came and are in no call that is carried out, of all connections of one user */
};

struct varlink {
        struct api *api;
        struct acceptor *acceptor;
        int other_fd; /* where nobody reads what `messages` says at its start */
        sd_bus *messages; /* connected to nobody: calls and answers are made on it, none is ever sent */
        struct varlink_connection *connections;
};

static int on_message(const char *text, size_t size, struct bus_json_fds *fds, void *userdata) {
        return varlink_call_arrived(userdata, text, size, fds);
}

static void on_closed(void *userdata) {
        struct varlink_connection *connection = userdata;

        peer_disconnect(connection->peer);
}

static bool may_grow(size_t size, void *userdata) {
        const struct varlink_connection *connection = userdata;
        size_t sum = size;

        if (size <= ROOM_SMALL)
                return true;
        for (const struct varlink_connection *other = connection->server->connections; other; other = other->next)
                if (other != connection && other->wire && other->peer->caller.uid == connection->peer->caller.uid)
                        sum += varlink_wire_room(other->wire);
        return sum <= ROOM_MAX;
}

static bool take_fd(int fd, size_t n_others, void *userdata) {
        const struct varlink_connection *connection = userdata;
        size_t n = n_others;

        for (const struct varlink_connection *other = connection->server->connections; other; other = other->next) {
                if (other->peer->caller.uid != connection->peer->caller.uid)
                        continue;
                if (other != connection && other->wire)
                        n += varlink_wire_fds(other->wire);
                if (other->call)
                        n += other->call->fds.n_fds;
        }
        if (foreign_fd_is_harmless(connection->server->api->pods->table, fd)) {
                if (n < FDS_MAX)
                        return true;
                (void) close_fd(fd);
        } else
                foreign_fd_abandon(fd);
        return false;
}

static const struct varlink_wire_handlers handlers = {.message = on_message, .may_grow = may_grow, .take_fd = take_fd, .closed = on_closed};

static void on_disconnect(struct peer *peer) {
        struct varlink_connection *connection = peer->adapter;

        *connection->link = connection->next;
        if (connection->next)
                connection->next->link = connection->link;
        (void) varlink_wire_free(connection->wire);
        free(connection);
        peer->adapter = NULL;
}

static uint32_t count_connections(const struct varlink *varlink, uid_t uid) {
        uint32_t n = 0;

        for (const struct varlink_connection *connection = varlink->connections; connection; connection = connection->next)
                n += connection->peer->caller.uid == uid;
        return n;
}

/* Whether this user may have one more, which is counted already. */
static int check_limit(const struct varlink *varlink, const struct caller *caller) {
        uint32_t limit = varlink->api->settings->connections_per_user;

        if (caller->uid == 0 || count_connections(varlink, caller->uid) <= limit)
                return 0;
        event_log(EVENT_CONNECTION_REFUSED, EVENT_OF_USER(caller->uid),
                  "User %u has %u varlink connections, the limit (ConnectionsPerUser=): another one is refused", (unsigned) caller->uid, limit);
        return -EUSERS;
}

static int welcome(int client, void *userdata) {
        struct varlink *varlink = userdata;
        _cleanup_close_ int fd = client;
        struct varlink_connection *connection;
        struct peer *peer = peer_new(varlink->api, varlink->messages, CALLER_VARLINK);
        int r;

        if (!peer)
                return -ENOMEM;
        connection = calloc(1, sizeof(*connection));
        if (!connection) {
                (void) peer_unref(peer);
                return -ENOMEM;
        }
        connection->server = varlink;
        connection->peer = peer;
        connection->next = varlink->connections;
        if (connection->next)
                connection->next->link = &connection->next;
        connection->link = &varlink->connections;
        varlink->connections = connection; /* on_disconnect() takes it out again */
        peer->adapter = connection;
        peer->on_disconnect = on_disconnect;
        peer->deliver = varlink_stream_deliver;

        r = credentials_read(fd, peer);
        if (r >= 0)
                r = check_limit(varlink, &peer->caller);
        if (r >= 0)
                r = varlink_wire_new(varlink->api->event, fd, &handlers, connection, &connection->wire);
        if (r >= 0)
                fd = -1; /* the wire's */
        else
                peer_disconnect(peer);
        return r == -EUSERS ? 0 : r;
}

/* sd-bus makes messages only for a connection that has begun: one to a socket whose other end we hold ourselves. */
static int make_messages(struct varlink *varlink) {
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return log_errno(LOG_ERR, errno, "socketpair");
        varlink->other_fd = pair[1];
        r = sd_bus_new(&varlink->messages);
        if (r >= 0)
                r = sd_bus_set_description(varlink->messages, "varlink");
        if (r >= 0)
                r = sd_bus_negotiate_fds(varlink->messages, true);
        if (r >= 0)
                r = sd_bus_set_fd(varlink->messages, pair[0], pair[0]);
        if (r < 0) {
                (void) close_fd(pair[0]);
                return log_errno(LOG_ERR, r, "make messages for varlink");
        }
        r = sd_bus_start(varlink->messages);
        return r < 0 ? log_errno(LOG_ERR, r, "make messages for varlink") : 0;
}

int varlink_new(struct api *api, int fd, struct varlink **ret) {
        _cleanup_(varlink_freep) struct varlink *varlink = calloc(1, sizeof(*varlink));
        int r;

        if (!varlink) {
                (void) close_fd(fd);
                return log_oom();
        }
        varlink->api = api;
        varlink->other_fd = -1;
        r = acceptor_new(api->event, fd, "varlink socket", welcome, varlink, &varlink->acceptor);
        if (r == 0)
                r = make_messages(varlink);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(varlink);
        return 0;
}

struct varlink *varlink_free(struct varlink *varlink) {
        if (!varlink)
                return NULL;
        while (varlink->connections)
                peer_disconnect(varlink->connections->peer);
        (void) acceptor_free(varlink->acceptor);
        if (varlink->messages)
                sd_bus_close(varlink->messages); /* nothing of it was ever for anybody */
        (void) sd_bus_unref(varlink->messages);
        (void) close_fd(varlink->other_fd);
        free(varlink);
        return NULL;
}

int varlink_start(struct varlink *varlink) {
        return acceptor_start(varlink->acceptor);
}

void varlink_stop(struct varlink *varlink) {
        acceptor_stop(varlink->acceptor);
}

bool varlink_flushed(const struct varlink *varlink) {
        for (const struct varlink_connection *connection = varlink->connections; connection; connection = connection->next)
                if (varlink_wire_unwritten(connection->wire) > 0)
                        return false;
        return true;
}
