/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leases. One timer serves both the end of a time and, once the lease has ended, the collection. A process is known by its
 * pid and when it began: together they are nobody else's until the next boot.
 */

#include "pod/lease.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "pod/history.h"
#include "pod/operation-private.h"
#include "pod/registry.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/log.h"
#include "util/text.h"

enum {
        TTL_MAX_SEC = 10 * 366 * 24 * 3600,
        STAT_MAX = 4096,
        STAT_START = 22,                                   /* the field of proc_pid_stat(5) that says when it began… */
        STAT_AFTER_NAME = 3,                               /* …and the first one after the name */
        UNIT_NAME_MAX = 255,
        RETRY_DOUBLINGS = 8,                               /* of the pause between two collections */
};
#define UNIT_PREFIX "unit:"
#define RETRY_MAX_US (UINT64_C(5) * 60 * 1000 * 1000)
#define RETRY_MIN_US (UINT64_C(1000) * 1000)

struct lease {
        struct pods *pods;
        struct pod *pod;
        enum lease_kind kind;
        uint64_t ttl_us;
        uint64_t connection;      /* 0: it hangs on a process, or on nothing of the kind */
        int pidfd;
        sd_event_source *process; /* on while it hangs on a process */
        bool unit_watched;        /* it hangs on a unit */
        sd_event_source *timer;
        unsigned tries;           /* collections begun */
};

static int parse_ttl(const char *text, uint64_t *ret_us, struct failure *f) {
        uint64_t seconds = 0;

        for (const char *c = text; *c; c++) {
                if (*c < '0' || *c > '9' || seconds > TTL_MAX_SEC)
                        return failure_set(f, FAILURE_INVALID_ARGS, "The lease \"ttl:%.64s\" does not name a number of seconds.", text);
                seconds = seconds * 10 + (uint64_t) (*c - '0');
        }
        if (seconds == 0 || seconds > TTL_MAX_SEC)
                return failure_set(f, FAILURE_INVALID_ARGS, "The lease \"ttl:%.64s\" does not last 1 to %d seconds.", text, TTL_MAX_SEC);
        *ret_us = seconds * 1000000;
        return 0;
}

/* NULL: a lease of another kind. */
static const char *unit_of(const char *lease) {
        return lease && strncmp(lease, UNIT_PREFIX, strlen(UNIT_PREFIX)) == 0 ? lease + strlen(UNIT_PREFIX) : NULL;
}

/* As systemd.unit(5) has names; a template without an instance is no unit. */
static int check_unit(const char *name, struct failure *f) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@";
        const char *dot = strrchr(name, '.');

        if (strlen(name) > UNIT_NAME_MAX || strspn(name, letters) != strlen(name) || !dot || dot == name || !dot[1] || dot[-1] == '@')
                return failure_set(f, FAILURE_INVALID_ARGS, "The lease \"unit:%.128s\" does not name a unit with its type, such as \"x.service\".", name);
        return 0;
}

int lease_parse(const char *text, enum lease_kind *ret_kind, uint64_t *ret_ttl_us, struct failure *f) {
        *ret_ttl_us = 0;
        if (!text || strcmp(text, "none") == 0)
                *ret_kind = LEASE_NONE;
        else if (strcmp(text, "caller") == 0)
                *ret_kind = LEASE_CALLER;
        else if (strcmp(text, "pid") == 0)
                *ret_kind = LEASE_PID;
        else if (strncmp(text, "ttl:", strlen("ttl:")) == 0) {
                *ret_kind = LEASE_TTL;
                return parse_ttl(text + strlen("ttl:"), ret_ttl_us, f);
        } else if (unit_of(text)) {
                *ret_kind = LEASE_UNIT;
                return check_unit(unit_of(text), f);
        } else
                return failure_set(f, FAILURE_INVALID_ARGS, "The lease \"%.128s\" is none of none, caller, pid, ttl:SECONDS and unit:NAME.", text);
        return 0;
}

/* The rest of the file behind `key`, as a number. */
static bool find_number(const char *text, const char *key, int64_t *ret) {
        const char *at = strstr(text, key);
        char *end;

        if (!at)
                return false;
        errno = 0;
        *ret = strtoll(at + strlen(key), &end, 10);
        return errno == 0 && end != at + strlen(key);
}

static int read_proc(const char *path, char text[static STAT_MAX]) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, text, STAT_MAX - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        return 0;
}

