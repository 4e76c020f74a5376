/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * When to trim: more than half of the mounts, and some thousands, went since there were most of them. One pass takes
 * time in proportion to what is free, about 0.1 ms a MiB; what went had taken a hundred times as long to go.
 */

#include "trim.h"

#include <malloc.h>

#include "util/log.h"

enum {
        LEAST = 4096,              /* mounts: about a megabyte */
        QUIET_US = 2 * 1000 * 1000, /* since the last drop that was noticed */
        ACCURACY_US = 500 * 1000,
};

struct trim {
        sd_event *event;
        struct table *table;
        sd_event_source *timer; /* armed after a drop */
        size_t most;            /* mounts, since the last time */
};

struct trim *trim_new(sd_event *event, struct table *table) {
        struct trim *trim = calloc(1, sizeof(*trim));

        if (!trim)
                return NULL;
        trim->event = sd_event_ref(event);
        trim->table = table;
        return trim;
}

struct trim *trim_free(struct trim *trim) {
        if (!trim)
                return NULL;
        (void) sd_event_source_disable_unref(trim->timer);
        (void) sd_event_unref(trim->event);
        free(trim);
        return NULL;
}

static bool is_due(const struct trim *trim) {
        size_t n = table_size(trim->table);

        return trim->most - n >= LEAST && n < trim->most / 2;
}

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct trim *trim = userdata;

        if (!is_due(trim)) /* they came back */
                return 0;
        trim->most = table_size(trim->table);
        table_trim(trim->table);
        (void) malloc_trim(0); /* 0: there was nothing to give */
        return 0;
}

void trim_note(struct trim *trim) {
        size_t n = table_size(trim->table);
        int r;

        if (n > trim->most)
                trim->most = n;
        if (!is_due(trim))
                return;
        if (trim->timer) {
                r = sd_event_source_set_time_relative(trim->timer, QUIET_US);
                if (r >= 0)
                        r = sd_event_source_set_enabled(trim->timer, SD_EVENT_ONESHOT);
        } else
                r = sd_event_add_time_relative(
                        trim->event, &trim->timer, CLOCK_MONOTONIC, QUIET_US, ACCURACY_US, on_timer, trim);
        if (r < 0) /* the next change tries again */
                (void) log_errno(LOG_ERR, r, "cannot arm the timer that gives memory back");
}
