/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starts, watches and ends the other processes. What it holds is what must outlive them: the lock, the intent files, the
 * runtime directory. It never blocks on the front: a message that the front does not take now is sent again later.
 */

#include "keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "control.h"
#include "executor/executor.h"
#include "executor/grants.h"
#include "front.h"
#include "kernel/features.h"
#include "process.h"
#include "runtime.h"
#include "state.h"
#include "stores.h"
#include "util/array.h"
#include "util/channel.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/log.h"
#include "util/settings.h"

enum {
        STOP_GRACE_MS = 15000,   /* for the front, which takes 12 s at most */
        EXECUTOR_GRACE_MS = 2000,/* for executors to end once the front is gone */
        RESPAWN_DELAY_MS = 250,  /* before an executor that died at once is started again */
        RESPAWN_QUICK_MS = 1000, /* what "at once" means */
        RESTARTS_AT_ONCE = RUNTIME_SLOTS_MAX, /* of executors, whatever they ended of; after so many… */
        RESTART_MS = 125,        /* …one in this time: the front, who can have each end, has us fork no more than that */
        CONTROLS_MAX = 16,       /* messages of the front between two looks at signals */
};

struct keeper_executor {
        pid_t pid; /* 0: none, to be started at `start_ms` */
        uint64_t start_ms;
};

struct keeper {
        const struct options *options;
        struct settings settings;
        struct executor_grants *grants; /* shared with the executors, and not with the front */
        struct runtime runtime;
        struct state state;
        struct stores stores;
        struct watch *watch;
        char **features;
        uid_t uid;
        gid_t gid;
        int signal_fd, control;
        pid_t front;        /* 0 once it is gone */
        int front_status;
        bool stopping;
        uint64_t deadline_ms; /* while stopping: then the front is killed */
        struct keeper_executor executors[RUNTIME_SLOTS_MAX];
        unsigned n_executors;
        uint64_t restarts_ms; /* by when the last restart were due if there was one each RESTART_MS */
};

static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid) {
        const struct passwd *pw;

        errno = 0;
        pw = getpwnam(name); /* one thread, before any other process of ours */
        if (!pw) {
                log_error("there is no user %s for the front: create it (systemd-sysusers does) or name another with --user", name);
                return -ENOENT;
        }
        if (pw->pw_uid == 0 || pw->pw_gid == 0) {
                log_error("the front must not run as user %s, who is root or in root's group: name another with --user", name);
                return -EPERM;
        }
        *ret_uid = pw->pw_uid;
        *ret_gid = pw->pw_gid;
        return 0;
}

static int read_settings(const struct options *options, struct settings *ret) {
        const char *const reserved[] = {"/proc", "/sys", "/dev", options->runtime_dir, options->state_dir, NULL};
        struct settings settings;
        int r = settings_read(options->config, options->config_given, reserved, &settings);

        if (r < 0)
                return r;
        if (options->log_level >= 0)
                settings.log_level = options->log_level;
        *ret = settings;
        log_set_level(settings.log_level);
        return 0;
}

/* Forks the executor of a slot. Returns our end of its socket, non-blocking. */
static int start_executor(struct keeper *keeper, unsigned slot) {
        _cleanup_close_ int ours = -1, theirs = -1;
        int pair[2], flags;
        pid_t pid, self = getpid();

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return log_errno(LOG_ERR, errno, "socketpair");
        ours = pair[0];
        theirs = pair[1];
        flags = fcntl(ours, F_GETFL);
        if (flags < 0 || fcntl(ours, F_SETFL, flags | O_NONBLOCK) < 0)
                return log_errno(LOG_ERR, errno, "O_NONBLOCK");

        pid = fork();
        if (pid < 0)
                return log_errno(LOG_ERR, errno, "fork");
        if (pid == 0) {
                int stores[SETTINGS_STORES_MAX];
                const struct executor_setup setup = {
                        .slot = slot,
                        .socket = theirs,
                        .intent_fd = keeper->runtime.intent_fds[slot],
                        .runtime_fd = keeper->runtime.fd,
                        .layers_fd = keeper->state.layers_fd,
                        .stores = stores,
                        .n_stores = keeper->stores.n,
                        .grants = keeper->grants,
                        .without = keeper->options->features_off,
                };

                for (size_t i = 0; i < keeper->stores.n; i++)
                        stores[i] = keeper->stores.list[i].layers_fd;
                if (mprotect(keeper->grants, sizeof(*keeper->grants), PROT_READ) < 0)
                        process_exit(EXIT_FAILURE);
                process_reset_signals();
                if (process_die_with(self) < 0)
                        process_exit(EXIT_FAILURE);
                process_exit(executor_main(&setup));
        }
        keeper->executors[slot] = (struct keeper_executor) {.pid = pid, .start_ms = clock_ms()};
        log_debug("executor %u is process %d", slot, (int) pid);
        return TAKE_FD(ours);
}

