/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Being the caller is more than setfsuid(2): with any capability of ours left, /proc/PID/root of another process would
 * open. So it is a process, that gives everything up for good before it looks at a path. */

#include "executor/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kernel/resolve.h"
#include "util/channel.h"
#include "util/clock.h"
#include "util/log.h"

struct opener {
        int socket;
        int pidfd;
        int64_t deadline; /* CLOCK_MONOTONIC, ms */
};

enum request_kind {
        REQUEST_OPEN,
        REQUEST_OPEN_LINK,
        REQUEST_OPEN_READ,
        REQUEST_OPEN_WRITE,
        REQUEST_MAKE_DIRECTORY,
        REQUEST_MAKE_FILE,
        REQUEST_OPEN_IN,
        REQUEST_OPEN_BENEATH,
        REQUEST_UNMAKE,
        REQUEST_UNMAKE_FILE,
};

struct request {
        uint32_t kind;
        uint32_t made; /* REQUEST_UNMAKE: how many components */
        char path[]; /* the rest of the message, without a NUL */
};

struct answer {
        int32_t error; /* 0, and the fd comes along; or a positive errno */
};

/* Gives up everything that the caller does not have. */
static int become(const struct job_caller *caller, pid_t parent) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
        const struct rlimit no_core = {};

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0)
                return -errno;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                return -errno;
        if (setgroups(caller->n_groups, caller->groups) < 0 || setresgid(caller->gid, caller->gid, caller->gid) < 0 ||
                setresuid(caller->uid, caller->uid, caller->uid) < 0)
                return -errno;
        /* An id change to another uid has cleared them; for uid 0 of elsewhere it has not. */
        if (syscall(SYS_capset, &header, none) < 0)
                return -errno;
        /* Nobody with the same uid may look into this process or take its fds. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        /* Changing ids has cleared this one, too. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return -errno;
        return getppid() == parent ? 0 : -ESRCH;
}

static int open_data(const char *path, bool write) {
        _cleanup_close_ int fd = resolve_source(path);

        return fd < 0 ? fd : resolve_reopen(fd, write);
}

static int serve_one(const struct channel_message *message) {
        const struct request *request = (const struct request *) (const void *) message->data;
        _cleanup_free_ char *path = NULL;

        if (message->size < sizeof(*request))
                return -EBADMSG;
        path = strndup(request->path, message->size - sizeof(*request));
        if (!path)
                return -ENOMEM;
        if (request->kind == REQUEST_OPEN)
                return resolve_source(path);
        if (request->kind == REQUEST_OPEN_READ || request->kind == REQUEST_OPEN_WRITE)
                return open_data(path, request->kind == REQUEST_OPEN_WRITE);
        if (request->kind == REQUEST_OPEN_LINK)
                return resolve_source_link(path);
        if (message->n_fds != 1)
                return -EBADMSG;
        if (request->kind == REQUEST_OPEN_IN)
                return resolve_in_root(message->fds[0], path);
        if (request->kind == REQUEST_OPEN_BENEATH)
                return resolve_open_beneath(message->fds[0], path);
        if (request->kind == REQUEST_UNMAKE || request->kind == REQUEST_UNMAKE_FILE) {
                int r = resolve_unmake_in_root(message->fds[0], path, request->made, request->kind == REQUEST_UNMAKE_FILE);

                return r < 0 ? r : resolve_in_root(message->fds[0], "/"); /* an answer has an fd */
        }
        return resolve_make(message->fds[0], path, request->kind == REQUEST_MAKE_FILE);
}

static void serve(int socket) {
        for (;;) {
                _cleanup_message_ struct channel_message message = {};
                struct answer answer = {};
                int r = channel_receive(socket, 0, &message), fd;

                if (r <= 0)
                        return;
                fd = serve_one(&message);
                answer.error = fd < 0 ? -fd : 0;
                r = channel_send(socket, &answer, sizeof(answer), &fd, fd >= 0 ? 1 : 0);
                (void) close_fd(fd);
                if (r < 0)
                        return;
        }
}

