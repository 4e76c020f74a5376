/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both processes close and drop all they can before anything is read. The guard exists because a read(2) from what a client
 * sent may never return: it waits for the front in the worker's place. All of an executor's workers are shut in in one room, where
 * there is nothing; it is made for the first of them. */

#include "executor/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/confine.h"
#include "kernel/tree.h"
#include "util/channel.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

enum {
        WORKER_CHANNEL = STDERR_FILENO + 1, /* its fds: stdio is /dev/null, then this, then what it was given */
        WORKER_FIRST_FD,
        PROGRESS_INTERVAL_MS = 100,
        FILES_MAX = 256, /* that it may have open */
};

/* The executor's. */
static struct confine_room room = CONFINE_ROOM_INIT;

struct worker {
        uint64_t figures[STREAM_FIGURES];
        int64_t told_ms; /* CLOCK_MONOTONIC, of the last progress */
        struct failure failure;
        int error;
};

uint64_t *worker_figures(struct worker *worker) {
        return worker->figures;
}

int worker_order(struct worker *worker, struct channel_message *ret) {
        int r = channel_receive(WORKER_CHANNEL, 0, ret);

        worker->told_ms = clock_ms(); /* there is no progress to tell yet */
        return r;
}

static int say(struct worker *worker, enum stream_kind kind, const void *data, size_t size) {
        static union { /* not on the stack, of which each page would be touched */
                struct stream_head head;
                uint8_t bytes[STREAM_MESSAGE_MAX];
        } message;

        message.head = (struct stream_head) {.magic = STREAM_MAGIC, .kind = kind};
        if (size > STREAM_BYTES_MAX)
                return -E2BIG;
        if (kind == STREAM_FAILED) {
                message.head.failure = worker->failure.kind;
                message.head.error = worker->error;
        }
        memcpy(message.head.figures, worker->figures, sizeof(message.head.figures));
        if (size > 0)
                memcpy(message.bytes + sizeof(message.head), data, size);
        return channel_send(WORKER_CHANNEL, message.bytes, sizeof(message.head) + size, NULL, 0);
}

int worker_progress(struct worker *worker) {
        int64_t now = clock_ms();

        if (now - worker->told_ms < PROGRESS_INTERVAL_MS)
                return 0;
        worker->told_ms = now;
        return say(worker, STREAM_PROGRESS, NULL, 0);
}

int worker_portion(struct worker *worker, const void *data, size_t size) {
        return say(worker, STREAM_PORTION, data, size);
}

int worker_fail(struct worker *worker, enum failure_kind kind, int error, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        const char *name = error ? strerrorname_np(error) : NULL, *meaning = error ? strerrordesc_np(error) : NULL;
        va_list arguments;

        va_start(arguments, format);
        text = text_vformat(format, arguments);
        va_end(arguments);
        if (worker->failure.kind == FAILURE_NONE)
                worker->error = error;
        if (name)
                return failure_set(&worker->failure, kind, "%s: %s (%s)", text ? text : "", name, meaning ? meaning : "");
        return failure_set(&worker->failure, kind, "%s", text ? text : "");
}

void worker_doubt(struct worker *worker, struct failure *ret) {
        failure_move(ret, &worker->failure);
}

void worker_insist(struct worker *worker, struct failure *failure) {
        failure_move(&worker->failure, failure);
}

static int limit(int resource, rlim_t value) {
        const struct rlimit limit = {.rlim_cur = value, .rlim_max = value};

        return setrlimit((__rlimit_resource_t) resource, &limit) < 0 ? -errno : 0;
}

/* AddressSanitizer takes terabytes of address space. */
static bool may_limit_memory(void) {
#if defined(__SANITIZE_ADDRESS__)
        return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
        return false;
#else
        return true;
#endif
#else
        return true;
#endif
}

/* As many files as it may have open: fewer where the system gives nobody so many. */
static int limit_files(rlim_t wanted) {
        struct rlimit now;

        if (limit(RLIMIT_NOFILE, wanted) == 0)
                return 0;
        if (getrlimit(RLIMIT_NOFILE, &now) < 0)
                return -errno;
        return limit(RLIMIT_NOFILE, wanted < now.rlim_max ? wanted : now.rlim_max);
}

static int take_powers(const struct worker_setup *setup) {
        const struct job_caller *caller = setup->caller;

        return caller ? confine_as(caller->uid, caller->gid, caller->groups, caller->n_groups) : confine_powers(setup->capabilities);
}

static _noreturn_ void work(const struct worker_setup *setup) {
        static struct worker worker;
        int fds[WORKER_FDS_MAX], r;

        for (size_t i = 0; i < setup->n_fds; i++)
                fds[i] = WORKER_FIRST_FD + (int) i;
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || limit_files(setup->files_max ? setup->files_max : FILES_MAX) < 0 ||
                take_powers(setup) < 0 || limit(RLIMIT_CORE, 0) < 0)
                _exit(1);
        if (setup->memory_max > 0 && may_limit_memory() && limit(RLIMIT_AS, setup->memory_max) < 0)
                _exit(1);
        r = setup->work(&worker, fds, setup->userdata);
        if (r < 0)
                (void) worker_fail(&worker, FAILURE_MOUNT_FAILED, -r, "the work failed");
        if (worker.failure.kind == FAILURE_NONE)
                r = say(&worker, STREAM_DONE, NULL, 0);
        else
                r = say(&worker, STREAM_FAILED, worker.failure.text, strlen(worker.failure.text));
        /* Who reads what it has written need not wait until its memory is given back. */
        (void) close_range(WORKER_FIRST_FD, ~0U, 0);
        _exit(r < 0 ? 1 : 0); /* unheard, it ends just the same */
}