/* When a process began. Its name, in parentheses, may have any bytes in it. */
static int read_start(uint64_t pid, uint64_t *ret) {
        char path[64], text[STAT_MAX], *field;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%" PRIu64 "/stat", pid); /* fits */
        r = read_proc(path, text);
        if (r < 0)
                return r;
        field = strrchr(text, ')');
        for (int i = STAT_AFTER_NAME; field && i <= STAT_START; i++)
                field = strchr(field + 1, ' ');
        if (!field)
                return -EBADMSG;
        *ret = strtoull(field + 1, NULL, 10);
        return 0;
}

static bool has_ended(int pidfd) {
        struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

        return poll(&poll_fd, 1, 0) != 0;
}

int lease_of_pidfd(int pidfd, struct record_lease *ret, struct failure *f) {
        char path[64], text[STAT_MAX];
        uint64_t start = 0;
        int64_t pid = 0;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd); /* fits */
        r = read_proc(path, text);
        if (r < 0)
                return log_errno(LOG_ERR, r, "read what a pidfd is of");
        if (!find_number(text, "\nPid:\t", &pid))
                return failure_set(f, FAILURE_INVALID_ARGS, "The fd \"" LEASE_FD "\" is no pidfd.");
        if (pid == 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "The process of the lease is in no PID namespace that podmountd sees.");
        r = pid > 0 ? read_start((uint64_t) pid, &start) : -ESRCH;
        /* Only if it still lives was that the start of this one. */
        if (pid < 0 || has_ended(pidfd))
                return failure_set(f, FAILURE_INVALID_ARGS, "The process of the lease has ended.");
        if (r < 0)
                return log_errno(LOG_ERR, r, "read when process %" PRId64 " began", pid);
        ret->pid = (uint64_t) pid;
        ret->start = start;
        return 0;
}

void lease_of_pid(pid_t pid, struct record_lease *ret) {
        *ret = (struct record_lease) {.pid = pid > 0 ? (uint64_t) pid : 0};
        if (ret->pid != 0 && read_start(ret->pid, &ret->start) < 0)
                ret->pid = 0;
}

void lease_prolong(uint64_t ttl_us, struct record_lease *ret) {
        ret->until_us = clock_us(CLOCK_BOOTTIME) + ttl_us;
}

static int arm(struct lease *lease, uint64_t at_us) {
        int r = sd_event_source_set_time(lease->timer, at_us);

        if (r >= 0)
                r = sd_event_source_set_enabled(lease->timer, SD_EVENT_ONESHOT);
        return r < 0 ? log_errno(LOG_ERR, r, "arm the timer of a lease") : 0;
}

static int save(struct lease *lease) {
        struct store *store = lease->pods->store;
        int r = store_begin(store);

        if (r == 0)
                r = store_set_lease(store, lease->pod->record->uuid, &lease->pod->record->lease_on);
        r = store_end(store, r);
        return r < 0 ? log_errno(LOG_ERR, r, "write down the lease of pod %s", lease->pod->record->uuid) : 0;
}

static void let_go(struct lease *lease) {
        lease->pods->n_bound_leases -= lease->connection != 0;
        lease->connection = 0;
        lease->process = sd_event_source_disable_unref(lease->process);
        if (lease->unit_watched && lease->pods->unwatch_unit)
                lease->pods->unwatch_unit(unit_of(lease->pod->record->lease), lease->pods->watch_unit_userdata);
        lease->unit_watched = false;
        if (lease->pidfd >= 0)
                lease->pidfd = close_fd(lease->pidfd);
}

/* The pod is garbage from now on. */
static void end(struct lease *lease, const char *why) {
        struct record_pod *record = lease->pod->record;
        uint64_t grace = lease->pods->settings->lease_grace_us;

        let_go(lease);
        if (record->lease_on.ended)
                return;
        record->lease_on.ended = strdup(why);
        if (!record->lease_on.ended)
                (void) log_oom(); /* the collection comes all the same */
        (void) save(lease); /* logged; the next start finds out by itself */
        event_log(EVENT_LEASE_ENDED, EVENT_OF_POD(record->uuid), "The lease of pod %s has ended: %s It is collected in %" PRIu64 " s",
                   record->uuid, why, grace / 1000000);
        history_add_event(lease->pods, record->uuid, EVENT_LEASE_ENDED, 0, NULL, why);
        lease->pods->counters.leases_ended++;
        lease->tries = 0;
        (void) arm(lease, clock_us(CLOCK_BOOTTIME) + grace); /* logged; gc without a pod takes it, too */
        tell_changed(lease->pods, lease->pod);
}

