/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Turns a child of the keeper into the front, and connects the two: new executors, settings and the order to stop come in
 * over the control socket, the wish for another executor goes out. Speaks sd_notify(3) for the service.
 */

#include "front.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "control.h"
#include "kernel/confine.h"
#include "manager.h"
#include "process.h"
#include "util/channel.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/log.h"

enum { STOP_LIMIT_US = 12 * 1000 * 1000 /* for what runs to end and be answered; the unit allows the whole service 20 s */ };

struct front {
        sd_event *event;
        int control;
        struct manager *manager;
};

static void notify_ready(const struct front *front) {
        _cleanup_free_ char *status = manager_status(front->manager);

        (void) sd_notifyf(false, "READY=1\nSTATUS=Serving, %s.", status ? status : ""); /* nobody may be listening */
}

static_assert((int) POOL_GROWN_MAX <= (int) RUNTIME_SLOTS_MAX, "each executor has an intent file");

static void ask_for_executor(unsigned slot, void *userdata) {
        const struct front *front = userdata;
        const struct control_header header = {.kind = slot == POOL_SLOT_NEW ? CONTROL_MORE : CONTROL_REPLACE, .slot = slot};
        int r = channel_send(front->control, &header, sizeof(header), NULL, 0);

        if (r < 0)
                (void) log_errno(LOG_ERR, r, "cannot ask the keeper for another executor");
}

static void take_settings(struct front *front, const char *text) {
        struct settings settings;

        (void) sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_us(CLOCK_MONOTONIC));
        if (settings_from_text(text, &settings) < 0)
                log_error("the keeper's settings cannot be read: those before stay in force");
        else {
                log_set_level(settings.log_level);
                manager_set_settings(front->manager, &settings);
                event_log(EVENT_CONFIGURATION_READ, NULL, "Configuration re-read");
        }
        notify_ready(front);
}

static void take_executor(struct front *front, unsigned slot, struct channel_message *message) {
        if (message->n_fds != 2 || slot >= RUNTIME_SLOTS_MAX) {
                log_error("the keeper sent an executor that cannot be used");
                return;
        }
        /* A failure is logged; the executor ends when its socket is closed, and the keeper sends another. */
        (void) manager_add_executor(front->manager, slot, TAKE_FD(message->fds[0]), TAKE_FD(message->fds[1]));
}

static int take_message(struct front *front, struct channel_message *message) {
        _cleanup_free_ char *text = NULL;
        struct control_header header;

        if (message->size < sizeof(header))
                return 0;
        memcpy(&header, message->data, sizeof(header));
        switch (header.kind) {
        case CONTROL_EXECUTOR:
                take_executor(front, header.slot, message);
                return 0;
        case CONTROL_SETTINGS:
                text = strndup((const char *) message->data + sizeof(header), message->size - sizeof(header));
                if (!text)
                        return log_oom();
                take_settings(front, text);
                return 0;
        case CONTROL_STOP:
                (void) sd_notify(false, "STOPPING=1\nSTATUS=Finishing what runs.");
                return manager_stop(front->manager, STOP_LIMIT_US);
        default:
                log_error("the keeper sent a message of kind %u, which is none", header.kind);
                return 0;
        }
}

static int on_control(sd_event_source *source, int fd, uint32_t revents _unused_, void *userdata) {
        struct front *front = userdata;

        for (;;) {
                _cleanup_message_ struct channel_message message = {};
                int r = channel_receive(fd, MSG_DONTWAIT, &message);

                if (r == -EAGAIN)
                        return 0;
                if (r <= 0) {
                        log_error("the keeper is gone");
                        return sd_event_exit(sd_event_source_get_event(source), EXIT_FAILURE);
                }
                (void) take_message(front, &message); /* logged; the next message may be better */
        }
}

/* The service manager gave the watchdog to the keeper, which has no loop worth watching. */
static void adopt_watchdog(pid_t keeper) {
        const char *text = getenv("WATCHDOG_PID");
        char pid[sizeof("2147483647")];

        if (!text || strtol(text, NULL, 10) != keeper)
                return;
        (void) snprintf(pid, sizeof(pid), "%d", (int) getpid()); /* always fits */
        if (setenv("WATCHDOG_PID", pid, 1) < 0)
                (void) log_oom();
}

