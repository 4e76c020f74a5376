/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The sweep's timer: one period, then slices as fast as the loop's other sources let it, then the next period. A slice
 * that fails ends its sweep; the next one begins anew.
 */

#include "sweep.h"

#include "util/log.h"

struct sweep {
        sd_event *event;
        struct tracker *tracker;
        sd_event_source *timer; /* NULL while it is off */
        uint64_t period_us;
        uint64_t cursor; /* of the sweep that runs */
};

struct sweep *sweep_new(sd_event *event, struct tracker *tracker) {
        struct sweep *sweep = calloc(1, sizeof(*sweep));

        if (!sweep)
                return NULL;
        sweep->event = sd_event_ref(event);
        sweep->tracker = tracker;
        return sweep;
}

struct sweep *sweep_free(struct sweep *sweep) {
        if (!sweep)
                return NULL;
        (void) sd_event_source_disable_unref(sweep->timer);
        (void) sd_event_unref(sweep->event);
        free(sweep);
        return NULL;
}

static int on_timer(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        struct sweep *sweep = userdata;
        bool more = tracker_sweep(sweep->tracker, &sweep->cursor) > 0; /* a failure is logged */
        int r;

        if (!more)
                sweep->cursor = 0;
        r = sd_event_source_set_time_relative(source, more ? 0 : sweep->period_us);
        if (r >= 0)
                r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return r < 0 ? log_errno(LOG_ERR, r, "cannot arm the timer of the sweep") : 0;
}

int sweep_set_period(struct sweep *sweep, uint64_t period_us) {
        int r;

        if (period_us == sweep->period_us)
                return 0;
        sweep->timer = sd_event_source_disable_unref(sweep->timer);
        sweep->period_us = 0;
        sweep->cursor = 0;
        if (period_us == 0)
                return 0;
        r = sd_event_add_time_relative(
                sweep->event, &sweep->timer, CLOCK_MONOTONIC, period_us, 1000, on_timer, sweep);
        if (r < 0)
                return log_errno(LOG_ERR, r, "cannot make the timer of the sweep");
        sweep->period_us = period_us;
        return 0;
}
