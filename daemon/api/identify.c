/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of an identification, each started by the answer to the one before:
 *
 *     bus:    GetConnectionCredentials → pidfd_open(2) → STEP_IDENTIFY → GetConnectionUnixProcessID → known
 *     socket: SO_PEERCRED, SO_PEERGROUPS, SO_PEERPIDFD (credentials.c) → STEP_IDENTIFY → known (varlink: likewise)
 *
 * A process that is gone by then, or another one than before, leaves a caller without the host's namespaces: never root.
 */

#include "api/identify.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "api/dispatch.h"
#include "util/log.h"

enum {
        GROUPS_MAX = 65536,           /* NGROUPS_MAX of the kernel */
        OVERFLOW_GID = 65534,         /* of a caller whose groups the bus does not tell */
        BUS_TIMEOUT_US = 25 * 1000 * 1000,
};

static void finish(struct peer *peer, bool known) {
        peer->identity = known ? PEER_KNOWN : PEER_UNKNOWN;
        dispatch_identified(peer, known);
}

void identify_cancel(struct peer *peer) {
        peer->call_slot = sd_bus_slot_unref(peer->call_slot);
        if (peer->job) {
                struct pool_job *job = TAKE_PTR(peer->job);

                /* One that runs calls back on a peer that may be gone: it holds a reference (submit) until then. */
                if (executor_pool_cancel(peer->api->pods->executors, job))
                        (void) peer_unref(peer);
        }
        if (peer->identity == PEER_ASKING)
                peer->identity = PEER_UNKNOWN;
}

bool identify_process_lives(int pidfd) {
        struct pollfd fd = {.fd = pidfd, .events = POLLIN};

        return poll(&fd, 1, 0) == 0; /* readable once the process has ended, pidfd_open(2) */
}

static void set_flags(struct peer *peer, uint64_t flags) {
        peer->caller.host_mount_namespace = flags & IDENTIFY_HOST_MOUNT_NAMESPACE;
        peer->caller.host_user_namespace = flags & IDENTIFY_HOST_USER_NAMESPACE;
        peer->caller.host_root_directory = flags & IDENTIFY_HOST_ROOT_DIRECTORY;
        peer->caller.host_pid_namespace = flags & IDENTIFY_HOST_PID_NAMESPACE;
}

/* The unit that it runs in, by its cgroup. Its number is its own as long as it lives: one that lives afterwards was meant. Where
 * the kernel does not say which process connected, a later one may have its number, and no unit is better than another's. */
static void learn_unit(struct peer *peer) {
        struct caller *caller = &peer->caller;
        char *unit = NULL;

        if (caller->transport != CALLER_BUS && !peer->pidfd_of_kernel)
                return;
        if (sd_pid_get_unit(caller->pid, &unit) < 0) /* it is in none, or systemd does not run here */
                return;
        if (identify_process_lives(peer->pidfd)) {
                free(caller->unit);
                caller->unit = TAKE_PTR(unit);
        }
        free(unit);
}

static void conclude(struct peer *peer, pid_t pid) {
        if (peer->pidfd < 0 || pid != peer->caller.pid || !identify_process_lives(peer->pidfd))
                set_flags(peer, 0);
        else
                learn_unit(peer);
        if (peer->caller.transport != CALLER_VARLINK || !peer->pidfd_of_kernel)
                peer->pidfd = close_fd(peer->pidfd);
        finish(peer, true);
}

/* Asks the bus about the caller's name. */
static int ask_bus(struct peer *peer, const char *method, sd_bus_message_handler_t answer) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(peer->bus, &call, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                           "org.freedesktop.DBus", method);
        if (r >= 0)
                r = sd_bus_message_append(call, "s", peer->caller.bus_name);
        if (r >= 0)
                r = sd_bus_call_async(peer->bus, &peer->call_slot, call, answer, peer, BUS_TIMEOUT_US);
        return r < 0 ? log_errno(LOG_ERR, r, "cannot ask the bus about %s", peer->caller.bus_name) : 0;
}

static int on_process_again(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct peer *peer = userdata;
        uint32_t pid = 0;

        peer->call_slot = sd_bus_slot_unref(peer->call_slot);
        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "u", &pid) < 0)
                pid = 0; /* the name is gone, too */
        conclude(peer, (pid_t) pid);
        return 1;
}

static int look_up(struct peer *peer);

static void on_looked_up(const struct job_result *result, void *userdata) {
        _cleanup_(peer_unrefp) struct peer *peer = userdata;

        if (!peer->job) /* cancelled meanwhile */
                return;
        peer->job = NULL;
        if (result->lost) {
                /* Its death is no fault of the caller's. A second one may be. */
                if (!peer->lost_once && result->failure != FAILURE_TIMED_OUT && look_up(peer) == 0) {
                        peer->lost_once = true;
                        return;
                }
                log_warning("a caller could not be identified: its executor was lost");
                finish(peer, false);
                return;
        }
        if (result->failure == FAILURE_NONE && result->n_steps == 1)
                set_flags(peer, result->steps[0].id);
        if (peer->caller.transport != CALLER_BUS)
                conclude(peer, peer->caller.pid);
        else if (ask_bus(peer, "GetConnectionUnixProcessID", on_process_again) < 0)
                finish(peer, false);
}

