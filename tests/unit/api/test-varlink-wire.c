/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Framing over a socket pair: whole messages, halves, many at once, fds, and what ends a connection. */

#include "api/varlink-wire.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "unit.h"
#include "util/array.h"

static sd_event *event;
static struct varlink_wire *wire;
static int other;
static char **messages;
static size_t n_fds[16], room_max = SIZE_MAX;
static bool ended, pausing, refusing;

static int on_message(const char *text, size_t size, struct bus_json_fds *fds, void *userdata _unused_) {
        _cleanup_free_ char *copy = strndup(text, size);

        ck_assert_uint_eq(strlen(copy), size);
        if (strv_length(messages) < ELEMENTSOF(n_fds))
                n_fds[strv_length(messages)] = fds->n_fds;
        ck_assert_int_eq(strv_append(&messages, size > 100 ? "(long)" : copy), 0);
        if (pausing)
                varlink_wire_pause(wire);
        return refusing ? -EBADMSG : 0;
}

static bool take_fd(int fd _unused_, size_t n_others _unused_, void *userdata _unused_) {
        return true;
}

static bool may_grow(size_t size, void *userdata _unused_) {
        return size <= room_max;
}

static void on_closed(void *userdata _unused_) {
        ended = true;
        wire = varlink_wire_free(wire);
}

static const struct varlink_wire_handlers handlers = {.message = on_message, .may_grow = may_grow, .take_fd = take_fd, .closed = on_closed};

static void begin(void) {
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_ge(varlink_wire_new(event, pair[0], &handlers, NULL, &wire), 0);
        other = pair[1];
}

static void end(void) {
        wire = varlink_wire_free(wire);
        event = sd_event_unref(event);
        (void) close_fd(other);
        messages = strv_free(messages);
}

/* Runs the loop until nothing happens. */
static void turn(void) {
        while (sd_event_run(event, 20 * 1000) > 0)
                continue;
}

static void put(const char *bytes, size_t size) {
        ck_assert_int_eq(send(other, bytes, size, MSG_NOSIGNAL), (ssize_t) size);
}

static void put_fds(const char *bytes, size_t size, int fd, size_t n) {
        union {
                char bytes[CMSG_SPACE(VARLINK_FDS_MAX * sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec part = {.iov_base = strdup(bytes), .iov_len = size};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n * sizeof(int))};

        control.align = (struct cmsghdr) {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(n * sizeof(int))};
        for (size_t i = 0; i < n; i++)
                memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &fd, sizeof(fd));
        ck_assert_int_eq(sendmsg(other, &message, MSG_NOSIGNAL), (ssize_t) size);
        free(part.iov_base);
}

static size_t count_open(void) {
        _cleanup_closedir_ DIR *directory = opendir("/proc/self/fd");
        size_t n = 0;

        while (readdir(directory))
                n++;
        return n;
}

START_TEST(test_frames) {
        begin();
        put("{}\0[1]\0hal", 10);
        turn();
        ck_assert_uint_eq(strv_length(messages), 2);
        put("f\0", 2);
        put("\0", 1);
        turn();
        ck_assert_uint_eq(strv_length(messages), 4);
        ck_assert_str_eq(messages[1], "[1]");
        ck_assert_str_eq(messages[2], "half");
        ck_assert_str_eq(messages[3], "");
        ck_assert(!ended);
        end();
}
END_TEST

START_TEST(test_one_at_a_time) {
        begin();
        pausing = true;
        put("a\0b\0c\0", 6);
        turn();
        ck_assert_uint_eq(strv_length(messages), 1);
        put("d\0", 2);
        varlink_wire_resume(wire);
        turn();
        ck_assert_uint_eq(strv_length(messages), 2);
        pausing = false;
        varlink_wire_resume(wire);
        turn();
        ck_assert_uint_eq(strv_length(messages), 4);
        ck_assert_str_eq(messages[3], "d");
        end();
}
END_TEST

/* What comes while a call is being answered stays in the socket. */
START_TEST(test_nothing_is_read_meanwhile) {
        char block[16384];

        memset(block, 'x', sizeof(block));
        begin();
        pausing = true;
        put("a\0", 2);
        turn();
        ck_assert_uint_eq(strv_length(messages), 1);
        for (int i = 0; i < 8; i++)
                put(block, sizeof(block));
        turn();
        ck_assert_uint_le(varlink_wire_room(wire), 4096);
        pausing = false;
        varlink_wire_resume(wire);
        turn();
        ck_assert_uint_ge(varlink_wire_room(wire), 8 * sizeof(block));
        end();
}
END_TEST