/* While it is busy, later again. Nothing of the lease may be touched behind the operation. */
static void collect(struct lease *lease) {
        const struct collect_arguments arguments = {.reason = "lease"};
        uint64_t pause = lease->pods->settings->lease_grace_us << (lease->tries < RETRY_DOUBLINGS ? lease->tries : RETRY_DOUBLINGS);
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;

        lease->tries++;
        pause = pause < RETRY_MIN_US ? RETRY_MIN_US : pause > RETRY_MAX_US ? RETRY_MAX_US : pause;
        (void) arm(lease, clock_us(CLOCK_BOOTTIME) + pause); /* logged */
        if (lease->pod->running) /* perhaps the last such collection */
                return;
        if (operation_new_collect(lease->pods, &caller_house, lease->pod, &arguments, &operation, &f) == 0)
                operation_run_internal(operation);
}

static int on_time(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct lease *lease = userdata;

        if (lease->kind == LEASE_TTL && !lease->pod->record->lease_on.ended)
                end(lease, "it was not renewed in time.");
        else
                collect(lease);
        return 0;
}

static int on_exit_of_process(sd_event_source *source _unused_, int fd _unused_, uint32_t revents _unused_, void *userdata) {
        end(userdata, "its process has ended.");
        return 0;
}

static int watch_process(struct lease *lease, int pidfd) {
        const struct record_lease *on = &lease->pod->record->lease_on;
        uint64_t start = 0;
        int r;

        lease->pidfd = pidfd >= 0 ? fcntl(pidfd, F_DUPFD_CLOEXEC, 3) : (int) syscall(SYS_pidfd_open, (pid_t) on->pid, 0);
        if (lease->pidfd < 0)
                return -errno;
        r = pidfd >= 0 ? 0 : read_start(on->pid, &start);
        if (r == 0 && pidfd < 0 && start != on->start)
                r = -ESRCH; /* another one has its number */
        if (r == 0)
                r = sd_event_add_io(lease->pods->event, &lease->process, lease->pidfd, EPOLLIN, on_exit_of_process, lease);
        return r < 0 ? r : 0;
}

static struct lease *lease_new(struct pods *pods, struct pod *pod, enum lease_kind kind, uint64_t ttl_us) {
        struct lease *lease = calloc(1, sizeof(*lease));

        if (!lease)
                return NULL;
        *lease = (struct lease) {.pods = pods, .pod = pod, .kind = kind, .ttl_us = ttl_us, .pidfd = -1};
        if (sd_event_add_time(pods->event, &lease->timer, CLOCK_BOOTTIME, 0, 0, on_time, lease) < 0 ||
            sd_event_source_set_enabled(lease->timer, SD_EVENT_OFF) < 0)
                return lease_free(lease);
        return lease;
}

struct lease *lease_free(struct lease *lease) {
        if (!lease)
                return NULL;
        let_go(lease);
        (void) sd_event_source_disable_unref(lease->timer);
        free(lease);
        return NULL;
}

static void hang_on_process(struct lease *lease, int pidfd, const char *why) {
        int r = watch_process(lease, pidfd);

        if (r < 0 && r != -ESRCH && r != -ENOENT) {
                (void) log_errno(LOG_ERR, r, "watch the process of the lease of pod %s", lease->pod->record->uuid);
                why = "its process could not be watched.";
        }
        if (r < 0)
                end(lease, why);
}

static void hang_on_unit(struct lease *lease) {
        const struct pods *pods = lease->pods;
        const char *unit = unit_of(lease->pod->record->lease);

        if (!pods->watch_unit)
                log_warning("The lease of pod %s hangs on the unit %s, of which nobody tells without the bus: it stays", lease->pod->record->uuid, unit);
        else if (pods->watch_unit(unit, pods->watch_unit_userdata) < 0)
                end(lease, "its unit could not be watched.");
        else
                lease->unit_watched = true;
}

/* What hangs on a connection has it, or its process. */
static void hang(struct lease *lease, uint64_t connection, int pidfd) {
        switch (lease->kind) {
        case LEASE_CALLER:
                lease->connection = connection;
                lease->pods->n_bound_leases += connection != 0;
                if (connection == 0 && lease->pod->record->lease_on.pid == 0)
                        end(lease, "its connection has ended.");
                else if (connection == 0)
                        hang_on_process(lease, -1, "its connection has ended.");
                return;
        case LEASE_PID:
                hang_on_process(lease, pidfd, "its process has ended.");
                return;
        case LEASE_TTL:
                if (arm(lease, lease->pod->record->lease_on.until_us) < 0)
                        end(lease, "its timer could not be set.");
                return;
        case LEASE_UNIT:
                hang_on_unit(lease);
                return;
        case LEASE_NONE:
                return;
        }
}

