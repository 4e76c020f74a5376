/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each of the three processes drops what it does not need before the program begins. The supervisor stays outside of the namespaces,
 * because only the parent of a namespace's first process learns when all in it is gone. */

#include "executor/gc-run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/stream-message.h"
#include "kernel/confine.h"
#include "kernel/resolve.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

enum {
        FD_REPORT = STDERR_FILENO + 1, /* of guard and program… */
        FD_POD,
        FD_USERNS,
        FD_CHANNEL = FD_POD, /* of the supervisor, besides */
        FD_SAID = FD_USERNS,
        FD_GUARD,
        FD_FREE,
        FD_NULL = -2,
        PORTION_MAX = 4096,
        PORTIONS_MAX = 1024,
        TASKS_MAX = 32, /* times GC_PROGRAMS_MAX are well below TasksMax= of podmountd.service */
        FILES_MAX = 1024,
        DEATH_MS = 5000, /* what is killed may wait for a device or a server in the kernel */
};

/* How it came to an end, from guard or program to the supervisor; the first one counts. */
enum end_kind { END_NONE, END_PREPARE, END_OPEN, END_EXECUTE, END_EXITED, END_KILLED };
struct end {
        int32_t kind, value; /* an errno, a status, a signal */
};

struct supervisor {
        const struct gc_run *run;
        pid_t guard;
        int64_t until_ms; /* CLOCK_MONOTONIC */
        bool timed_out, stuck;
        size_t n_bytes, n_portions;
        uint64_t left_out;
};

static _noreturn_ void leave(enum end_kind kind, int value) {
        const struct end end = {.kind = kind, .value = value};
        ssize_t n = write(FD_REPORT, &end, sizeof(end));

        _exit(n == sizeof(end) && kind == END_EXITED ? 0 : 1);
}

static int limit(int resource, rlim_t value) {
        struct rlimit now;

        if (getrlimit((__rlimit_resource_t) resource, &now) < 0)
                return -errno;
        if (now.rlim_max > value)
                now.rlim_max = value;
        now.rlim_cur = now.rlim_max;
        return setrlimit((__rlimit_resource_t) resource, &now) < 0 ? -errno : 0;
}

/* As a new process has them: all that is ignored here is not ignored there. */
static void reset_signals(void) {
        sigset_t none;

        for (int number = 1; number < NSIG; number++)
                (void) signal(number, SIG_DFL); /* fails for those that cannot be ignored */
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail with these arguments */
}

static int check_file(const char *path) {
        _cleanup_close_ int fd = resolve_source(path);
        struct stat status;

        if (fd < 0)
                return fd;
        if (fstat(fd, &status) < 0)
                return -errno;
        return S_ISREG(status.st_mode) ? 0 : -EACCES;
}

static _noreturn_ void execute(const struct gc_run *run) {
        char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", debug[] = "--debug";
        _cleanup_free_ char *name = strdup(run->path), *uuid = strdup(run->uuid);
        char *argv[] = {name, run->debug ? debug : uuid, run->debug ? uuid : NULL, NULL}, *envp[] = {path, NULL};
        const struct job_caller *caller = run->caller;
        int r = name && uuid ? 0 : -ENOMEM;

        if (r == 0 && run->root)
                r = confine_within(run->root);
        if (r == 0)
                r = limit(RLIMIT_CORE, 0);
        if (r == 0)
                r = limit(RLIMIT_NOFILE, FILES_MAX);
        if (r == 0)
                r = confine_program(run->userns >= 0 ? FD_USERNS : -1, !run->root, caller->uid, caller->gid, caller->groups, caller->n_groups);
        if (r == 0) /* by whom it is now, and no more than it has */
                r = limit(RLIMIT_NPROC, TASKS_MAX);
        if (r == 0 && close_range(FD_POD, ~0U, 0) < 0)
                r = -errno;
        if (r < 0)
                leave(END_PREPARE, -r);
        umask(0022);
        reset_signals();
        r = check_file(run->path);
        if (r < 0)
                leave(END_OPEN, -r);
        (void) execve(run->path, argv, envp);
        leave(END_EXECUTE, errno);
}

