/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose message is next: users take turns, whatever they have sent on however many connections. */

#include "api/rounds.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "tests/unit/unit.h"

enum { FLOODS = 20, MESSAGES = 50, ALICE = 1000, BOB = 1001, CONNECTIONS_MAX = FLOODS + 2 };

/* A call of M() of / with the interface a.b. */
static const uint8_t call[] = {'l', 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 44, 0, 0, 0,
                               1, 1, 'o', 0, 1, 0, 0, 0, '/', 0, 0, 0, 0, 0, 0, 0,
                               3, 1, 's', 0, 1, 0, 0, 0, 'M', 0, 0, 0, 0, 0, 0, 0,
                               2, 1, 's', 0, 3, 0, 0, 0, 'a', '.', 'b', 0, 0, 0, 0, 0};

struct connection {
        sd_bus *bus;
        struct rounds_entry *entry;
        int peer;
        uid_t uid;
        unsigned n_calls;
        bool ended, broken;
};

static struct connection connections[CONNECTIONS_MAX];
static size_t n_connections;
static uid_t order[FLOODS * MESSAGES + MESSAGES + 1];
static size_t n_order;
static struct connection *removes; /* what the next call removes */

static void drop(struct connection *connection) {
        connection->entry = rounds_remove(connection->entry);
        if (connection->bus)
                sd_bus_close(connection->bus);
        connection->bus = sd_bus_unref(connection->bus);
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct connection *connection = userdata;

        ck_assert_str_eq(sd_bus_message_get_member(m), "M");
        connection->n_calls++;
        order[n_order++] = connection->uid;
        if (removes)
                drop(TAKE_PTR(removes));
        return 1;
}

static int on_ended(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_) {
        struct connection *connection = userdata;

        connection->ended = true;
        drop(connection);
        return 1;
}

static void on_broken(void *userdata) {
        struct connection *connection = userdata;

        connection->broken = true;
        drop(connection);
}

static void settle(sd_event *event) {
        while (sd_event_run(event, 0) > 0)
                continue;
}

static struct connection *connect_as(sd_event *event, struct rounds *rounds, uid_t uid) {
        static const char handshake[] = "AUTH ANONYMOUS\r\nBEGIN\r\n";
        struct connection *connection = &connections[n_connections++];
        char unread[1024];
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        *connection = (struct connection) {.peer = pair[1], .uid = uid};
        ck_assert_int_ge(sd_bus_new(&connection->bus), 0);
        ck_assert_int_ge(sd_bus_set_server(connection->bus, true, SD_ID128_MAKE(01, 02, 03, 04, 05, 06, 07, 08, 09, 0a, 0b, 0c, 0d, 0e, 0f, 10)), 0);
        ck_assert_int_ge(sd_bus_set_anonymous(connection->bus, true), 0);
        ck_assert_int_ge(sd_bus_add_fallback(connection->bus, NULL, "/", on_call, connection), 0);
        ck_assert_int_ge(sd_bus_match_signal(connection->bus, NULL, "org.freedesktop.DBus.Local", NULL, "org.freedesktop.DBus.Local", "Disconnected",
                                             on_ended, connection), 0);
        ck_assert_int_ge(sd_bus_set_fd(connection->bus, pair[0], pair[0]), 0);
        ck_assert_int_ge(sd_bus_start(connection->bus), 0);
        ck_assert_int_eq(rounds_add(rounds, connection->bus, uid, on_broken, connection, &connection->entry), 0);
        ck_assert_int_eq(send(pair[1], "\0", 1, 0), 1);
        ck_assert_int_eq(send(pair[1], handshake, sizeof(handshake) - 1, 0), sizeof(handshake) - 1);
        settle(event);
        ck_assert_int_gt(recv(pair[1], unread, sizeof(unread), 0), 0);
        ck_assert_int_gt(sd_bus_is_ready(connection->bus), 0);
        return connection;
}

static void say(const struct connection *connection, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                ck_assert_int_eq(send(connection->peer, call, sizeof(call), 0), sizeof(call));
}

