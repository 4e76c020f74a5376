/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Three processes as client, front and executor, with nothing to do but to pass 128 bytes on: a stream socket and an
 * epoll loop before the front, a socket of packets behind it. */

#include "roundtrip.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 128 };

static void must(int r, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static void pass(int to, const char *data) {
        must(write(to, data, SIZE) == SIZE ? 0 : -1, "write");
}

static pid_t start(void) {
        pid_t pid = fork();

        must(pid, "fork");
        if (pid == 0)
                must(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "prctl");
        return pid;
}

static void executor(int socket) {
        char data[SIZE];

        while (read(socket, data, SIZE) == SIZE)
                pass(socket, data);
        _exit(0);
}

static void add(int epoll, int fd) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

        must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

/* The first byte says whether the executor is to see the message. */
static void front(int client, int worker) {
        int epoll = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event;
        char data[SIZE];

        must(epoll, "epoll_create1");
        add(epoll, client);
        add(epoll, worker);
        while (epoll_wait(epoll, &event, 1, -1) == 1 && read(event.data.fd, data, SIZE) == SIZE)
                pass(event.data.fd == client && data[0] ? worker : client, data);
        _exit(0);
}

void roundtrip_measure(size_t n, struct samples *direct, struct samples *through) {
        int outer[2], inner[2];
        char data[SIZE] = {};
        pid_t pids[2];

        must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, outer), "socketpair");
        must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, inner), "socketpair");
        pids[0] = start();
        if (pids[0] == 0)
                executor(inner[1]);
        pids[1] = start();
        if (pids[1] == 0)
                front(outer[1], inner[0]);
        for (size_t i = 0; i < 2 * n; i++) {
                double begin = sample_now();

                data[0] = (char) (i % 2);
                pass(outer[0], data);
                must(read(outer[0], data, SIZE) == SIZE ? 0 : -1, "read");
                samples_add(i % 2 ? through : direct, sample_now() - begin);
        }
        for (size_t i = 0; i < 2; i++) {
                (void) kill(pids[i], SIGKILL); /* it has ended by itself, at best */
                (void) waitpid(pids[i], NULL, 0);
                (void) close(outer[i]); /* nothing was written that could be lost */
                (void) close(inner[i]);
        }
}
