/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ambush [--call NUMBER] [--at N] [--kill PID|own|self] [--error ERRNO] [--follow] [--list FILE] PID...: lies in wait, by ptrace(2), for
 * the N-th system call that these processes make together, and those that they fork if --follow is said. On the way into it
 * somebody is killed, so that it is never made, or it fails with ERRNO.
 *
 *   --call NUMBER  counts this system call alone
 *   --kill own     kills the one of PID... that makes the call, or that forked who makes it
 *   --kill self    kills who makes the call
 *   --list FILE    writes the number of each call that is counted, a line each
 *
 * Says "ready" when it has them and they rest, and counts from then on. Ends when the call has come, or at the end of its
 * standard input, lets go of all, and says "hit NUMBER", or "calls COUNT" if it never came.
 */

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
        OWN = -1, /* victims */
        SELF = -2,

        STATUS_USAGE = 2,
        STATUS_CANNOT = 125,
        PROCESSES_MAX = 64,
        REST_MS = 15,      /* without a system call: they wait for work */
        DEATH_MS = 10000,  /* for the one that was killed to be gone */
};

struct process {
        pid_t pid, own; /* 0: none; which of the given ones it descends from */
        bool failing;   /* in the call that fails */
};

struct ambush {
        struct process processes[PROCESSES_MAX];
        long call, at, count, hit; /* -1: any call, never, or not yet */
        pid_t victim;              /* 0: nobody */
        int error;
        bool follow, ready, over;
        FILE *list;
};

static void fail(const char *what) {
        fprintf(stderr, "ambush: %s: %s\n", what, strerror(errno));
        exit(STATUS_CANNOT);
}

static struct process *find(struct ambush *a, pid_t pid) {
        for (size_t i = 0; i < PROCESSES_MAX; i++)
                if (a->processes[i].pid == pid)
                        return &a->processes[i];
        return NULL;
}

static struct process *add(struct ambush *a, pid_t pid, pid_t own) {
        struct process *process = find(a, pid);

        if (process)
                return process;
        process = find(a, 0);
        if (!process) {
                errno = ENOSPC;
                fail("too many processes");
        }
        *process = (struct process) {.pid = pid, .own = own};
        return process;
}

/* Sees that a call is not made: its number becomes one that there is not. The answer is set on the way out. */
static int set_call(pid_t pid, bool entry, int error) {
#if defined(__x86_64__)
        struct user_regs_struct registers;

        if (ptrace(PTRACE_GETREGS, pid, NULL, &registers) < 0)
                return -1;
        if (entry)
                registers.orig_rax = (unsigned long long) -1;
        else
                registers.rax = (unsigned long long) -error;
        return (int) ptrace(PTRACE_SETREGS, pid, NULL, &registers);
#else
        (void) pid;
        (void) entry;
        (void) error;
        errno = ENOSYS;
        return -1;
#endif
}

/* Whoever else is stopped stays so until the victim is gone, and with it those whom the kernel kills along. */
static void strike(struct ambush *a, const struct process *process) {
        pid_t victim = a->victim == OWN ? process->own : a->victim == SELF ? process->pid : a->victim;
        int fd = (int) syscall(SYS_pidfd_open, victim, 0);
        struct pollfd wait = {.fd = fd, .events = POLLIN};

        if (fd < 0 || kill(victim, SIGKILL) < 0)
                fail("kill");
        if (poll(&wait, 1, DEATH_MS) <= 0)
                fail("the one that was killed is still there");
        (void) close(fd);
}

/* On the way into a call; whether it was the one. */
static bool on_entry(struct ambush *a, struct process *process, long number) {
        if (!a->ready || a->over || (a->call >= 0 && number != a->call))
                return false;
        a->count++;
        if (a->list)
                fprintf(a->list, "%ld\n", number);
        if (a->count != a->at)
                return false;
        a->hit = number;
        if (a->victim) {
                strike(a, process);
                a->over = true;
        } else if (set_call(process->pid, true, 0) < 0)
                fail("the call cannot be made to fail");
        else
                process->failing = true;
        return true;
}

static void let_go(struct process *process, int number) {
        if (ptrace(PTRACE_DETACH, process->pid, NULL, (void *) (long) number) < 0 && errno != ESRCH)
                fail("PTRACE_DETACH");
        process->pid = 0;
}

static void on_stop(struct ambush *a, struct process *process, int status) {
        struct __ptrace_syscall_info info;
        int number = WSTOPSIG(status), event = status >> 16, pass = 0;
        unsigned long child;

        if (number == (SIGTRAP | 0x80)) {
                if (ptrace(PTRACE_GET_SYSCALL_INFO, process->pid, (void *) sizeof(info), &info) < 0)
                        info.op = PTRACE_SYSCALL_INFO_NONE; /* killed meanwhile */
                if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
                        (void) on_entry(a, process, (long) info.entry.nr);
                else if (info.op == PTRACE_SYSCALL_INFO_EXIT && process->failing) {
                        if (set_call(process->pid, false, a->error) < 0)
                                fail("the call cannot be made to fail");
                        process->failing = false;
                        a->over = true;
                }
        } else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
                /* Its stop or its end may have been told before: then it is gone, or was let go of if all are. */
                if (!a->over && ptrace(PTRACE_GETEVENTMSG, process->pid, NULL, &child) == 0 && kill((pid_t) child, 0) == 0)
                        (void) add(a, (pid_t) child, process->own);
        } else if (event == 0)
                pass = number; /* a signal of its own */
        if (a->over && !process->failing)
                let_go(process, pass);
        else if (ptrace(PTRACE_SYSCALL, process->pid, NULL, (void *) (long) pass) < 0 && errno != ESRCH)
                fail("PTRACE_SYSCALL");
}