/* The first process of a namespace inherits the orphans. */
static _noreturn_ void wait_for(pid_t program) {
        int status, r;
        pid_t pid;

        (void) close(STDERR_FILENO); /* its end is not the guard's */
        r = close_range(FD_POD, ~0U, 0) < 0 ? -errno : confine_powers(0);
        if (r < 0)
                leave(END_PREPARE, -r);
        do
                pid = waitpid(-1, &status, 0);
        while ((pid >= 0 && pid != program) || (pid < 0 && errno == EINTR));
        if (pid < 0)
                leave(END_PREPARE, errno);
        leave(WIFEXITED(status) ? END_EXITED : END_KILLED, WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* Whatever eats the memory goes before podmountd does. */
static void be_expendable(void) {
        _cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (fd >= 0 && write(fd, "1000", 4) != 4)
                (void) log_errno(LOG_DEBUG, errno, "set the OOM score of a gc program"); /* it can do without */
}

/* Each of the fds becomes the one with its index, -1 and FD_NULL for none and /dev/null; nothing else is open. */
static int settle_fds(const int wanted[FD_FREE]) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), from[FD_FREE];

        if (null < 0)
                return -errno;
        /* Out of the way first: what is wanted somewhere may be where something else is wanted. */
        for (int i = 0; i < FD_FREE; i++) {
                int fd = wanted[i] == FD_NULL ? null : wanted[i];

                from[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 64);
                if (fd >= 0 && from[i] < 0)
                        return -errno;
        }
        for (int i = 0; i < FD_FREE; i++)
                if (from[i] < 0)
                        (void) close(i); /* there may be none */
                else if (dup3(from[i], i, i > STDERR_FILENO ? O_CLOEXEC : 0) < 0)
                        return -errno;
        return close_range(FD_FREE, ~0U, 0) < 0 ? -errno : 0;
}

static _noreturn_ void guard(const struct gc_run *run, int said, int report) {
        pid_t program;
        const int fds[FD_FREE] = {FD_NULL, FD_NULL, said, [FD_REPORT] = report, [FD_POD] = run->pod, [FD_USERNS] = run->userns, [FD_GUARD] = -1};
        int r = settle_fds(fds);

        if (r < 0)
                _exit(1); /* there is nowhere to tell it */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || setsid() < 0)
                leave(END_PREPARE, errno);
        be_expendable();
        if (run->root)
                r = confine_root(dup(FD_POD));
        else if (fchdir(FD_POD) < 0)
                r = -errno;
        if (r < 0)
                leave(END_PREPARE, -r);
        program = fork();
        if (program < 0)
                leave(END_PREPARE, errno);
        if (program == 0)
                execute(run);
        wait_for(program);
}

static int say(const struct supervisor *supervisor, enum stream_kind kind, enum failure_kind failure, const void *data, size_t size) {
        union {
                struct stream_head head;
                uint8_t bytes[sizeof(struct stream_head) + PORTION_MAX];
        } message = {.head = {.magic = STREAM_MAGIC, .kind = kind, .failure = failure}};

        if (size > PORTION_MAX)
                size = PORTION_MAX;
        message.head.figures[0] = supervisor->left_out;
        if (size > 0)
                memcpy(message.bytes + sizeof(message.head), data, size);
        return channel_send(FD_CHANNEL, message.bytes, sizeof(message.head) + size, NULL, 0);
}

/* Passes on what there is, or drops it: the program never waits for the front. Whether there may be more. */
static bool pass_on(struct supervisor *supervisor) {
        char buffer[PORTION_MAX];
        ssize_t n = read(FD_SAID, buffer, sizeof(buffer));

        if (n <= 0)
                return n < 0 && errno == EINTR;
        if (supervisor->n_bytes + (size_t) n > GC_SAID_MAX || supervisor->n_portions >= PORTIONS_MAX ||
            say(supervisor, STREAM_PORTION, FAILURE_NONE, buffer, (size_t) n) < 0) {
                supervisor->left_out += (uint64_t) n;
                return true;
        }
        supervisor->n_bytes += (size_t) n;
        supervisor->n_portions++;
        return true;
}

static void kill_all(void) {
        (void) syscall(SYS_pidfd_send_signal, FD_GUARD, SIGKILL, NULL, 0); /* it may have ended */
}

/* Until nothing of the program is left, or the kernel does not let go of it. */
static void supervise(struct supervisor *supervisor) {
        struct pollfd polls[] = {
                {.fd = FD_GUARD, .events = POLLIN},
                {.fd = FD_CHANNEL}, /* POLLHUP alone */
                {.fd = FD_SAID, .events = POLLIN},
        };

        for (;;) {
                int64_t left = supervisor->until_ms - clock_ms();
                int n = poll(polls, ELEMENTSOF(polls), left > 0 ? (int) (left < INT32_MAX ? left : INT32_MAX) : 0);

                if (n < 0 && errno != EINTR)
                        _exit(1); /* and the guard with it */
                if (n > 0 && polls[0].revents)
                        return;
                if (n > 0 && polls[1].revents)
                        _exit(0);
                if (n > 0 && polls[2].revents && !pass_on(supervisor))
                        polls[2].fd = -1; /* all of its ends are closed */
                if (clock_ms() < supervisor->until_ms)
                        continue;
                if (supervisor->timed_out) {
                        supervisor->stuck = true;
                        return;
                }
                supervisor->timed_out = true;
                supervisor->until_ms = clock_ms() + DEATH_MS;
                kill_all();
        }
}