/* Stdio, the channel, what the worker was given; nothing else is open. */
static int settle_fds(const struct worker_setup *setup, int channel, int null) {
        const int first = WORKER_FIRST_FD + WORKER_FDS_MAX + 1;
        int n = (int) setup->n_fds, from[WORKER_FDS_MAX + 1];

        /* Out of the way first: what is wanted somewhere may be where something else is wanted. */
        for (int i = -1; i < n; i++) {
                from[i + 1] = fcntl(i < 0 ? channel : setup->fds[i], F_DUPFD_CLOEXEC, 64 + first);
                if (from[i + 1] < 0)
                        return -errno;
        }
        for (int i = 0; i <= STDERR_FILENO; i++)
                if (dup2(null, i) < 0)
                        return -errno;
        for (int i = 0; i <= n; i++)
                if (dup3(from[i], WORKER_CHANNEL + i, O_CLOEXEC) < 0)
                        return -errno;
        return close_range((unsigned) (WORKER_FIRST_FD + n), ~0U, 0) < 0 ? -errno : 0;
}

static void reset_signals(void) {
        sigset_t none;

        (void) signal(SIGCHLD, SIG_DFL);
        (void) signal(SIGPIPE, SIG_IGN);
        (void) signal(SIGTERM, SIG_DFL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail with these arguments */
}

/* Until the front closes its end or the worker ends; that this process ends, ends the worker. */
static _noreturn_ void stand_guard(pid_t worker) {
        struct pollfd poll_fds[] = {
                {.fd = WORKER_CHANNEL}, /* POLLHUP alone */
                {.fd = (int) syscall(SYS_pidfd_open, worker, 0), .events = POLLIN},
        };

        if (poll_fds[1].fd < 0 || confine_powers(0) < 0)
                _exit(1);
        /* Nothing is told if this keeps an fd of the worker's: the end of a pipe, say. */
        for (int fd = WORKER_FIRST_FD; fd < poll_fds[1].fd; fd++)
                (void) close(fd);
        while (poll(poll_fds, ELEMENTSOF(poll_fds), -1) < 0 && errno == EINTR)
                ;
        _exit(0);
}

static _noreturn_ void guard(const struct worker_setup *setup, int channel, int root) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        pid_t worker;

        (void) prctl(PR_SET_NAME, setup->name); /* a name is for people */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || setsid() < 0)
                _exit(1);
        reset_signals();
        umask(0);
        if (null < 0 || confine_enter(&room, root) < 0 || settle_fds(setup, channel, null) < 0)
                _exit(1);
        worker = fork();
        if (worker < 0)
                _exit(1);
        if (worker == 0)
                work(setup);
        stand_guard(worker);
}

/* A clone of the root: it is taken into the worker's namespace, which takes no mount of another's. */
static int clone_root(const struct worker_setup *setup, int *ret) {
        const uint64_t never = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        _cleanup_close_ int mount = -1;
        int r;

        *ret = -1;
        if (setup->root < 0)
                return 0;
        mount = tree_clone(setup->root, false);
        if (mount < 0) {
                r = mount;
                mount = -1;
                return r;
        }
        r = tree_set(mount, false, never | (setup->read_only ? MOUNT_ATTR_RDONLY : 0), 0, MS_PRIVATE);
        if (r == 0)
                *ret = TAKE_FD(mount);
        return r;
}

int worker_room(int *ret_mounts) {
        int r = room.mounts < 0 ? confine_room_make(&room) : 0;

        if (r == 0)
                *ret_mounts = room.mounts;
        return r;
}

int worker_start(const struct worker_setup *setup, int *ret_channel) {
        _cleanup_close_ int mount = -1, ours = -1, theirs = -1;
        int pair[2], r;
        long pid;

        if (setup->n_fds > WORKER_FDS_MAX)
                return -EINVAL;
        for (size_t i = 0; i < setup->n_fds; i++)
                if (setup->fds[i] < 0) /* in its place the worker would have one of the executor's */
                        return -EBADF;
        r = room.mounts < 0 ? confine_room_make(&room) : 0;
        if (r < 0)
                return log_errno(LOG_ERR, r, "make a place for %s", setup->name);
        r = clone_root(setup, &mount);
        if (r < 0)
                return log_errno(LOG_ERR, r, "clone the directory of %s", setup->name);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return log_errno(LOG_ERR, errno, "make the channel of %s", setup->name);
        ours = pair[0];
        theirs = pair[1];
        pid = syscall(SYS_clone, CONFINE_NAMESPACES | SIGCHLD, NULL, NULL, NULL, 0);
        if (pid == 0)
                guard(setup, theirs, TAKE_FD(mount));
        r = pid < 0 ? log_errno(LOG_ERR, errno, "fork %s", setup->name) : 0;
        if (!confine_room_lasts())
                confine_room_done(&room);
        if (r < 0)
                return r;
        *ret_channel = TAKE_FD(ours);
        return 0;
}