/* Takes what has happened to processes; whether anything had. */
static bool take(struct ambush *a) {
        bool any = false;
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
                struct process *process = find(a, pid);

                any = true;
                if (WIFEXITED(status) || WIFSIGNALED(status)) {
                        if (process)
                                process->pid = 0;
                } else
                        on_stop(a, process ? process : add(a, pid, pid), status); /* a child may stop before its fork is told */
        }
        return any;
}

static bool anybody(const struct ambush *a) {
        for (size_t i = 0; i < PROCESSES_MAX; i++)
                if (a->processes[i].pid)
                        return true;
        return false;
}

/* All stop, and are let go of as they do. */
static void release(struct ambush *a, struct pollfd *signals) {
        a->over = true;
        for (size_t i = 0; i < PROCESSES_MAX; i++)
                if (a->processes[i].pid)
                        (void) ptrace(PTRACE_INTERRUPT, a->processes[i].pid, NULL, NULL); /* ESRCH: it is being killed */
        while (anybody(a)) {
                struct signalfd_siginfo info;

                if (take(a))
                        continue;
                if (poll(signals, 1, DEATH_MS) <= 0)
                        fail("somebody does not stop");
                (void) !read(signals->fd, &info, sizeof(info)); /* it only wakes */
        }
}

static void watch(struct ambush *a, int signals) {
        struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
        struct signalfd_siginfo info;
        char byte;

        while (!a->over && anybody(a)) {
                int n = poll(fds, a->ready ? 2 : 1, a->ready ? -1 : REST_MS);

                if (n < 0 && errno != EINTR)
                        fail("poll");
                if (n == 0) {
                        a->ready = true;
                        puts("ready");
                        (void) fflush(stdout);
                        continue;
                }
                if (fds[0].revents)
                        (void) !read(signals, &info, sizeof(info));
                (void) take(a);
                if (a->ready && fds[1].revents && read(STDIN_FILENO, &byte, 1) <= 0)
                        break;
        }
        release(a, fds);
}

static void seize(struct ambush *a, pid_t pid) {
        long options = PTRACE_O_TRACESYSGOOD;

        if (a->follow)
                options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
        if (ptrace(PTRACE_SEIZE, pid, NULL, (void *) options) < 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
                fail("PTRACE_SEIZE");
        (void) add(a, pid, pid);
}

static long number_of(const char *text) {
        char *end;
        long number = strtol(text, &end, 10);

        if (*end || end == text || number < 0 || number > INT_MAX) {
                fprintf(stderr, "ambush: %s is no number\n", text);
                exit(STATUS_USAGE);
        }
        return number;
}

static pid_t victim_of(const char *text) {
        return strcmp(text, "own") == 0 ? OWN : strcmp(text, "self") == 0 ? SELF : (pid_t) number_of(text);
}

static void read_options(struct ambush *a, int argc, char **argv) {
        static const struct option options[] = {
                {"call", required_argument, NULL, 'c'}, {"at", required_argument, NULL, 'a'}, {"kill", required_argument, NULL, 'k'},
                {"error", required_argument, NULL, 'e'}, {"follow", no_argument, NULL, 'f'}, {"list", required_argument, NULL, 'l'}, {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'c': a->call = number_of(optarg); break;
                case 'a': a->at = number_of(optarg); break;
                case 'k': a->victim = victim_of(optarg); break;
                case 'e': a->error = (int) number_of(optarg); break;
                case 'f': a->follow = true; break;
                case 'l':
                        a->list = fopen(optarg, "we");
                        if (!a->list)
                                fail(optarg);
                        break;
                default: exit(STATUS_USAGE);
                }
        if (optind == argc || (a->at >= 0 && !a->victim == !a->error)) {
                fputs("usage: ambush [--call NUMBER] [--at N] [--kill PID|own|self] [--error ERRNO] [--follow] [--list FILE] PID...\n", stderr);
                exit(STATUS_USAGE);
        }
}

int main(int argc, char **argv) {
        struct ambush a = {.call = -1, .at = -1, .hit = -1};
        sigset_t set;
        int signals;

        read_options(&a, argc, argv);
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || (signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
                fail("signalfd");
        for (int i = optind; i < argc; i++)
                seize(&a, (pid_t) number_of(argv[i]));
        watch(&a, signals);
        if (a.list && fclose(a.list) != 0)
                fail("--list");
        if (a.hit >= 0)
                printf("hit %ld\n", a.hit);
        else
                printf("calls %ld\n", a.count);
        return EXIT_SUCCESS;
}
