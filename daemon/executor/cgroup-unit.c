/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Child and parent share a pipe: what comes through it is the cgroup's path, or what went wrong, each behind a sign of its own. */

#include "executor/cgroup-unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "dbus/names.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/path.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER SYSTEMD ".Manager"
#define SLICE "system.slice"
#define UNIT_EXISTS SYSTEMD ".UnitExists"

enum { ANSWER_PATH = '=', ANSWER_FAILURE = '!' };

enum {
        ANSWER_MS = 10000, /* of systemd, all in all */
        SETTLE_MS = 2000,  /* …and from when it has started the unit, or somebody else has begun to, until its cgroup is there */
        PAUSE_MS = 10,
        ANSWER_MAX = PATH_MAX + 2,
        FD_OUT = STDERR_FILENO + 1, /* of the child, which has no other but stdio */
};

/* The job of the unit, and what came of it. */
struct start {
        const char *job; /* its object path */
        bool over, failed;
};

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct start *start = userdata;
        const char *job = NULL, *result = NULL;

        if (sd_bus_message_read(m, "uoss", NULL, &job, NULL, &result) < 0 || !start->job || strcmp(job, start->job) != 0)
                return 0;
        start->over = true;
        start->failed = strcmp(result, "done") != 0;
        return 0;
}

/* Itself, as the process that does nothing. */
static int append_command(sd_bus_message *m) {
        _cleanup_free_ char *program = realpath("/proc/self/exe", NULL);

        if (!program)
                return -errno;
        return sd_bus_message_append(m, "(sv)", "ExecStart", "a(sasb)", 1, program, 2, program, PODMOUNT_HOLD_OPTION, false);
}

/* Stopping it ends that process alone, and what is in pods' cgroups stays there. It is root's, without capabilities: whose a unit with
 * Delegate= is, the cgroup is. */
static int append_properties(sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, 'a', "(sv)");

        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)", "Description", "s", "Cgroups of pods, held for podmountd",
                        "Type", "s", "exec", "Delegate", "b", true, "KillMode", "s", "process", "CollectMode", "s",
                        "inactive-or-failed");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)", "CapabilityBoundingSet", "t", UINT64_C(0), "NoNewPrivileges", "b", true);
        if (r >= 0)
                r = append_command(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int call_start(sd_bus *bus, sd_bus_message **ret, sd_bus_error *error) {
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(bus, &m, SYSTEMD, MANAGER_PATH, MANAGER, "StartTransientUnit");

        if (r >= 0)
                r = sd_bus_message_append(m, "ss", PODMOUNT_CGROUP_UNIT, "fail");
        if (r >= 0)
                r = append_properties(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r >= 0)
                r = sd_bus_call(bus, m, (uint64_t) ANSWER_MS * 1000, error, ret);
        sd_bus_message_unref(m);
        return r;
}

static int wait_for(sd_bus *bus, const struct start *start, int64_t until_ms) {
        while (!start->over) {
                int64_t left = until_ms - clock_ms();
                int r = sd_bus_process(bus, NULL);

                if (r == 0 && left <= 0)
                        return -ETIMEDOUT;
                if (r == 0)
                        r = sd_bus_wait(bus, (uint64_t) left * 1000);
                if (r < 0)
                        return r;
        }
        return start->failed ? -ENOEXEC : 0;
}

static int start_unit(sd_bus *bus, int64_t until_ms, sd_bus_error *error) {
        sd_bus_message *answer = NULL;
        struct start start = {};
        int r = sd_bus_match_signal(bus, NULL, SYSTEMD, MANAGER_PATH, MANAGER, "JobRemoved", on_removed, &start);

        if (r >= 0)
                r = sd_bus_call_method(bus, SYSTEMD, MANAGER_PATH, MANAGER, "Subscribe", error, NULL, NULL);
        if (r < 0)
                return r;
        r = call_start(bus, &answer, error);
        if (r < 0 && sd_bus_error_has_name(error, UNIT_EXISTS)) { /* it runs, or somebody else starts it */
                sd_bus_error_free(error);
                return 0;
        }
        if (r >= 0)
                r = sd_bus_message_read(answer, "o", &start.job);
        if (r >= 0)
                r = wait_for(bus, &start, until_ms);
        sd_bus_message_unref(answer);
        return r;
}

/* "" for a unit that has none. */
static int read_path(sd_bus *bus, char **ret, sd_bus_error *error) {
        _cleanup_free_ char *object = NULL;
        int r = sd_bus_path_encode(MANAGER_PATH "/unit", PODMOUNT_CGROUP_UNIT, &object);

        return r < 0 ? r : sd_bus_get_property_string(bus, SYSTEMD, object, SYSTEMD ".Service", "ControlGroup", error, ret);
}

/* Somebody else may be starting it, who is not heard here; or it cannot be started, for it is masked. */
static int await_path(sd_bus *bus, int64_t until_ms, char **ret, sd_bus_error *error) {
        const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

        for (;;) {
                int r = read_path(bus, ret, error);

                if (r < 0 || (*ret)[0] != '\0' || clock_ms() >= until_ms)
                        return r;
                free(*ret);
                *ret = NULL;
                (void) nanosleep(&pause, NULL); /* an earlier look is as good */
        }
}

/* Where it was, and what is left of it is: a transient service that names no slice is in this one (systemd.special(7)). */
static int read_place(sd_bus *bus, char **ret, sd_bus_error *error) {
        _cleanup_free_ char *root = NULL;
        int r = sd_bus_get_property_string(bus, SYSTEMD, MANAGER_PATH, MANAGER, "ControlGroup", error, &root);

        if (r < 0)
                return r;
        free(*ret);
        *ret = path_join(root, SLICE "/" PODMOUNT_CGROUP_UNIT);
        return *ret ? 0 : -ENOMEM;
}

static int ask(bool to_remove, char **ret, sd_bus_error *error) {
        const int64_t until_ms = clock_ms() + ANSWER_MS;
        sd_bus *bus = NULL;
        int r = sd_bus_open_system(&bus);

        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, (uint64_t) ANSWER_MS * 1000);
        if (r >= 0)
                r = read_path(bus, ret, error);
        if (r >= 0 && (*ret)[0] == '\0') {
                free(*ret);
                *ret = NULL;
                r = start_unit(bus, until_ms, error);
                if (r >= 0)
                        r = await_path(bus, clock_ms() + SETTLE_MS, ret, error);
                if (to_remove && (r < 0 || (*ret)[0] == '\0')) { /* it is masked, or stopped again meanwhile */
                        sd_bus_error_free(error);
                        r = read_place(bus, ret, error);
                }
        }
        sd_bus_flush_close_unref(bus);
        return r;
}

