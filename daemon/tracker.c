/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When the table follows the kernel.
 *
 * With notifications, an event after a rest is taken at once: a timer would be one wake-up more. Then there is a
 * pause, and the events of a burst are taken together, a slice a turn of the loop, so that mounts that come and go at
 * once cost next to nothing. The poll on mountinfo also fires when attributes change, which no event tells: if it fires
 * alone, the pods' mounts are looked at again at once; if it fires among events, nobody can tell, and they are looked at
 * again after a while, in proportion to the cost. Without pods there is nothing to look at.
 *
 * With statmount alone, the poll is answered by a comparison of the lists of ids and a look at the pods' mounts, those
 * in staging/ included, which keep their ids when they are moved; everything else is looked at again after a while. With
 * neither, the poll is answered by reading mountinfo.
 *
 * What is looked at again without anybody waiting for it is looked at in slices, a turn of the loop each.
 *
 * Whatever is put off is always done after the last change.
 *
 * No turn of the loop takes longer than a fraction of a millisecond for events, however many there are: the others
 * have their turns in between.
 */

#include "tracker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "util/clock.h"
#include "util/event.h"
#include "util/log.h"

enum {
        DELAY_US = 2 * 1000,      /* from a change to its round: what belongs together comes together… */
        DELAY_MAX_US = 70 * 1000, /* …and at most so long where jobs run all the time */
        PAUSE_MIN_US = 20 * 1000, /* between two rounds */
        PAUSE_MAX_US = 70 * 1000, /* drift is to be seen within 100 ms */
        PAUSE_FACTOR = 5,         /* of a round's cost: at most a sixth of the time goes into rounds */
        LATER_MIN_US = 60 * 1000, /* before what can wait */
        LATER_MAX_US = 5 * 1000 * 1000,
        LATER_FACTOR = 30,             /* of its cost */
        TURN_US = 100,                /* for events, each turn of the loop… */
        FAIR_US = 5 * 1000,            /* …and a turn at least so often, should the others never rest */
        SLICE = 32,                    /* …asking the time after so many */
        LOOK_SLICE = 256,              /* mounts that are looked at again, a turn of the loop: less than a millisecond */
};

struct tracker {
        struct watch *watch;
        const struct table *table;
        struct following *following;
        struct tracker_setup setup;

        sd_event_source *watch_source; /* off while a round is due */
        sd_event_source *round_timer;  /* armed while dirty */
        sd_event_source *more;         /* on while a round goes on: after everybody else */
        sd_event_source *later_timer;  /* armed while `later` */
        bool deaf;                     /* the watch is off */
        bool dirty;                    /* a change was told and not taken in since */
        bool polled;                   /* the poll said so */
        bool lost;                     /* everything has to be read */
        bool later;                    /* what can wait is to be done */
        bool looking;                  /* it is being done, a slice a turn of the loop, by the same timer */
        bool look_again;               /* more of it was noticed meanwhile */
        uint64_t *look_ids;            /* the pods' mounts, looked at up to `look_next`… */
        size_t n_look_ids, look_next;
        uint64_t look_cursor;          /* …or, without notifications, all mounts up to this one */
        uint64_t look_cost_us, look_generation;
        uint64_t dirty_since_us;       /* CLOCK_MONOTONIC, as the next ones */
        uint64_t pause_until_us;
        uint64_t later_from_us;
        uint64_t later_since_us; /* when what is put off was noticed */
        uint64_t lag_last_us, lag_worst_us;
};

static uint64_t pause_after(uint64_t cost, uint64_t factor, uint64_t least, uint64_t most) {
        uint64_t pause = cost * factor;

        return clock_us(CLOCK_MONOTONIC) + (pause < least ? least : pause > most ? most : pause);
}

/* Without changes, too, when a round was due: someone may wait for it. */
static void tell(const struct tracker *tracker, const struct changes *changes, bool settled) {
        if (tracker->dirty || changes->n_items > 0)
                tracker->setup.changed(changes, settled, tracker->setup.userdata);
}

static void note_lag(struct tracker *tracker, uint64_t since) {
        tracker->lag_last_us = clock_us(CLOCK_MONOTONIC) - since;
        if (tracker->lag_worst_us < tracker->lag_last_us)
                tracker->lag_worst_us = tracker->lag_last_us;
}

static int arm(sd_event_source *timer, uint64_t usec) {
        int r = sd_event_source_set_time(timer, usec);

        if (r >= 0)
                r = sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
        return r < 0 ? log_errno(LOG_ERR, r, "cannot arm a timer of the mount table") : 0;
}

