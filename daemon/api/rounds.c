/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sockets are in an epoll set of their own, which is one source of the loop. What is readable is asked for anew each time, and all but
 * one socket a user is left for later: the set is level-triggered.
 */

#include "api/rounds.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "util/log.h"
#include "util/map.h"

enum { READY_MAX = 256 /* sockets looked at in a round: epoll(7) names the others first the next time */ };

struct rounds_user {
        uid_t uid;
        unsigned n_entries;
        uint64_t round;             /* the last in which it had something to say… */
        struct rounds_entry *next;  /* …and which connection's turn it is */
};

struct rounds_entry {
        struct rounds *rounds;
        struct rounds_user *user;
        sd_bus *bus;                /* reference */
        int fd;
        uint32_t events;            /* that are waited for */
        uint64_t served;            /* when it was served last, in messages of all */
        void (*broken)(void *userdata);
        void *userdata;
        struct rounds_entry *after, **link;
};

struct rounds {
        int epoll_fd;
        sd_event_source *ready, *timer;
        struct map *users;          /* struct rounds_user *, by uid */
        struct rounds_entry *entries;
        struct rounds_user *turns[READY_MAX]; /* of this round */
        size_t n_turns;
        uint64_t round, n_served;
};

static int serve(struct rounds_entry *entry) {
        sd_bus *bus = sd_bus_ref(entry->bus); /* a message may end the connection */
        void (*broken)(void *userdata) = entry->broken;
        void *userdata = entry->userdata;
        int r;

        entry->served = ++entry->rounds->n_served;
        r = sd_bus_process(bus, NULL);
        if (r < 0) /* the entry is there: only what a message leads to removes it */
                broken(userdata);
        (void) sd_bus_unref(bus);
        return r;
}

static void note_ready(struct rounds *rounds, struct rounds_entry *entry) {
        struct rounds_user *user = entry->user;

        if (user->round != rounds->round) {
                user->round = rounds->round;
                user->next = entry;
                rounds->turns[rounds->n_turns++] = user;
        } else if (entry->served < user->next->served)
                user->next = entry;
}

static int on_ready(sd_event_source *source _unused_, int fd, uint32_t revents _unused_, void *userdata) {
        struct rounds *rounds = userdata;
        struct epoll_event events[READY_MAX];
        int n = epoll_wait(fd, events, READY_MAX, 0);

        if (n < 0)
                return errno == EINTR ? 0 : log_errno(LOG_ERR, errno, "wait for connections");
        rounds->round++;
        rounds->n_turns = 0;
        for (int i = 0; i < n; i++)
                note_ready(rounds, events[i].data.ptr);
        for (size_t i = 0; i < rounds->n_turns; i++) {
                struct rounds_user *user = rounds->turns[i];

                if (user && user->next)
                        (void) serve(user->next); /* what came of it was seen to */
        }
        rounds->n_turns = 0;
        return 0;
}

/* Of handshakes that take too long, and of what sd-bus has to do by itself. */
static int on_timer(sd_event_source *source _unused_, uint64_t usec, void *userdata) {
        struct rounds *rounds = userdata;

        for (struct rounds_entry *entry = rounds->entries, *after; entry; entry = after) {
                uint64_t due;

                after = entry->after;
                if (sd_bus_get_timeout(entry->bus, &due) > 0 && due <= usec) {
                        (void) serve(entry); /* what came of it was seen to */
                        return 0; /* `after` may be gone; whoever else is due comes next */
                }
        }
        return 0;
}

static int wait_for(struct rounds_entry *entry, int operation, uint32_t events) {
        struct epoll_event event = {.events = events, .data.ptr = entry};

        if (epoll_ctl(entry->rounds->epoll_fd, operation, entry->fd, &event) < 0)
                return log_errno(LOG_ERR, errno, "watch a connection");
        entry->events = events;
        return 0;
}

