/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The slow sweep: every so often a look at all mounts of the host, for changes that the kernel tells nobody (SweepSec=
 * of podmountd.conf(5)). In slices, a turn of the loop each. Off, it is nothing: no timer, no wake-up.
 */

#include <systemd/sd-event.h>

#include "tracker.h"

struct sweep;

/* The tracker outlives it. Off until sweep_set_period(). NULL when memory is short. */
struct sweep *sweep_new(sd_event *event, struct tracker *tracker);
struct sweep *sweep_free(struct sweep *sweep);
DEFINE_CLEANUP(struct sweep *, sweep_free)

/* The time from the end of one sweep to the begin of the next; the first begins after it, too, counted from now if it
 * was another before. 0: off. A negative errno, logged: off. */
int sweep_set_period(struct sweep *sweep, uint64_t period_us);