/* Something may be other than the table has it, and is to be seen in a while. */
static int put_off(struct tracker *tracker) {
        tracker->look_again = tracker->looking;
        if (tracker->later || tracker->looking)
                return 0;
        tracker->later = true;
        tracker->later_since_us = clock_us(CLOCK_MONOTONIC);
        if (tracker->later_from_us < clock_us(CLOCK_MONOTONIC) + LATER_MIN_US)
                tracker->later_from_us = clock_us(CLOCK_MONOTONIC) + LATER_MIN_US;
        return arm(tracker->later_timer, tracker->later_from_us);
}

static int read_all(struct tracker *tracker) {
        _cleanup_changes_ struct changes changes = {};
        int r;

        (void) watch_take(tracker->watch, NULL); /* what happened until here is in the reading, the rest is told again */
        tracker->polled = false;
        r = following_read(tracker->following, &changes);
        tracker->lost = r < 0;
        if (r < 0)
                return r;
        tell(tracker, &changes, true);
        tracker->dirty = false;
        return 0;
}

static int look_below(struct tracker *tracker, const char *path) {
        _cleanup_changes_ struct changes changes = {};
        int r = following_look(tracker->following, path, &changes);

        if (r < 0)
                tracker->lost = true;
        tell(tracker, &changes, r >= 0);
        return r;
}

static int add_others(struct tracker *tracker) {
        _cleanup_free_ uint64_t *others = NULL;
        uint64_t *ids;
        size_t n = 0;
        int r = tracker->setup.others(&others, &n, tracker->setup.userdata);

        if (r < 0 || n == 0)
                return r;
        ids = reallocarray(tracker->look_ids, tracker->n_look_ids + n, sizeof(*ids));
        if (!ids)
                return log_oom();
        memcpy(ids + tracker->n_look_ids, others, n * sizeof(*ids));
        tracker->look_ids = ids;
        tracker->n_look_ids += n;
        return 0;
}

static int begin_look(struct tracker *tracker) {
        int r;

        tracker->looking = true;
        tracker->later = tracker->look_again = false;
        tracker->look_cursor = tracker->look_next = tracker->n_look_ids = 0;
        tracker->look_cost_us = 0;
        tracker->look_generation = table_generation(tracker->table);
        if (watch_tracking(tracker->watch) != WATCH_FANOTIFY)
                return 0;
        r = following_below(tracker->following, tracker->setup.runtime_path, &tracker->look_ids, &tracker->n_look_ids);
        if (r >= 0)
                r = add_others(tracker);
        return r < 0 ? r : following_doubtful(tracker->following, &tracker->look_ids, &tracker->n_look_ids);
}

/* The next slice. 1 when there are more. */
static int look_on(struct tracker *tracker) {
        _cleanup_changes_ struct changes changes = {};
        size_t n = tracker->n_look_ids - tracker->look_next;
        uint64_t start = clock_us(CLOCK_MONOTONIC);
        int r;

        if (n > LOOK_SLICE)
                n = LOOK_SLICE;
        if (watch_tracking(tracker->watch) != WATCH_FANOTIFY) {
                r = following_sweep(tracker->following, &tracker->look_cursor, &changes);
                if (r == 0)
                        following_count_read(tracker->following);
        } else
                r = following_look_at(tracker->following, tracker->look_ids + tracker->look_next, n, &changes);
        tracker->look_next += n;
        if (r >= 0 && tracker->look_next < tracker->n_look_ids)
                r = 1;
        if (changes.n_items > 0)
                tracker->setup.changed(&changes, r >= 0 && tracker_is_current(tracker), tracker->setup.userdata);
        tracker->look_cost_us += clock_us(CLOCK_MONOTONIC) - start;
        return r;
}

/* It is over, or has failed with `r`; what was noticed meanwhile comes in the next one. */
static int end_look(struct tracker *tracker, int r) {
        bool again = tracker->look_again || r < 0;

        if (r >= 0 && table_generation(tracker->table) != tracker->look_generation)
                note_lag(tracker, tracker->later_since_us);
        tracker->looking = tracker->look_again = false;
        free(tracker->look_ids);
        tracker->look_ids = NULL;
        tracker->n_look_ids = tracker->look_next = 0;
        tracker->later_from_us = pause_after(tracker->look_cost_us, LATER_FACTOR, LATER_MIN_US, LATER_MAX_US);
        return again ? put_off(tracker) : 0;
}

/* The pods' mounts, at once as far as that is one slice. */
static int look_now(struct tracker *tracker) {
        int r;

        if (tracker->looking) {
                tracker->look_again = true;
                return 0;
        }
        tracker->later_since_us = clock_us(CLOCK_MONOTONIC);
        r = begin_look(tracker);
        if (r >= 0)
                r = look_on(tracker);
        if (r > 0)
                return arm(tracker->later_timer, 0);
        if (r < 0)
                tracker->lost = true;
        (void) end_look(tracker, r); /* logged; the next change tries again */
        return r;
}