/* Has an executor look through the pidfd. */
static int look_up(struct peer *peer) {
        _cleanup_(job_freep) struct job *job = job_new();
        struct step *step = job ? job_add(job, STEP_IDENTIFY) : NULL;
        int r;

        if (!step)
                return log_oom();
        job->id = 0; /* leaves nothing behind that a recovery would look for */
        job->n_fds = 1;
        job->caller.uid = peer->caller.uid;
        job->caller.gid = peer->caller.gid;
        step->source.kind = STEP_SOURCE_FD;
        step->source.fd = 0;
        r = executor_pool_submit(peer->api->pods->executors, job, &peer->pidfd, 1, on_looked_up, peer, &peer->job);
        if (r < 0)
                return log_errno(LOG_ERR, r, "cannot have a caller identified");
        (void) peer_ref(peer); /* the callback's */
        return 0;
}

static int read_groups(sd_bus_message *m, struct caller *caller) {
        const void *array = NULL;
        size_t size = 0;
        int r = sd_bus_message_read_array(m, 'u', &array, &size);

        if (r < 0)
                return r;
        if (size / sizeof(uint32_t) > GROUPS_MAX)
                return -E2BIG;
        _Static_assert(sizeof(gid_t) == sizeof(uint32_t), "groups of the bus and of the kernel are of one size");
        free(caller->groups);
        caller->groups = size > 0 ? malloc(size) : NULL;
        caller->n_groups = 0;
        if (size > 0 && !caller->groups)
                return -ENOMEM;
        if (size > 0)
                memcpy(caller->groups, array, size);
        caller->n_groups = size / sizeof(gid_t);
        return 0;
}

static int read_credential(sd_bus_message *m, const char *key, struct caller *caller, bool *has_uid) {
        uint32_t number;
        int r;

        if (strcmp(key, "UnixUserID") == 0) {
                r = sd_bus_message_read(m, "v", "u", &number);
                if (r < 0)
                        return r;
                caller->uid = number;
                *has_uid = true;
                return 0;
        }
        if (strcmp(key, "ProcessID") == 0) {
                r = sd_bus_message_read(m, "v", "u", &number);
                if (r < 0)
                        return r;
                caller->pid = (pid_t) number;
                return 0;
        }
        if (strcmp(key, "UnixGroupIDs") == 0) {
                r = sd_bus_message_enter_container(m, 'v', "au");
                if (r >= 0)
                        r = read_groups(m, caller);
                return r < 0 ? r : sd_bus_message_exit_container(m);
        }
        return sd_bus_message_skip(m, "v");
}

/* a{sv} of GetConnectionCredentials, D-Bus Specification, "org.freedesktop.DBus.GetConnectionCredentials". */
static int read_credentials(sd_bus_message *m, struct caller *caller) {
        bool has_uid = false;
        const char *key;
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = read_credential(m, key, caller, &has_uid);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r < 0)
                return r;
        return has_uid ? 0 : -ENODATA;
}

/* The bus tells the groups sorted, the primary one among them: which it is, only the process knows. What the process says
 * counts if the bus vouches for it. */
static gid_t choose_group(const struct caller *caller) {
        _cleanup_free_ char *path = NULL, *line = NULL;
        _cleanup_fclose_ FILE *file = NULL;
        size_t size = 0;
        unsigned gid = 0;
        bool found = false;

        if (asprintf(&path, "/proc/%d/status", (int) caller->pid) < 0)
                return OVERFLOW_GID;
        file = fopen(path, "re");
        while (file && !found && getline(&line, &size, file) >= 0)
                found = sscanf(line, "Gid:\t%u", &gid) == 1;
        for (size_t i = 0; found && i < caller->n_groups; i++)
                if (caller->groups[i] == gid)
                        return gid;
        return caller->n_groups > 0 ? caller->groups[0] : OVERFLOW_GID;
}

static int on_credentials(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct peer *peer = userdata;
        int r;

        peer->call_slot = sd_bus_slot_unref(peer->call_slot);
        if (sd_bus_message_is_method_error(m, NULL)) {
                finish(peer, false); /* it has left the bus */
                return 1;
        }
        r = read_credentials(m, &peer->caller);
        if (r < 0) {
                (void) log_errno(LOG_ERR, r, "the bus does not tell who %s is", peer->caller.bus_name);
                finish(peer, false);
                return 1;
        }
        (void) close_fd(peer->pidfd); /* of an earlier try */
        peer->pidfd = peer->caller.pid > 0 ? (int) syscall(SYS_pidfd_open, peer->caller.pid, 0) : -1;
        peer->caller.gid = choose_group(&peer->caller);
        if (peer->pidfd < 0)
                conclude(peer, 0); /* the uid stands all the same */
        else if (look_up(peer) < 0)
                finish(peer, false);
        return 1;
}

int identify_begin(struct peer *peer) {
        int r;

        if (peer->identity != PEER_UNKNOWN)
                return 0;
        if (peer->caller.transport == CALLER_BUS)
                r = ask_bus(peer, "GetConnectionCredentials", on_credentials);
        else if (peer->pidfd >= 0)
                r = look_up(peer);
        else {
                set_flags(peer, 0); /* its process is gone, or in a pid namespace that we do not see */
                peer->identity = PEER_KNOWN;
                return 0;
        }
        if (r >= 0)
                peer->identity = PEER_ASKING;
        return r;
}