/* NULL without a lease, or without memory, which is logged. */
static struct lease *take(struct pods *pods, struct pod *pod) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        enum lease_kind kind;
        uint64_t ttl_us;

        if (lease_parse(pod->record->lease, &kind, &ttl_us, &f) != 0 || kind == LEASE_NONE)
                return NULL; /* or one that only another version knows */
        pod->lease = lease_new(pods, pod, kind, ttl_us);
        if (!pod->lease)
                (void) log_oom();
        return pod->lease;
}

void lease_begin(struct pods *pods, struct pod *pod, uint64_t connection, int pidfd) {
        struct lease *lease = take(pods, pod);

        if (lease && lease->kind == LEASE_CALLER && connection == 0)
                end(lease, "its connection has ended.");
        else if (lease)
                hang(lease, connection, pidfd);
}

void lease_resume(struct pods *pods, struct pod *pod) {
        struct lease *lease = take(pods, pod);

        if (lease && lease_ended(pod))
                (void) arm(lease, clock_us(CLOCK_BOOTTIME) + pods->settings->lease_grace_us); /* logged; gc without a pod takes it, too */
        else if (lease)
                hang(lease, 0, -1);
}

void leases_disconnect(struct pods *pods, uint64_t connection) {
        struct pod *pod;

        if (pods->n_bound_leases == 0 || pods->stopping)
                return;
        MAP_FOREACH(pod, pods->by_uuid)
                if (pod->lease && pod->lease->connection == connection)
                        end(pod->lease, "its connection has ended.");
}

void leases_outlive(struct pods *pods, uint64_t connection) {
        struct pod *pod;

        if (pods->n_bound_leases == 0)
                return;
        MAP_FOREACH(pod, pods->by_uuid)
                if (pod->lease && pod->lease->connection == connection) {
                        let_go(pod->lease);
                        hang(pod->lease, 0, -1);
                }
}

static bool is_on_unit(const struct pod *pod, const char *unit) {
        return pod->lease && pod->lease->kind == LEASE_UNIT && !pod->record->lease_on.ended && strcmp(unit_of(pod->record->lease), unit) == 0;
}

void leases_unit_ended(struct pods *pods, const char *unit, const char *why) {
        struct pod *pod;

        if (pods->stopping)
                return;
        MAP_FOREACH(pod, pods->by_uuid)
                if (is_on_unit(pod, unit))
                        end(pod->lease, why);
}

int lease_renew(struct pods *pods, struct pod *pod, uint64_t connection, pid_t pid, uint64_t *ret_until_us, struct failure *f) {
        struct lease *lease = pod->lease;
        struct record_lease on = {};
        int r;

        if (!lease)
                return failure_set(f, FAILURE_INVALID_ARGS, "Pod %s has no lease that could be renewed.", pod->record->uuid);
        if (lease->kind == LEASE_PID || lease->kind == LEASE_UNIT)
                return failure_set(f, FAILURE_INVALID_ARGS, "The lease of pod %s hangs on a %s and cannot be renewed.", pod->record->uuid,
                                   lease->kind == LEASE_PID ? "process" : "unit");
        if (pod->record->state != RECORD_READY)
                return failure_set(f, FAILURE_BUSY, "Pod %s is being collected.", pod->record->uuid);
        if (lease->kind == LEASE_CALLER)
                lease_of_pid(pid, &on);
        else
                lease_prolong(lease->ttl_us, &on);
        r = store_begin(pods->store);
        if (r == 0)
                r = store_set_lease(pods->store, pod->record->uuid, &on);
        r = store_end(pods->store, r);
        if (r < 0)
                return log_errno(LOG_ERR, r, "write down the lease of pod %s", pod->record->uuid);
        free(pod->record->lease_on.ended);
        pod->record->lease_on = on;
        let_go(lease);
        lease->tries = 0;
        (void) sd_event_source_set_enabled(lease->timer, SD_EVENT_OFF);
        hang(lease, connection, -1);
        *ret_until_us = on.until_us;
        return 0;
}

const char *lease_ended(const struct pod *pod) {
        return pod->record->lease_on.ended;
}