/* Before the loop waits: what each connection waits for now, and until when. */
static int on_prepare(sd_event_source *source _unused_, void *userdata) {
        struct rounds *rounds = userdata;
        uint64_t first = UINT64_MAX, due;
        int r;

        for (struct rounds_entry *entry = rounds->entries; entry; entry = entry->after) {
                int events = sd_bus_get_events(entry->bus);

                if (events >= 0 && (uint32_t) events != entry->events && wait_for(entry, EPOLL_CTL_MOD, (uint32_t) events) < 0)
                        continue;
                if (sd_bus_get_timeout(entry->bus, &due) > 0 && due < first)
                        first = due;
        }
        r = sd_event_source_set_enabled(rounds->timer, first == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
        if (r >= 0 && first != UINT64_MAX)
                r = sd_event_source_set_time(rounds->timer, first);
        return r < 0 ? log_errno(LOG_ERR, r, "arm the timer of connections") : 0;
}

int rounds_new(sd_event *event, struct rounds **ret) {
        _cleanup_(rounds_freep) struct rounds *rounds = calloc(1, sizeof(*rounds));
        int r;

        if (!rounds)
                return log_oom();
        rounds->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (rounds->epoll_fd < 0)
                return log_errno(LOG_ERR, errno, "make an epoll set");
        rounds->users = map_new(MAP_KEY_U64);
        if (!rounds->users)
                return log_oom();
        r = sd_event_add_io(event, &rounds->ready, rounds->epoll_fd, EPOLLIN, on_ready, rounds);
        if (r >= 0)
                r = sd_event_source_set_prepare(rounds->ready, on_prepare);
        if (r >= 0)
                r = sd_event_add_time(event, &rounds->timer, CLOCK_MONOTONIC, UINT64_MAX, 0, on_timer, rounds);
        if (r >= 0)
                r = sd_event_source_set_enabled(rounds->timer, SD_EVENT_OFF);
        if (r < 0)
                return log_errno(LOG_ERR, r, "serve connections");
        *ret = TAKE_PTR(rounds);
        return 0;
}

struct rounds *rounds_free(struct rounds *rounds) {
        if (!rounds)
                return NULL;
        while (rounds->entries)
                (void) rounds_remove(rounds->entries);
        (void) sd_event_source_disable_unref(rounds->ready);
        (void) sd_event_source_disable_unref(rounds->timer);
        (void) close_fd(rounds->epoll_fd);
        (void) map_free(rounds->users);
        free(rounds);
        return NULL;
}

static struct rounds_user *user_of(struct rounds *rounds, uid_t uid) {
        struct rounds_user *user = map_get_u64(rounds->users, uid);

        if (user)
                return user;
        user = calloc(1, sizeof(*user));
        if (!user)
                return NULL;
        user->uid = uid;
        if (map_put_u64(rounds->users, uid, user) >= 0)
                return user;
        free(user);
        return NULL;
}

static void user_leave(struct rounds *rounds, struct rounds_user *user) {
        if (user->n_entries > 0)
                return;
        for (size_t i = 0; i < rounds->n_turns; i++)
                if (rounds->turns[i] == user)
                        rounds->turns[i] = NULL;
        (void) map_remove_u64(rounds->users, user->uid);
        free(user);
}

int rounds_add(struct rounds *rounds, sd_bus *bus, uid_t uid, void (*broken)(void *userdata), void *userdata, struct rounds_entry **ret) {
        struct rounds_user *user = user_of(rounds, uid);
        struct rounds_entry *entry = user ? calloc(1, sizeof(*entry)) : NULL;
        int r;

        if (!entry) {
                if (user)
                        user_leave(rounds, user);
                return log_oom();
        }
        *entry = (struct rounds_entry) {.rounds = rounds, .user = user, .bus = sd_bus_ref(bus), .fd = sd_bus_get_fd(bus), .broken = broken,
                                        .userdata = userdata, .after = rounds->entries, .link = &rounds->entries};
        user->n_entries++;
        if (entry->after)
                entry->after->link = &entry->after;
        rounds->entries = entry;
        r = wait_for(entry, EPOLL_CTL_ADD, EPOLLIN);
        if (r < 0) {
                entry->fd = -1;
                (void) rounds_remove(entry);
                return r;
        }
        *ret = entry;
        return 0;
}

struct rounds_entry *rounds_remove(struct rounds_entry *entry) {
        struct rounds_user *user;

        if (!entry)
                return NULL;
        user = entry->user;
        if (entry->fd >= 0)
                (void) epoll_ctl(entry->rounds->epoll_fd, EPOLL_CTL_DEL, entry->fd, NULL); /* fails for one that is closed, and so gone from it */
        *entry->link = entry->after;
        if (entry->after)
                entry->after->link = entry->link;
        if (user->next == entry)
                user->next = NULL; /* its turn of this round is over */
        user->n_entries--;
        user_leave(entry->rounds, user);
        (void) sd_bus_unref(entry->bus);
        free(entry);
        return NULL;
}