static void set_grants(struct keeper *keeper) {
        keeper->grants->image_types = keeper->settings.image_types;
        keeper->grants->device_types = keeper->settings.device_types;
        keeper->grants->foreign_ids = keeper->settings.foreign_ids;
        keeper->grants->gc_in_pods = keeper->settings.gc_in_pods;
        keeper->grants->gc_in_root_pods = keeper->settings.gc_in_root_pods;
        keeper->grants->gc_timeout_us = keeper->settings.gc_timeout_us;
        grants_set_host_targets(keeper->grants, keeper->settings.host_targets);
        grants_set_interfaces(keeper->grants, keeper->settings.interfaces);
        keeper->grants->cgroups_of_systemd = sd_booted() > 0;
        grants_set_cgroup_parent(keeper->grants, settings_cgroup_parent(&keeper->settings));
        grants_set_registry_program(keeper->grants, keeper->settings.registry_program);
        grants_set_gc_programs(keeper->grants, keeper->settings.gc_programs);
}

/* A page that executors inherit. The front must not: it could grant itself what it likes. */
static int make_grants(struct keeper *keeper) {
        void *page = mmap(NULL, sizeof(*keeper->grants), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (page == MAP_FAILED)
                return log_errno(LOG_ERR, errno, "map the executors' grants");
        keeper->grants = page;
        set_grants(keeper);
        return 0;
}

static int tell_front(struct keeper *keeper, enum control_kind kind, unsigned slot, const char *text, const int *fds, size_t n_fds) {
        const struct control_header header = {.kind = kind, .slot = slot};
        size_t length = text ? strlen(text) : 0;
        _cleanup_free_ char *message = malloc(sizeof(header) + length);

        if (!message)
                return log_oom();
        memcpy(message, &header, sizeof(header));
        if (text)
                memcpy(message + sizeof(header), text, length);
        return channel_send(keeper->control, message, sizeof(header) + length, fds, n_fds);
}

/* 0, and counts one more; or when the next executor may be started. */
static uint64_t count_restart(struct keeper *keeper, uint64_t now) {
        const uint64_t ahead = (uint64_t) RESTART_MS * (RESTARTS_AT_ONCE - 1);

        if (keeper->restarts_ms > now + ahead)
                return keeper->restarts_ms - ahead;
        keeper->restarts_ms = (keeper->restarts_ms > now ? keeper->restarts_ms : now) + RESTART_MS;
        return 0;
}

/* Starts what is to be started now; -1 or the milliseconds until the next one is due. */
static int start_due(struct keeper *keeper) {
        uint64_t now = clock_ms();
        int wait = -1;

        for (unsigned slot = 0; slot < keeper->n_executors && !keeper->stopping; slot++) {
                struct keeper_executor *executor = &keeper->executors[slot];
                _cleanup_close_ int socket_fd = -1;

                if (executor->pid > 0)
                        continue;
                if (executor->start_ms <= now) {
                        uint64_t later = count_restart(keeper, now);

                        if (later > 0)
                                executor->start_ms = later;
                }
                if (executor->start_ms <= now) {
                        socket_fd = start_executor(keeper, slot);
                        if (socket_fd >= 0) {
                                const int fds[] = {socket_fd, keeper->runtime.read_intent_fds[slot]};

                                if (tell_front(keeper, CONTROL_EXECUTOR, slot, NULL, fds, ELEMENTSOF(fds)) >= 0)
                                        continue;
                                /* It ends by itself when its socket closes; its exit makes us try again. */
                                continue;
                        }
                        executor->start_ms = now + RESPAWN_DELAY_MS;
                }
                if (wait < 0 || executor->start_ms - now < (uint64_t) wait)
                        wait = (int) (executor->start_ms - now);
        }
        return wait;
}

static void kill_executor(struct keeper *keeper, unsigned slot) {
        if (slot >= keeper->n_executors || keeper->executors[slot].pid <= 0)
                return;
        event_log(EVENT_EXECUTOR_HUNG, NULL, "executor %u (process %d) hangs: it is replaced", slot, (int) keeper->executors[slot].pid);
        (void) kill(keeper->executors[slot].pid, SIGKILL);
        /* One that is stuck in the kernel dies when that lets it go: nobody waits for that. */
        keeper->executors[slot] = (struct keeper_executor) {.pid = 0, .start_ms = clock_ms()};
}

/* It stays: who held up all of them may come again. */
static void add_executor(struct keeper *keeper) {
        if (keeper->n_executors >= RUNTIME_SLOTS_MAX || keeper->stopping)
                return;
        event_log(EVENT_EXECUTOR_ADDED, NULL, "all %u executors are held up while others wait: there is one more now", keeper->n_executors);
        keeper->executors[keeper->n_executors++] = (struct keeper_executor) {.pid = 0, .start_ms = clock_ms()};
}

static void on_exit_of(struct keeper *keeper, pid_t pid, int status) {
        if (pid == keeper->front) {
                keeper->front = 0;
                keeper->front_status = status;
                return;
        }
        for (unsigned slot = 0; slot < keeper->n_executors; slot++) {
                struct keeper_executor *executor = &keeper->executors[slot];
                uint64_t now = clock_ms();

                if (executor->pid != pid)
                        continue;
                if (!keeper->stopping && keeper->front > 0)
                        event_log(EVENT_EXECUTOR_ENDED, NULL, "executor %u (process %d) ended (%s %d): it is replaced", slot, (int) pid,
                                    WIFSIGNALED(status) ? "signal" : "status",
                                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
                executor->pid = 0;
                executor->start_ms = now - executor->start_ms < RESPAWN_QUICK_MS ? now + RESPAWN_DELAY_MS : now;
                return;
        }
}

static void reload(struct keeper *keeper) {
        char stores[PREFIXES_SIZE];
        _cleanup_free_ char *text = NULL;

        memcpy(stores, keeper->settings.additional_stores, sizeof(stores));
        if (read_settings(keeper->options, &keeper->settings) < 0) {
                event_log(EVENT_CONFIGURATION_REFUSED, NULL, "the configuration was not re-read: the one before stays in force");
                return;
        }
        set_grants(keeper);
        if (strcmp(stores, keeper->settings.additional_stores) != 0)
                log_notice("AdditionalStores= has changed: podmountd has to be started again for that");
        if (settings_to_text(&keeper->settings, &text) < 0 || tell_front(keeper, CONTROL_SETTINGS, 0, text, NULL, 0) < 0)
                log_error("the front could not be told of the new configuration: signal again");
}

static void stop(struct keeper *keeper) {
        if (keeper->stopping)
                return;
        keeper->stopping = true;
        keeper->deadline_ms = clock_ms() + STOP_GRACE_MS;
        if (tell_front(keeper, CONTROL_STOP, 0, NULL, NULL, 0) < 0)
                keeper->deadline_ms = clock_ms();
}

static void on_signals(struct keeper *keeper) {
        struct signalfd_siginfo info;

        while (read(keeper->signal_fd, &info, sizeof(info)) == (ssize_t) sizeof(info)) {
                int status;
                pid_t pid;

                if (info.ssi_signo == SIGHUP)
                        reload(keeper);
                else if (info.ssi_signo != SIGCHLD)
                        stop(keeper);
                while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
                        on_exit_of(keeper, pid, status);
        }
}

/* A few in a turn: a front that sends them without end keeps no signal from being heard. */
static void on_control(struct keeper *keeper) {
        for (unsigned i = 0; i < CONTROLS_MAX; i++) {
                _cleanup_message_ struct channel_message message = {};
                struct control_header header;

                if (channel_receive(keeper->control, MSG_DONTWAIT, &message) <= 0)
                        return; /* nothing more; the end of the front itself comes as SIGCHLD */
                if (message.size != sizeof(header))
                        continue;
                memcpy(&header, message.data, sizeof(header));
                if (header.kind == CONTROL_REPLACE)
                        kill_executor(keeper, header.slot);
                else if (header.kind == CONTROL_MORE)
                        add_executor(keeper);
        }
}

static bool any_executor(const struct keeper *keeper) {
        for (unsigned slot = 0; slot < keeper->n_executors; slot++)
                if (keeper->executors[slot].pid > 0)
                        return true;
        return false;
}

/* One turn: waits for a signal or a message, at most until `wait` milliseconds have passed (-1: for good). */
static void turn(struct keeper *keeper, int wait) {
        struct pollfd fds[] = {{.fd = keeper->signal_fd, .events = POLLIN}, {.fd = keeper->control, .events = POLLIN}};

        if (keeper->front <= 0)
                fds[1].fd = -1;
        if (poll(fds, ELEMENTSOF(fds), wait) < 0 && errno != EINTR) {
                (void) log_errno(LOG_ERR, errno, "poll");
                return;
        }
        if (fds[1].revents & POLLIN)
                on_control(keeper);
        else if (fds[1].revents)
                keeper->control = close_fd(keeper->control); /* hung up: poll(2) must not return for it for ever */
        if (fds[0].revents)
                on_signals(keeper);
}

static void serve(struct keeper *keeper) {
        while (keeper->front > 0) {
                int wait = start_due(keeper);

                if (keeper->stopping) {
                        uint64_t now = clock_ms();

                        if (now >= keeper->deadline_ms) {
                                log_warning("the front did not end in time: it is killed; what it left is found at the next start");
                                (void) kill(keeper->front, SIGKILL);
                                keeper->deadline_ms = UINT64_MAX;
                        }
                        wait = keeper->deadline_ms == UINT64_MAX ? -1 : (int) (keeper->deadline_ms - now);
                }
                turn(keeper, wait);
        }
}

/* Executors end when the front's ends of their sockets are closed; one that does not is killed. */
static void end_executors(struct keeper *keeper) {
        const int64_t deadline = clock_ms() + EXECUTOR_GRACE_MS;

        for (int64_t left; any_executor(keeper) && (left = deadline - clock_ms()) > 0;)
                turn(keeper, (int) left);
        for (unsigned slot = 0; slot < keeper->n_executors; slot++)
                if (keeper->executors[slot].pid > 0)
                        (void) kill(keeper->executors[slot].pid, SIGKILL);
}

static int take_signals(struct keeper *keeper) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return log_errno(LOG_ERR, errno, "sigprocmask");
        keeper->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (keeper->signal_fd < 0)
                return log_errno(LOG_ERR, errno, "signalfd");
        return 0;
}

static int start_front(struct keeper *keeper, const int *sockets) {
        int pair[2];
        pid_t pid, self = getpid();

        if (madvise(keeper->grants, sizeof(*keeper->grants), MADV_DONTFORK) < 0)
                return log_errno(LOG_ERR, errno, "keep the executors' grants from the front");
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return log_errno(LOG_ERR, errno, "socketpair");
        pid = fork();
        if (pid < 0) {
                (void) close_fd(pair[0]);
                (void) close_fd(pair[1]);
                return log_errno(LOG_ERR, errno, "fork");
        }
        if (pid == 0) {
                struct front_setup setup = {
                        .keeper = self,
                        .uid = keeper->uid,
                        .gid = keeper->gid,
                        .control = pair[1],
                        .runtime = &keeper->runtime,
                        .state = &keeper->state,
                        .stores = &keeper->stores,
                        .watch = keeper->watch,
                        .features = keeper->features,
                        .bus = keeper->options->bus,
                        .settings = keeper->settings,
                };

                memcpy(setup.sockets, sockets, sizeof(setup.sockets));
                process_exit(front_main(&setup));
        }
        runtime_close_texts(&keeper->runtime);
        (void) close_fd(pair[1]);
        keeper->control = pair[0];
        keeper->front = pid;
        if (madvise(keeper->grants, sizeof(*keeper->grants), MADV_DOFORK) < 0)
                return log_errno(LOG_ERR, errno, "let later executors have their grants");
        return 0;
}

static int start_all(struct keeper *keeper) {
        int sockets[RUNTIME_SLOTS_MAX], r = 0;

        for (unsigned slot = 0; slot < RUNTIME_SLOTS_MAX; slot++)
                sockets[slot] = -1;
        for (unsigned slot = 0; slot < keeper->n_executors && r >= 0; slot++)
                r = sockets[slot] = start_executor(keeper, slot);
        if (r >= 0)
                r = start_front(keeper, sockets);
        for (unsigned slot = 0; slot < keeper->n_executors; slot++)
                (void) close_fd(sockets[slot]);
        return r;
}

/* What clients are told; each executor tries for itself. */
static int find_features(struct keeper *keeper, struct features *ret) {
        int r = features_probe(keeper->options->features_off, ret);

        if (r >= 0)
                r = features_names(ret, &keeper->features);
        return r < 0 ? log_errno(LOG_ERR, r, "cannot find out what this kernel offers") : 0;
}

/* The best way that the kernel has. Each ends with the next one: /proc tells everywhere. */
static int open_watch(struct keeper *keeper, const struct features *features) {
        int r = -EOPNOTSUPP;

        if (features->mount_events)
                r = watch_open(WATCH_FANOTIFY, !features->unlimited_queue, &keeper->watch);
        if (r < 0 && features->statmount)
                r = watch_open(WATCH_LISTMOUNT, false, &keeper->watch);
        if (r < 0)
                r = watch_open(WATCH_MOUNTINFO, false, &keeper->watch);
        return r < 0 ? log_errno(LOG_ERR, r, "cannot watch the mount table") : 0;
}

static int prepare(struct keeper *keeper) {
        struct features features;
        int r = read_settings(keeper->options, &keeper->settings);

        if (r < 0)
                return r;
        keeper->n_executors = keeper->settings.executors;
        r = make_grants(keeper);
        if (r < 0)
                return r;
        r = find_user(keeper->options->user, &keeper->uid, &keeper->gid);
        if (r < 0)
                return r;
        process_raise_files();
        r = runtime_prepare(keeper->options->runtime_dir, keeper->uid, keeper->gid, RUNTIME_SLOTS_MAX, &keeper->runtime);
        if (r < 0)
                return r;
        r = find_features(keeper, &features);
        if (r < 0)
                return r;
        r = open_watch(keeper, &features);
        if (r < 0)
                return r;
        r = state_prepare(keeper->options->state_dir, keeper->uid, keeper->gid, &features, &keeper->state);
        if (r < 0)
                return r;
        r = stores_prepare(keeper->settings.additional_stores, keeper->state.path, keeper->uid, &features, &keeper->stores);
        if (r < 0)
                return r;
        return take_signals(keeper);
}

static int exit_status(const struct keeper *keeper) {
        if (keeper->stopping && WIFEXITED(keeper->front_status) && WEXITSTATUS(keeper->front_status) == EXIT_SUCCESS)
                return EXIT_SUCCESS;
        if (!WIFSIGNALED(keeper->front_status))
                event_log(EVENT_FRONT_FAILED, NULL, "the front ended with status %d", WEXITSTATUS(keeper->front_status));
        else if (!keeper->stopping)
                event_log(EVENT_FRONT_FAILED, NULL, "the front was killed by signal %d: pods stay mounted, start podmountd again", WTERMSIG(keeper->front_status));
        return EXIT_FAILURE;
}

int keeper_run(const struct options *options) {
        struct keeper keeper = {.options = options, .runtime = RUNTIME_INIT, .state = STATE_INIT, .signal_fd = -1, .control = -1};
        int r, status = EXIT_FAILURE;

        r = prepare(&keeper);
        if (r >= 0)
                r = start_all(&keeper);
        keeper.watch = watch_free(keeper.watch); /* the front's own copy goes on */
        if (r >= 0) {
                keeper.runtime.listen_fd = close_fd(keeper.runtime.listen_fd);
                keeper.runtime.varlink_fd = close_fd(keeper.runtime.varlink_fd);
                process_forget_code();
                serve(&keeper);
                status = exit_status(&keeper);
        }
        keeper.stopping = true;
        end_executors(&keeper);
        (void) close_fd(keeper.control);
        (void) close_fd(keeper.signal_fd);
        runtime_done(&keeper.runtime);
        stores_done(&keeper.stores);
        state_done(&keeper.state);
        strv_free(keeper.features);
        if (keeper.grants)
                (void) munmap(keeper.grants, sizeof(*keeper.grants));
        return status;
}