static _noreturn_ void child(const struct job_caller *caller, int socket, pid_t parent) {
        (void) prctl(PR_SET_NAME, "podmount-opener"); /* a name is for people */
        if (dup2(socket, STDIN_FILENO) < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
                _exit(1);
        (void) close(STDOUT_FILENO); /* closing is all there is to do about them, failed or not */
        (void) close(STDERR_FILENO);
        umask(0022);
        if (chdir("/") < 0 || become(caller, parent) < 0)
                _exit(1);
        serve(STDIN_FILENO);
        _exit(0);
}

int opener_start(const struct job_caller *caller, struct opener **ret) {
        _cleanup_(opener_freep) struct opener *opener = calloc(1, sizeof(*opener));
        int pair[2];
        pid_t parent = getpid();
        long pid;

        if (!opener)
                return log_oom();
        *opener = (struct opener){.socket = -1, .pidfd = -1, .deadline = clock_ms() + OPENER_DEADLINE_MS};
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return log_errno(LOG_ERR, errno, "make the opener's socket");
        /* Like fork(2), with a pidfd: the child is reaped by whoever comes first, and never killed by a stale pid. */
        pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &opener->pidfd, NULL, 0);
        if (pid == 0)
                child(caller, pair[1], parent);
        (void) close_fd(pair[1]);
        opener->socket = pair[0];
        if (pid < 0) {
                opener->pidfd = -1;
                return log_errno(LOG_ERR, errno, "fork an opener");
        }
        *ret = TAKE_PTR(opener);
        return 0;
}

struct opener *opener_free(struct opener *opener) {
        if (!opener)
                return NULL;
        if (opener->pidfd >= 0)
                (void) syscall(
                        SYS_pidfd_send_signal, opener->pidfd, SIGKILL, NULL, 0); /* it may have ended by itself */
        (void) close_fd(opener->pidfd);
        (void) close_fd(opener->socket);
        free(opener);
        return NULL;
}

static int await(struct opener *opener) {
        struct pollfd poll_fd = {.fd = opener->socket, .events = POLLIN};

        for (;;) {
                int64_t left = opener->deadline - clock_ms();
                int r = poll(&poll_fd, 1, left > 0 ? (int) left : 0);

                if (r > 0)
                        return 0;
                if (r == 0)
                        return -ETIMEDOUT;
                if (errno != EINTR)
                        return -errno;
        }
}

static int ask_about(struct opener *opener, enum request_kind kind, const char *path, int fd, uint32_t made) {
        _cleanup_message_ struct channel_message message = {};
        size_t size = sizeof(struct request) + strlen(path);
        _cleanup_free_ struct request *request = malloc(size);
        struct answer answer;
        int r;

        if (!request)
                return -ENOMEM;
        *request = (struct request){.kind = kind, .made = made};
        memcpy(request->path, path, strlen(path));
        r = channel_send(opener->socket, request, size, &fd, fd >= 0 ? 1 : 0);
        if (r < 0)
                return r == -EPIPE ? -EIO : r;
        r = await(opener);
        if (r < 0)
                return r;
        r = channel_receive(opener->socket, 0, &message);
        if (r <= 0 || message.size != sizeof(answer))
                return -EIO;
        memcpy(&answer, message.data, sizeof(answer));
        if (answer.error != 0)
                return answer.error > 0 ? -answer.error : -EIO;
        if (message.n_fds != 1)
                return -EIO;
        return TAKE_FD(message.fds[0]);
}

static int ask(struct opener *opener, enum request_kind kind, const char *path, int fd) {
        return ask_about(opener, kind, path, fd, 0);
}

int opener_open(struct opener *opener, const char *path) {
        return ask(opener, REQUEST_OPEN, path, -1);
}

int opener_open_data(struct opener *opener, const char *path, bool write) {
        return ask(opener, write ? REQUEST_OPEN_WRITE : REQUEST_OPEN_READ, path, -1);
}

int opener_open_link(struct opener *opener, const char *path) {
        return ask(opener, REQUEST_OPEN_LINK, path, -1);
}

int opener_make(struct opener *opener, int directory, const char *rest, bool file) {
        return ask(opener, file ? REQUEST_MAKE_FILE : REQUEST_MAKE_DIRECTORY, rest, directory);
}

int opener_open_in(struct opener *opener, int root, const char *path) {
        return ask(opener, REQUEST_OPEN_IN, path, root);
}

int opener_open_beneath(struct opener *opener, int directory, const char *path) {
        return ask(opener, REQUEST_OPEN_BENEATH, path, directory);
}

int opener_unmake(struct opener *opener, int root, const char *path, uint32_t made, bool file) {
        _cleanup_close_ int fd = ask_about(opener, file ? REQUEST_UNMAKE_FILE : REQUEST_UNMAKE, path, root, made);

        return fd < 0 ? fd : 0;
}