static _noreturn_ void child(bool to_remove, int out, pid_t parent) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char *path = NULL;
        int r;

        (void) prctl(PR_SET_NAME, "podmount-unit"); /* a name is for people */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
                _exit(1);
        if (dup3(out, FD_OUT, O_CLOEXEC) < 0 || close_range(FD_OUT + 1, ~0U, 0) < 0) /* FD_OUT is the executor's socket */
                _exit(1);
        r = ask(to_remove, &path, &error);
        if (r < 0)
                (void) dprintf(FD_OUT, "%c%.512s", ANSWER_FAILURE, error.message ?: strerror(-r)); /* unread, it is a death without a word */
        else
                (void) dprintf(FD_OUT, "%c%s", ANSWER_PATH, path);
        _exit(0);
}

/* All that comes until the end, or the time is over. */
static int read_answer(int fd, char *text, size_t size) {
        const int64_t until_ms = clock_ms() + 2 * ANSWER_MS;
        size_t n = 0;

        for (;;) {
                struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
                int64_t left = until_ms - clock_ms();
                int ready = poll(&poll_fd, 1, left > 0 ? (int) left : 0);
                ssize_t got;

                if (ready == 0)
                        return -ETIMEDOUT;
                if (ready < 0 && errno != EINTR)
                        return -errno;
                if (ready < 0)
                        continue;
                got = read(fd, text + n, size - 1 - n);
                if (got < 0 && errno != EINTR)
                        return -errno;
                if (got == 0)
                        break;
                n += got > 0 ? (size_t) got : 0;
                if (n == size - 1)
                        return -EMSGSIZE;
        }
        text[n] = '\0';
        return 0;
}

/* Children are reaped by the kernel; one that takes too long is ended with the pipe, or by its own time. */
static int run_child(bool to_remove, char *text, size_t size) {
        _cleanup_close_ int in = -1, out = -1;
        pid_t parent = getpid(), pid;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return log_errno(LOG_ERR, errno, "make a pipe");
        in = fds[0];
        out = fds[1];
        pid = fork();
        if (pid < 0)
                return log_errno(LOG_ERR, errno, "fork who asks systemd");
        if (pid == 0)
                child(to_remove, out, parent);
        out = close_fd(out);
        r = read_answer(in, text, size);
        return r < 0 ? log_errno(LOG_ERR, r, "hear from who asks systemd") : 0;
}

int cgroup_unit_find(bool to_remove, char **ret, struct failure *f) {
        _cleanup_free_ char *normal = NULL;
        char text[ANSWER_MAX];
        int r = run_child(to_remove, text, sizeof(text));

        if (r < 0)
                return r == -ETIMEDOUT ? failure_set(f, FAILURE_NOT_SUPPORTED, "systemd did not answer in time") : r;
        if (text[0] != ANSWER_PATH)
                return failure_set(f, FAILURE_NOT_SUPPORTED, "systemd gave no unit for cgroups: %s",
                        text[0] == ANSWER_FAILURE ? text + 1 : "who asked it died");
        r = path_normalize(text + 1, &normal);
        if (r == -ENOMEM)
                return log_oom();
        if (r < 0 || strcmp(normal, "/") == 0)
                return failure_set(f, FAILURE_NOT_SUPPORTED, "systemd's unit " PODMOUNT_CGROUP_UNIT " has no cgroup of its own");
        *ret = TAKE_PTR(normal);
        return 0;
}
