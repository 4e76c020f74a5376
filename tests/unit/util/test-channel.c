/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages with fds between two processes that do not trust each other. */

#include "util/channel.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../unit.h"

static int pair[2];

static void make_pair(void) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
}

static int count_fds(void) {
        _cleanup_closedir_ DIR *directory = opendir("/proc/self/fd");
        int count = 0;

        while (readdir(directory))
                count++;
        return count;
}

static void check_round_trip(size_t size) {
        _cleanup_message_ struct channel_message message = {};
        _cleanup_free_ uint8_t *data = malloc(size + 1);

        for (size_t i = 0; i < size; i++)
                data[i] = (uint8_t) (i * 31);
        ck_assert_int_eq(channel_send(pair[0], data, size, NULL, 0), 0);
        ck_assert_int_eq(channel_receive(pair[1], 0, &message), 1);
        ck_assert_uint_eq(message.size, size);
        ck_assert_uint_eq(message.n_fds, 0);
        ck_assert_int_eq(memcmp(message.data, data, size), 0);
}

START_TEST(test_sizes) {
        make_pair();
        check_round_trip(0);
        check_round_trip(1);
        check_round_trip(CHANNEL_INLINE_MAX);
        check_round_trip(CHANNEL_INLINE_MAX + 1);
        check_round_trip(CHANNEL_MESSAGE_MAX);
        ck_assert_int_eq(channel_send(pair[0], "", (size_t) CHANNEL_MESSAGE_MAX + 1, NULL, 0), -E2BIG);
}
END_TEST

static void check_fds(size_t size, size_t n_fds) {
        _cleanup_message_ struct channel_message message = {};
        _cleanup_free_ uint8_t *data = calloc(1, size + 1);
        int fds[CHANNEL_FDS_MAX], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        struct stat sent, received;

        for (size_t i = 0; i < n_fds; i++)
                fds[i] = null;
        ck_assert_int_eq(channel_send(pair[0], data, size, fds, n_fds), 0);
        ck_assert_int_eq(channel_receive(pair[1], 0, &message), 1);
        ck_assert_uint_eq(message.n_fds, n_fds);
        ck_assert_uint_eq(message.size, size);
        ck_assert_int_eq(fstat(null, &sent), 0);
        for (size_t i = 0; i < n_fds; i++) {
                ck_assert_int_eq(fstat(message.fds[i], &received), 0);
                ck_assert_uint_eq(sent.st_rdev, received.st_rdev);
                ck_assert_int_eq(fcntl(message.fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        }
        ck_assert_int_eq(close(null), 0);
}

START_TEST(test_fds) {
        int before, many[CHANNEL_FDS_MAX + 1] = {};

        make_pair();
        before = count_fds();
        check_fds(10, 1);
        check_fds(10, CHANNEL_FDS_MAX);
        check_fds(CHANNEL_INLINE_MAX * 2, 2);
        check_fds(CHANNEL_INLINE_MAX * 2, CHANNEL_FDS_MAX);
        ck_assert_int_eq(channel_send(pair[0], "", 0, many, CHANNEL_FDS_MAX + 1), -E2BIG);
        ck_assert_int_eq(count_fds(), before);
}
END_TEST

START_TEST(test_ends) {
        struct channel_message message = {};

        make_pair();
        ck_assert_int_eq(channel_receive(pair[1], 0, &message), -EAGAIN);
        ck_assert_int_eq(close(pair[0]), 0);
        ck_assert_int_eq(channel_receive(pair[1], 0, &message), 0);
        ck_assert_int_eq(channel_send(pair[1], "x", 1, NULL, 0), -EPIPE);
}
END_TEST

START_TEST(test_full) {
        static const uint8_t data[1024];
        int r;

        make_pair();
        do
                r = channel_send(pair[0], data, sizeof(data), NULL, 0);
        while (r == 0);
        ck_assert_int_eq(r, -EAGAIN);
}
END_TEST

struct raw_header {
        uint64_t magic;
        uint32_t size;
        uint32_t in_memfd;
};

/* Sends a header of any content, `extra` more bytes and up to one fd. */
static void send_raw(struct raw_header header, size_t extra, int fd) {
        _cleanup_free_ char *bytes = calloc(1, sizeof(header) + extra);
        struct iovec part = {.iov_base = bytes, .iov_len = sizeof(header) + extra};
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

        memcpy(bytes, &header, sizeof(header));
        if (fd >= 0) {
                message.msg_control = control.bytes;
                message.msg_controllen = sizeof(control.bytes);
                control.align.cmsg_level = SOL_SOCKET;
                control.align.cmsg_type = SCM_RIGHTS;
                control.align.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.align), &fd, sizeof(int));
        }
        ck_assert_int_ge(sendmsg(pair[0], &message, 0), 0);
}

static void check_refused(struct raw_header header, size_t extra, int fd) {
        struct channel_message message = {};
        int before = count_fds();

        send_raw(header, extra, fd);
        ck_assert_int_eq(channel_receive(pair[1], 0, &message), -EBADMSG);
        ck_assert_ptr_null(message.data);
        ck_assert_int_eq(count_fds(), before);
}

START_TEST(test_hostile) {
        static const uint64_t magic = UINT64_C(0x706f646d6f756e74);
        static const uint32_t large = CHANNEL_INLINE_MAX * 2;
        _cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        _cleanup_close_ int memfd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int fifo[2];

        make_pair();
        ck_assert_int_eq(pipe2(fifo, O_CLOEXEC), 0);
        ck_assert_int_eq(ftruncate(memfd, large), 0);

        ck_assert_int_eq(send(pair[0], "short", 5, 0), 5);
        ck_assert_int_eq(channel_receive(pair[1], 0, &(struct channel_message) {}), -EBADMSG);
        check_refused((struct raw_header) {magic + 1, 0, 0}, 0, -1);
        check_refused((struct raw_header) {magic, 1, 0}, 0, null);     /* fewer bytes than told */
        check_refused((struct raw_header) {magic, 1, 0}, 2, -1);       /* more */
        check_refused((struct raw_header) {magic, UINT32_MAX, 0}, 2, -1);
        check_refused((struct raw_header) {magic, 8, 2}, 8, -1);
        check_refused((struct raw_header) {magic, large, 1}, 0, -1);   /* no fd at all */
        check_refused((struct raw_header) {magic, large, 1}, 0, null); /* not a memfd */
        check_refused((struct raw_header) {magic, large, 1}, 0, fifo[0]);
        check_refused((struct raw_header) {magic, large, 1}, 0, memfd); /* could still change */
        check_refused((struct raw_header) {magic, CHANNEL_INLINE_MAX + 1, 0}, CHANNEL_INLINE_MAX + 1, -1);
        ck_assert_int_eq(fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
        check_refused((struct raw_header) {magic, large + 1, 1}, 0, memfd); /* another size than told */
        check_refused((struct raw_header) {magic, large, 1}, 1, memfd);     /* bytes twice */
        check_round_trip(100);
}
END_TEST

UNIT_MAIN("channel", test_sizes, test_fds, test_ends, test_full, test_hostile)