static void begin(sd_event **event, struct rounds **rounds) {
        n_connections = n_order = 0;
        removes = NULL;
        ck_assert_int_ge(sd_event_new(event), 0);
        ck_assert_int_eq(rounds_new(*event, rounds), 0);
}

static void end(sd_event *event, struct rounds *rounds) {
        for (size_t i = 0; i < n_connections; i++) {
                drop(&connections[i]);
                (void) close(connections[i].peer);
        }
        (void) rounds_free(rounds);
        (void) sd_event_unref(event);
}

/* Bob's second message waits for one of Alice's, though she has sent a thousand on twenty connections; hers are served evenly. */
START_TEST(test_turns) {
        struct connection *flood[FLOODS], *bob;
        struct rounds *rounds;
        sd_event *event;

        begin(&event, &rounds);
        for (size_t i = 0; i < FLOODS; i++)
                flood[i] = connect_as(event, rounds, ALICE);
        bob = connect_as(event, rounds, BOB);
        for (size_t i = 0; i < FLOODS; i++)
                say(flood[i], MESSAGES);
        say(bob, 5);
        while (n_order < 10 + FLOODS * 2)
                ck_assert_int_gt(sd_event_run(event, 0), 0);
        for (size_t i = 0; i < 10; i += 2)
                ck_assert_uint_ne(order[i], order[i + 1]);
        ck_assert_uint_eq(bob->n_calls, 5);
        for (size_t i = 0; i < FLOODS; i++) {
                ck_assert_uint_ge(flood[i]->n_calls, 2);
                ck_assert_uint_le(flood[i]->n_calls, 3);
        }
        settle(event);
        ck_assert_uint_eq(n_order, FLOODS * MESSAGES + 5);
        end(event, rounds);
}
END_TEST

/* Connections that end in the middle of a round: of the same user, of another, the last of a user's. */
START_TEST(test_removed) {
        struct connection *alice, *other, *bob;
        struct rounds *rounds;
        sd_event *event;

        begin(&event, &rounds);
        alice = connect_as(event, rounds, ALICE);
        other = connect_as(event, rounds, ALICE);
        bob = connect_as(event, rounds, BOB);
        say(alice, 2);
        say(bob, 2);
        removes = bob;
        settle(event);
        ck_assert_uint_le(bob->n_calls, 1);
        ck_assert_uint_eq(alice->n_calls, 2);
        say(other, 1);
        removes = other; /* by its own message */
        settle(event);
        ck_assert_uint_eq(other->n_calls, 1);
        say(alice, 1);
        settle(event);
        ck_assert_uint_eq(alice->n_calls, 3);
        end(event, rounds);
}
END_TEST

/* An end is told by sd-bus, noise by `broken`; an answer that did not fit is written when there is room. */
START_TEST(test_ends) {
        struct connection *gone, *noisy, *slow;
        struct rounds *rounds;
        char unread[4096];
        sd_event *event;
        ssize_t n = 0;

        begin(&event, &rounds);
        gone = connect_as(event, rounds, ALICE);
        noisy = connect_as(event, rounds, ALICE);
        slow = connect_as(event, rounds, BOB);
        ck_assert_int_eq(shutdown(gone->peer, SHUT_RDWR), 0);
        for (int i = 0; i < 4; i++)
                ck_assert_int_eq(send(noisy->peer, "????????????????", 16, 0), 16);
        settle(event);
        ck_assert(gone->ended && !gone->broken);
        ck_assert(noisy->ended || noisy->broken);
        for (unsigned i = 0; i < 10000; i++)
                ck_assert_int_ge(sd_bus_emit_signal(slow->bus, "/", "a.b", "S", "s", "a signal that nobody reads for a while"), 0);
        settle(event);
        for (ssize_t part; (part = recv(slow->peer, unread, sizeof(unread), 0)) > 0 || sd_event_run(event, 0) > 0;)
                n += part > 0 ? part : 0;
        ck_assert_int_gt(n, 10000 * 100);
        end(event, rounds);
}
END_TEST

UNIT_MAIN("rounds", test_turns, test_removed, test_ends)