static char *describe_error(const char *what, int error) {
        const char *name = strerrorname_np(error), *meaning = strerrordesc_np(error);

        return text_format("%s: %s (%s)", what, name ? name : "?", meaning ? meaning : "?");
}

/* NULL: it went well. The caller frees it. */
static char *describe(const struct supervisor *supervisor, const struct end *end) {
        const char *name = end->kind == END_KILLED ? sigabbrev_np(end->value) : NULL;
        double seconds = (double) supervisor->run->timeout_us / 1000000;

        if (supervisor->stuck)
                return text_format("it took longer than %g s (GcTimeoutSec=), and the kernel does not let it be ended yet", seconds);
        if (supervisor->timed_out)
                return text_format("it took longer than %g s (GcTimeoutSec=) and was ended, with all that it had started", seconds);
        switch ((enum end_kind) end->kind) {
        case END_PREPARE:
                return describe_error("it could not be prepared", end->value);
        case END_OPEN:
                return describe_error("it is no program", end->value);
        case END_EXECUTE:
                return describe_error("it could not be executed", end->value);
        case END_EXITED:
                return end->value == 0 ? NULL : text_format("it ended with status %" PRIi32, end->value);
        case END_KILLED:
                return text_format("it was ended by signal %" PRIi32 " (SIG%s)", end->value, name ? name : "?");
        case END_NONE:
                break;
        }
        return text_format("nothing is known of its end");
}

static _noreturn_ void tell_end(struct supervisor *supervisor) {
        const bool failed = supervisor->timed_out;
        struct end end = {};
        _cleanup_free_ char *text = NULL;

        if (read(FD_REPORT, &end, sizeof(end)) != sizeof(end))
                end = (struct end) {};
        text = describe(supervisor, &end);
        if (!text && (failed || end.kind != END_EXITED || end.value != 0))
                text = strdup("it failed");
        (void) fcntl(FD_CHANNEL, F_SETFL, 0); /* this one is to arrive: waits for the front */
        if (text)
                (void) say(supervisor, STREAM_FAILED, failed ? FAILURE_TIMED_OUT : FAILURE_MOUNT_FAILED, text, strlen(text));
        else
                (void) say(supervisor, STREAM_DONE, FAILURE_NONE, NULL, 0);
        _exit(0); /* unheard, it ends just the same */
}

static int make_pipe(int ret[2]) {
        return pipe2(ret, O_CLOEXEC) < 0 ? -errno : 0;
}

static _noreturn_ void supervise_all(const struct gc_run *run, int channel) {
        struct supervisor supervisor = {.run = run, .until_ms = clock_ms() + (int64_t) (run->timeout_us / 1000)};
        const unsigned long namespaces = run->root ? CONFINE_NAMESPACES | CLONE_NEWNS | CLONE_NEWNET : CLONE_NEWPID;
        int fds[FD_FREE] = {FD_NULL, FD_NULL, FD_NULL}, said[2], report[2], pidfd;
        long pid;

        (void) prctl(PR_SET_NAME, "podmount-gc"); /* a name is for people */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || setsid() < 0)
                _exit(1);
        (void) signal(SIGCHLD, SIG_DFL);
        (void) signal(SIGPIPE, SIG_IGN);
        if (make_pipe(said) < 0 || make_pipe(report) < 0)
                _exit(1);
        pid = syscall(SYS_clone, namespaces | CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, 0);
        if (pid == 0)
                guard(run, said[1], report[1]);
        if (pid < 0)
                _exit(1);
        supervisor.guard = (pid_t) pid;
        fds[FD_REPORT] = report[0];
        fds[FD_CHANNEL] = channel;
        fds[FD_SAID] = said[0];
        fds[FD_GUARD] = pidfd;
        if (settle_fds(fds) < 0 || confine_powers(0) < 0)
                _exit(1);
        for (int fd = FD_REPORT; fd <= FD_SAID; fd++)
                if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                        _exit(1);
        supervise(&supervisor);
        if (!supervisor.stuck)
                (void) waitpid(supervisor.guard, NULL, 0);
        for (unsigned i = 0; i < PORTIONS_MAX && pass_on(&supervisor); i++) /* others may have its stderr still */
                ;
        tell_end(&supervisor);
}

int gc_run_start(const struct gc_run *run, int *ret_channel) {
        _cleanup_close_ int ours = -1, theirs = -1;
        pid_t pid;
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return log_errno(LOG_ERR, errno, "make the channel of a gc program");
        ours = pair[0];
        theirs = pair[1];
        pid = fork();
        if (pid == 0) {
                ours = close_fd(ours); /* the front's end: closed by the front alone it says so */
                supervise_all(run, theirs);
        }
        if (pid < 0)
                return log_errno(LOG_ERR, errno, "fork the supervisor of a gc program");
        *ret_channel = TAKE_FD(ours);
        return 0;
}
