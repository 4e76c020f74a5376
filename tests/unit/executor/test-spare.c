/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Workers that are made before there is anything to do: each carries out one order, shut in as all others are. */

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "executor/spare.h"
#include "tests/unit/executor/hands.h"
#include "util/channel.h"
#include "util/text.h"

static unsigned generation; /* of whoever makes workers: each has that of its birth */

enum { BORN, BYTES, FDS, OPEN, ESCAPES };

static unsigned open_fds(void) {
        unsigned n = 0;

        for (int fd = 0; fd < 256; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

/* Ways out that all work: a bit each. */
static unsigned escapes(void) {
        const struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
        unsigned found = 0;

        found |= open("/tmp/run", O_PATH | O_CLOEXEC) >= 0 ? 1 : 0;
        found |= socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 2 : 0;
        found |= unshare(CLONE_NEWNS) == 0 ? 4 : 0;
        found |= mkdir("/new", 0700) == 0 ? 8 : 0;
        if (syscall(SYS_capget, &header, data) < 0 || data[0].permitted != 1u << CAP_DAC_READ_SEARCH || data[1].permitted != 0)
                found |= 16;
        return found | (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0 ? 32 : 0);
}

static int work(struct worker *worker, const int *fds, size_t n_fds, void *order, size_t size) {
        uint64_t *figures = worker_figures(worker);
        char c;

        figures[BORN] = generation;
        figures[BYTES] = size;
        figures[FDS] = n_fds;
        figures[OPEN] = open_fds();
        figures[ESCAPES] = escapes();
        for (size_t i = 0; i < n_fds; i++)
                if (read(fds[i], &c, 1) != 1 || c != *(const char *) order)
                        return -EBADMSG;
        return 0;
}

static struct spare spare = {
        .setup = {.name = "podmount-test", .root = -1, .capabilities = UINT64_C(1) << CAP_DAC_READ_SEARCH},
        .work = work,
        .channel = -1,
};

static bool begin(void) {
        if (!hands_begin(NULL))
                return false;
        (void) signal(SIGCHLD, SIG_IGN); /* as in an executor */
        return true;
}

static void until_it_hangs_up(int channel) {
        struct pollfd poll_fd = {.fd = channel};

        ck_assert_int_eq(poll(&poll_fd, 1, 20000), 1);
        ck_assert(poll_fd.revents & POLLHUP);
}

/* Gives an order of one byte with two fds that say the same, and returns when whoever carried it out was made. */
static uint64_t give_order(char c) {
        _cleanup_message_ struct channel_message message = {};
        struct stream_head head;
        int pipes[2][2], channel;

        for (size_t i = 0; i < ELEMENTSOF(pipes); i++) {
                ck_assert_int_eq(pipe2(pipes[i], O_CLOEXEC), 0);
                ck_assert_int_eq(write(pipes[i][1], &c, 1), 1);
        }
        ck_assert_int_eq(spare_start(&spare, (const int[]) {pipes[0][0], pipes[1][0]}, 2, &c, 1, &channel), 0);
        ck_assert_int_eq(spare.channel, -1);
        for (size_t i = 0; i < ELEMENTSOF(pipes); i++)
                for (size_t j = 0; j < 2; j++)
                        (void) close_fd(pipes[i][j]);
        ck_assert_int_eq(channel_receive(channel, 0, &message), 1);
        memcpy(&head, message.data, sizeof(head));
        ck_assert_uint_eq(head.kind, STREAM_DONE);
        ck_assert_uint_eq(head.figures[BYTES], 1);
        ck_assert_uint_eq(head.figures[FDS], 2);
        ck_assert_uint_eq(head.figures[OPEN], 3 + 1 + 2); /* stdio, the channel, what it was given */
        ck_assert_uint_eq(head.figures[ESCAPES], 0);
        until_it_hangs_up(channel);
        (void) close_fd(channel);
        return head.figures[BORN];
}

START_TEST(test_orders) {
        if (!begin())
                return;
        generation = 1;
        spare_prepare(&spare); /* nobody has wanted one */
        ck_assert_int_eq(spare.channel, -1);
        ck_assert_uint_eq(give_order('a'), 1);
        for (char c = 'b'; c < 'f'; c++) {
                spare_prepare(&spare);
                ck_assert_int_ge(spare.channel, 0);
                generation++;
                ck_assert_uint_eq(give_order(c), generation - 1);
        }
        ck_assert_uint_eq(give_order('f'), generation);
}
END_TEST

static bool is_called(int pid, const char *name) {
        _cleanup_free_ char *path = text_format("/proc/%d/comm", pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        char found[32] = "";

        return file && fgets(found, sizeof(found), file) && strncmp(found, name, strlen(name)) == 0;
}

/* The guard of the one that waits, which may not have said its name yet. */
static pid_t who_waits(void) {
        for (;;) {
                _cleanup_fclose_ FILE *file = fopen("/proc/thread-self/children", "re");
                int child;

                ck_assert_ptr_nonnull(file);
                while (fscanf(file, "%d", &child) == 1)
                        if (is_called(child, "podmount-spare"))
                                return child;
        }
}

/* An order that nobody is there for any more is given to another one. */
START_TEST(test_killed) {
        if (!begin())
                return;
        generation = 1;
        ck_assert_uint_eq(give_order('a'), 1);
        spare_prepare(&spare);
        ck_assert_int_eq(kill(who_waits(), SIGKILL), 0);
        until_it_hangs_up(spare.channel);
        generation++;
        ck_assert_uint_eq(give_order('b'), 2);
}
END_TEST

/* Whatever ends the executor ends the one that waits. */
START_TEST(test_executor_dies) {
        _cleanup_message_ struct channel_message message = {};
        struct pollfd poll_fd = {.events = POLLIN};
        int pair[2];
        pid_t child;

        if (!begin())
                return;
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        child = fork();
        if (child == 0) {
                int guard;

                spare.wanted = true;
                spare_prepare(&spare);
                guard = (int) syscall(SYS_pidfd_open, who_waits(), 0);
                if (guard < 0 || channel_send(pair[1], "", 1, &guard, 1) < 0)
                        _exit(1);
                (void) pause();
        }
        ck_assert_int_eq(channel_receive(pair[0], 0, &message), 1);
        ck_assert_uint_eq(message.n_fds, 1);
        poll_fd.fd = message.fds[0];
        ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert_int_eq(poll(&poll_fd, 1, 20000), 1);
}
END_TEST

UNIT_MAIN("spare", test_orders, test_killed, test_executor_dies)