/* Takes in as many events as a turn of the loop has time for, or `all` that are there. 1 when there may be more. */
static int take_events(struct tracker *tracker, bool all) {
        _cleanup_changes_ struct changes changes = {};
        uint64_t before = following_counters(tracker->following)->events;
        bool polled = watch_take(tracker->watch, NULL) || tracker->polled, events;
        uint64_t until = clock_us(CLOCK_MONOTONIC) + TURN_US;
        int r;

        do
                r = following_events(tracker->following, all ? 0 : SLICE, &changes);
        while (r > 0 && !all && clock_us(CLOCK_MONOTONIC) < until);

        tracker->polled = false;
        tell(tracker, &changes, r == 0);
        if (r < 0) {
                if (r == -ENOBUFS)
                        event_log(EVENT_TABLE_OVERFLOW, NULL, "The kernel dropped notifications of mounts: the whole mount table is read");
                tracker->lost = true;
                return read_all(tracker);
        }
        tracker->dirty = r > 0;
        events = following_counters(tracker->following)->events != before;
        if (!polled || !tracker->setup.concerned(tracker->setup.userdata))
                return r;
        if (events)
                (void) put_off(tracker); /* logged; the next change tries again */
        else if (look_now(tracker) < 0)
                return read_all(tracker);
        return r;
}

static int take_list(struct tracker *tracker) {
        _cleanup_changes_ struct changes changes = {};
        _cleanup_free_ uint64_t *others = NULL;
        size_t n = 0;
        int r;

        (void) watch_take(tracker->watch, NULL);
        tracker->polled = false;
        r = following_delta(tracker->following, &changes);
        if (r >= 0)
                r = following_look(tracker->following, tracker->setup.runtime_path, &changes);
        if (r >= 0)
                r = tracker->setup.others(&others, &n, tracker->setup.userdata);
        if (r >= 0)
                r = following_look_at(tracker->following, others, n, &changes);
        tell(tracker, &changes, r >= 0); /* once for both: a list alone does not tell what was moved or changed */
        if (r < 0) {
                tracker->lost = true;
                return read_all(tracker);
        }
        tracker->dirty = false;
        (void) put_off(tracker); /* logged */
        return 0;
}

/* Whether anything was told since the last round. */
static bool is_told(struct tracker *tracker) {
        if (watch_take(tracker->watch, NULL))
                tracker->polled = true;
        return tracker->polled || tracker->dirty || tracker->lost;
}

/* 1 when there is more to take. */
static int take(struct tracker *tracker, bool all) {
        if (tracker->lost)
                return read_all(tracker);
        switch (watch_tracking(tracker->watch)) {
        case WATCH_FANOTIFY:
                return take_events(tracker, all);
        case WATCH_LISTMOUNT:
                return take_list(tracker);
        case WATCH_MOUNTINFO:
                break;
        }
        return read_all(tracker);
}

/* One round in the way that there is: a turn's worth, or all. 1 when there is more to take. */
static int catch_up(struct tracker *tracker, bool all) {
        uint64_t since = tracker->dirty ? tracker->dirty_since_us : clock_us(CLOCK_MONOTONIC);
        uint64_t events = following_counters(tracker->following)->events;
        uint64_t generation = table_generation(tracker->table);
        int r = take(tracker, all);

        if (r >= 0 && (following_counters(tracker->following)->events != events ||
                              table_generation(tracker->table) != generation))
                note_lag(tracker, since);
        return r;
}

/* The loop counts the fd as taken out also where epoll_ctl(2) has failed to do so, and could not put it in again. */
static int turn_on(sd_event_source *source) {
        int r = sd_event_source_set_enabled(source, SD_EVENT_ON);

        if (r != -EEXIST)
                return r;
        if (epoll_ctl(sd_event_get_fd(sd_event_source_get_event(source)), EPOLL_CTL_DEL, sd_event_source_get_io_fd(source), NULL) < 0)
                return -errno;
        return sd_event_source_set_enabled(source, SD_EVENT_ON);
}

static void listen_on(struct tracker *tracker, bool on) {
        int r = on ? turn_on(tracker->watch_source) : sd_event_source_set_enabled(tracker->watch_source, SD_EVENT_OFF);

        if (r < 0)
                (void) log_errno(LOG_ERR, r, "cannot turn the watch over the mount table %s", on ? "on" : "off");
        tracker->deaf = !on;
}