/* fds of the setup stay, everything else that the keeper has open is closed. */
static int keep_own_fds(const struct front_setup *setup) {
        enum { KEPT = RUNTIME_SLOTS_MAX * 2 + 5 + WATCH_FDS + SETTINGS_STORES_MAX };
        _cleanup_free_ int *keep = calloc(KEPT + setup->runtime->n_texts, sizeof(*keep));
        size_t n = 0;

        if (!keep)
                return log_oom();
        for (size_t i = 0; i < setup->runtime->n_texts; i++)
                keep[n++] = setup->runtime->texts[i].fd;
        keep[n++] = setup->control;
        keep[n++] = setup->runtime->fd;
        keep[n++] = setup->runtime->listen_fd;
        keep[n++] = setup->runtime->varlink_fd;
        keep[n++] = setup->state->records_fd;
        for (size_t i = 0; i < setup->stores->n; i++)
                keep[n++] = setup->stores->list[i].records_fd;
        watch_fds(setup->watch, keep + n);
        n += WATCH_FDS;
        for (unsigned slot = 0; slot < RUNTIME_SLOTS_MAX; slot++) {
                keep[n++] = setup->sockets[slot];
                keep[n++] = setup->runtime->read_intent_fds[slot];
        }
        return process_close_others(keep, n);
}

static int become_front(const struct front_setup *setup) {
        int r;

        log_set_role("front");
        process_reset_signals();
        r = keep_own_fds(setup);
        if (r < 0)
                return r;
        r = process_drop_privileges(setup->uid, setup->gid);
        if (r < 0)
                return r;
        r = confine_sockets(); /* the executors' netlink is none of its business */
        if (r < 0)
                return log_errno(LOG_ERR, r, "refuse sockets");
        r = process_die_with(setup->keeper);
        if (r < 0)
                return r;
        adopt_watchdog(setup->keeper);
        return process_hide();
}

static int start(struct front *front, const struct front_setup *setup) {
        const struct manager_setup manager_setup = {
                .event = front->event,
                .runtime = setup->runtime,
                .state = setup->state,
                .stores = setup->stores,
                .watch = setup->watch,
                .features = setup->features,
                .bus = setup->bus,
                .settings = &setup->settings,
                .replace = ask_for_executor,
                .userdata = front,
        };
        int r = manager_new(&manager_setup, &front->manager);

        if (r < 0)
                return r;
        for (unsigned slot = 0; slot < RUNTIME_SLOTS_MAX; slot++) {
                int intent;

                if (setup->sockets[slot] < 0)
                        continue;
                intent = fcntl(setup->runtime->read_intent_fds[slot], F_DUPFD_CLOEXEC, 3);
                if (intent < 0) {
                        (void) close_fd(setup->sockets[slot]);
                        return log_errno(LOG_ERR, errno, "cannot duplicate the intent file");
                }
                r = manager_add_executor(front->manager, slot, setup->sockets[slot], intent);
                if (r < 0)
                        return r;
        }
        r = sd_event_add_io(front->event, NULL, front->control, EPOLLIN, on_control, front);
        if (r < 0)
                return log_errno(LOG_ERR, r, "cannot listen to the keeper");
        return manager_start(front->manager);
}

int front_main(const struct front_setup *setup) {
        struct front front = {.control = setup->control};
        int r = become_front(setup);

        if (r < 0)
                return EXIT_FAILURE;
        r = sd_event_default(&front.event);
        if (r >= 0)
                r = sd_event_set_watchdog(front.event, true);
        if (r < 0) {
                (void) log_errno(LOG_ERR, r, "cannot make the event loop");
                return EXIT_FAILURE;
        }
        r = start(&front, setup);
        if (r >= 0) {
                notify_ready(&front);
                r = sd_event_loop(front.event);
                if (r < 0)
                        (void) log_errno(LOG_ERR, r, "the event loop failed");
        }
        front.manager = manager_free(front.manager);
        front.event = sd_event_unref(front.event);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