START_TEST(test_unread_answers) {
        _cleanup_json_ struct json_object *object = json_object_new_string_len(NULL, 0);
        char *long_text = malloc(1 << 20);
        char buffer[65536];
        ssize_t n;

        memset(long_text, 'x', 1 << 20);
        (void) json_object_put(object);
        object = json_object_new_string_len(long_text, 1 << 20);
        begin();
        ck_assert_int_eq(varlink_wire_send(wire, object, NULL), 0);
        ck_assert_uint_gt(varlink_wire_unwritten(wire), 0);
        put("a\0", 2);
        turn();
        ck_assert_uint_eq(strv_length(messages), 0); /* nothing is taken while an answer is unread */
        do {
                n = recv(other, buffer, sizeof(buffer), 0);
                (void) sd_event_run(event, 1000);
        } while (n > 0 || varlink_wire_unwritten(wire) > 0);
        turn();
        ck_assert_uint_eq(strv_length(messages), 1);
        free(long_text);
        end();
}
END_TEST

START_TEST(test_fds) {
        _cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        size_t before;

        begin();
        before = count_open();
        put("a\0", 2);
        put_fds("b\0", 2, fd, 3);
        put("c\0", 2);
        put_fds("d", 1, fd, 1);
        put_fds("d\0", 2, fd, 2);
        put("e\0", 2);
        turn();
        ck_assert_uint_eq(strv_length(messages), 5);
        ck_assert_uint_eq(n_fds[0], 0);
        ck_assert_uint_eq(n_fds[1], 3);
        ck_assert_uint_eq(n_fds[2], 0);
        ck_assert_uint_eq(n_fds[3], 3);
        ck_assert_uint_eq(n_fds[4], 0);
        ck_assert_uint_eq(count_open(), before); /* nobody took them */
        put_fds("f", 1, fd, 253);
        put_fds("f", 1, fd, 1);
        turn();
        ck_assert(ended);
        ck_assert_uint_eq(count_open(), before - 1);
        end();
}
END_TEST

START_TEST(test_fds_sent) {
        struct bus_json_fds fds = {};
        _cleanup_json_ struct json_object *object = json_object_new_object();
        union {
                char bytes[CMSG_SPACE(16 * sizeof(int))];
                struct cmsghdr align;
        } control = {};
        char buffer[16];
        struct iovec part = {.iov_base = buffer, .iov_len = sizeof(buffer)};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};

        begin();
        fds.fds = calloc(2, sizeof(int));
        fds.n_fds = 2;
        fds.fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        fds.fds[1] = open("/", O_PATH | O_CLOEXEC);
        ck_assert_int_eq(varlink_wire_send(wire, object, &fds), 0);
        ck_assert_ptr_null(fds.fds);
        ck_assert_int_eq(recvmsg(other, &message, MSG_CMSG_CLOEXEC), 3);
        ck_assert_int_eq(memcmp(buffer, "{}", 3), 0);
        ck_assert_uint_eq(control.align.cmsg_len, CMSG_LEN(2 * sizeof(int)));
        end();
}
END_TEST

START_TEST(test_limits) {
        char *large = malloc(VARLINK_MESSAGE_MAX + 2);
        size_t sent = 0;

        memset(large, ' ', VARLINK_MESSAGE_MAX + 2);
        for (int i = 0; i < 2; i++) { /* just small enough, and one byte more */
                size_t size = (size_t) VARLINK_MESSAGE_MAX + 1 + (size_t) i;

                large[size - 1] = '\0';
                ended = false;
                begin();
                for (sent = 0; sent < size && !ended;) {
                        ssize_t n = send(other, large + sent, size - sent, MSG_NOSIGNAL);

                        sent += n > 0 ? (size_t) n : 0;
                        (void) sd_event_run(event, 0);
                }
                turn();
                ck_assert_uint_eq(strv_length(messages), i == 0);
                ck_assert(ended == (i == 1));
                if (i == 0)
                        ck_assert_uint_le(varlink_wire_room(wire), 64 * 1024); /* it is given back */
                end();
                large[size - 1] = ' ';
        }
        free(large);
}
END_TEST

START_TEST(test_room) {
        char block[32768];

        memset(block, 'x', sizeof(block));
        begin();
        room_max = 65536;
        for (int i = 0; i < 4 && !ended; i++) {
                put(block, sizeof(block));
                turn();
        }
        ck_assert(ended);
        end();
}
END_TEST

START_TEST(test_ends) {
        begin();
        refusing = true;
        put("a\0b\0", 4);
        turn();
        ck_assert(ended);
        ck_assert_uint_eq(strv_length(messages), 1);
        end();

        refusing = ended = false;
        begin();
        put("a\0b", 3);
        ck_assert_int_eq(shutdown(other, SHUT_WR), 0);
        turn();
        ck_assert(ended);
        ck_assert_uint_eq(strv_length(messages), 1);
        end();

        ended = false;
        begin();
        pausing = true;
        put("a\0", 2);
        turn();
        ck_assert(!ended);
        other = close_fd(other);
        turn();
        ck_assert(ended); /* also while a call is being answered */
        end();
}
END_TEST

UNIT_MAIN("varlink-wire", test_frames, test_one_at_a_time, test_nothing_is_read_meanwhile, test_unread_answers, test_fds, test_fds_sent, test_limits, test_room, test_ends)