/* No earlier than the pause and the delay since the change allow. */
static int arm_round(struct tracker *tracker) {
        uint64_t at = tracker->dirty_since_us + DELAY_US;

        return arm(tracker->round_timer, at > tracker->pause_until_us ? at : tracker->pause_until_us);
}

static int schedule(struct tracker *tracker) {
        if (tracker->dirty)
                return 0;
        tracker->dirty = true;
        tracker->dirty_since_us = clock_us(CLOCK_MONOTONIC);
        listen_on(tracker, false);
        return arm_round(tracker);
}

/* Listens again. Putting mountinfo back into the loop polls it, which counts as the report of what has changed since the
 * last one, and the loop drops that: what came while nobody listened has to be asked for. */
static void listen_again(struct tracker *tracker) {
        bool was_deaf = tracker->deaf;

        listen_on(tracker, true);
        if (was_deaf && is_told(tracker))
                (void) schedule(tracker); /* logged; the next change tries again */
}

/* The others have their turns, then the round goes on; soon in any case, should they never rest. */
static int go_on(struct tracker *tracker, uint64_t start) {
        int r;

        listen_on(tracker, false);
        r = sd_event_source_set_enabled(tracker->more, SD_EVENT_ONESHOT);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "cannot go on with the mount table at once");
        return sd_event_source_get_enabled(tracker->round_timer, NULL) > 0 ? 0 : arm(tracker->round_timer, start + FAIR_US);
}

static int do_round(struct tracker *tracker, uint64_t start) {
        int r = catch_up(tracker, false);

        if (r > 0)
                return go_on(tracker, start);
        tracker->pause_until_us = pause_after(clock_us(CLOCK_MONOTONIC) - start, PAUSE_FACTOR, PAUSE_MIN_US, PAUSE_MAX_US);
        if (r < 0) {
                listen_on(tracker, false);
                return arm_round(tracker);
        }
        listen_again(tracker);
        return 0;
}

static int on_round(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct tracker *tracker = userdata;
        uint64_t start = clock_us(CLOCK_MONOTONIC);

        if (!tracker->dirty && !tracker->lost) /* tracker_sync() was faster */
                return 0;
        if (tracker->setup.busy(tracker->setup.userdata) && start < tracker->dirty_since_us + DELAY_MAX_US)
                return arm(tracker->round_timer, start + DELAY_US);
        return do_round(tracker, start);
}

static int on_more(sd_event_source *source, void *userdata) {
        return on_round(source, 0, userdata);
}

/* The poll fires before the event is in the queue: alone, it may be about one that comes in a moment. */
static int on_change(sd_event_source *source _unused_, int fd _unused_, uint32_t revents _unused_, void *userdata) {
        struct tracker *tracker = userdata;
        uint64_t now = clock_us(CLOCK_MONOTONIC);
        bool events;

        if (watch_take(tracker->watch, &events))
                tracker->polled = true;
        else if (!events && !tracker->polled && !tracker->lost) /* tracker_sync() was faster */
                return 0;
        if (events && !tracker->dirty && now >= tracker->pause_until_us &&
                !tracker->setup.busy(tracker->setup.userdata)) {
                tracker->dirty = true; /* what came and went before it was looked at is told, too: it may be on record */
                tracker->dirty_since_us = now;
                return do_round(tracker, now);
        }
        return schedule(tracker);
}

/* Takes what is left, after a failure or because more came meanwhile, to the next round. */
static int done(struct tracker *tracker, int r) {
        if (r < 0)
                tracker->dirty = true;
        if (!tracker->dirty) {
                listen_again(tracker);
                return 0;
        }
        listen_on(tracker, false);
        tracker->dirty_since_us = clock_us(CLOCK_MONOTONIC);
        (void) arm_round(tracker); /* logged; the next call tries again */
        return r < 0 ? r : 0;
}

/* The events first, each time: what is on record since they came would pass for missing. */
static int on_later(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct tracker *tracker = userdata;
        int r = tracker->dirty ? 0 : tracker_sync(tracker);

        if (r >= 0 && !tracker->looking)
                r = begin_look(tracker);
        if (r >= 0)
                r = look_on(tracker);
        if (r > 0)
                return arm(tracker->later_timer, 0);
        if (r < 0) {
                tracker->lost = true;
                (void) done(tracker, r); /* the next round reads everything */
        }
        return end_look(tracker, r);
}

static int add_sources(struct tracker *tracker, sd_event *event) {
        int r = sd_event_add_io(event, &tracker->watch_source, watch_fd(tracker->watch), EPOLLIN, on_change, tracker);

        if (r >= 0)
                r = sd_event_add_time(event, &tracker->round_timer, CLOCK_MONOTONIC, 0, 1000, on_round, tracker);
        if (r >= 0)
                r = sd_event_source_set_enabled(tracker->round_timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(event, &tracker->more, on_more, tracker);
        if (r >= 0)
                r = sd_event_source_set_enabled(tracker->more, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(tracker->more, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_add_time(event, &tracker->later_timer, CLOCK_MONOTONIC, 0, 1000, on_later, tracker);
        if (r >= 0)
                r = sd_event_source_set_enabled(tracker->later_timer, SD_EVENT_OFF);
        return r < 0 ? log_errno(LOG_ERR, r, "cannot watch the mount table") : 0;
}

int tracker_new(sd_event *event, struct watch *watch, struct table *table, const struct tracker_setup *setup,
        struct tracker **ret) {
        _cleanup_(tracker_freep) struct tracker *tracker = calloc(1, sizeof(*tracker));
        int r;

        if (!tracker)
                return log_oom();
        tracker->watch = watch;
        tracker->table = table;
        tracker->setup = *setup;
        tracker->lost = true;
        r = following_new(watch, table, &tracker->following);
        if (r >= 0)
                r = add_sources(tracker, event);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(tracker);
        return 0;
}

struct tracker *tracker_free(struct tracker *tracker) {
        if (!tracker)
                return NULL;
        (void) sd_event_source_disable_unref(tracker->later_timer);
        (void) sd_event_source_disable_unref(tracker->more);
        (void) sd_event_source_disable_unref(tracker->round_timer);
        (void) sd_event_source_disable_unref(tracker->watch_source);
        (void) following_free(tracker->following);
        free(tracker->look_ids);
        free(tracker);
        return NULL;
}

int tracker_sync(struct tracker *tracker) {
        /* The queue is asked in any case: the poll may have told of an event before it was there. */
        if (watch_tracking(tracker->watch) != WATCH_FANOTIFY && !is_told(tracker))
                return 0;
        return done(tracker, catch_up(tracker, true));
}

bool tracker_is_current(struct tracker *tracker) {
        if (tracker->dirty || tracker->lost)
                return false;
        return !is_told(tracker) || schedule(tracker) < 0; /* then it is as current as it gets */
}

int tracker_sync_below(struct tracker *tracker, const char *path) {
        /* mountinfo shows all mounts or none, and no change of it tells of a rename. */
        bool whole = watch_tracking(tracker->watch) == WATCH_MOUNTINFO && !is_told(tracker);
        int r = whole ? done(tracker, read_all(tracker)) : tracker_sync(tracker);

        if (r < 0)
                return r;
        r = look_below(tracker, path);
        return r < 0 ? done(tracker, read_all(tracker)) : 0;
}

int tracker_look_at(struct tracker *tracker, const uint64_t *ids, size_t n) {
        _cleanup_changes_ struct changes changes = {};
        int r = following_look_at(tracker->following, ids, n, &changes);

        if (changes.n_items > 0)
                tracker->setup.changed(&changes, false, tracker->setup.userdata);
        if (r >= 0)
                return 0;
        tracker->lost = true;
        return done(tracker, read_all(tracker));
}

int tracker_rescan(struct tracker *tracker) {
        return done(tracker, read_all(tracker));
}

int tracker_sweep(struct tracker *tracker, uint64_t *cursor) {
        _cleanup_changes_ struct changes changes = {};
        int r;

        if (watch_tracking(tracker->watch) == WATCH_MOUNTINFO)
                return tracker_rescan(tracker);
        /* The events first: what is on record since they came would pass for missing. */
        if (!tracker->dirty) {
                r = tracker_sync(tracker);
                if (r < 0)
                        return r;
        }
        r = following_sweep(tracker->following, cursor, &changes);
        if (changes.n_items > 0)
                tracker->setup.changed(&changes, r >= 0 && tracker_is_current(tracker), tracker->setup.userdata);
        if (r >= 0)
                return r;
        tracker->lost = true;
        return done(tracker, r);
}

void tracker_costs(const struct tracker *tracker, struct table_costs *ret) {
        const struct following_counters *counters = following_counters(tracker->following);

        *ret = (struct table_costs){
                .events = counters->events,
                .deltas = counters->deltas,
                .full_reads = counters->full_reads,
                .overflows = counters->overflows,
                .lag_last_us = tracker->lag_last_us,
                .lag_worst_us = tracker->lag_worst_us,
                .entries = (uint32_t) table_size(tracker->table), /* the kernel has no more: fs.mount-max is an int */
                .bytes = table_bytes(tracker->table),
        };
}
