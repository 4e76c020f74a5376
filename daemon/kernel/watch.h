/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tells when the mount table of this mount namespace changed.
 *
 * Everywhere: poll(2) on /proc/self/mountinfo (POLLERR|POLLPRI, proc_pid_mountinfo(5)), which says that something
 * happened: a mount, an unmount, a move, changed attributes. Where the kernel has mount notifications (fanotify(7)
 * with FAN_REPORT_MNT, about 6.15): also which mounts came, went or moved.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

enum watch_tracking { WATCH_MOUNTINFO, WATCH_LISTMOUNT, WATCH_FANOTIFY };

struct watch;

/* Whether this kernel gives this process notifications of mounts; `unlimited`: in a queue of any length. */
bool watch_probe(bool unlimited);

/* Begins to watch this process's mount namespace in the given way, which the kernel must have (kernel/features.h).
 * Notifications need CAP_SYS_ADMIN here, reading them later does not. `limited`: the queue of notifications grows no
 * longer than the kernel's default (fs.fanotify.max_queued_events). A negative errno. */
int watch_open(enum watch_tracking tracking, bool limited, struct watch **ret);
struct watch *watch_free(struct watch *watch);
DEFINE_CLEANUP(struct watch *, watch_free)

/* The fd to poll for EPOLLIN, one for all that tells of changes: readable once for each report of mountinfo, which any
 * poll of it takes as made, and as long as watch_next() has more. Stays the watch's. */
int watch_fd(const struct watch *watch);
/* Those of its fds that it cannot do without, for a process that closes all others. */
enum { WATCH_FDS = 4 };
void watch_fds(const struct watch *watch, int ret[static WATCH_FDS]);
/* An fd of the table's text to read from its start, for mountinfo_read(). */
int watch_mountinfo_fd(const struct watch *watch);
/* How changes are noticed here. */
enum watch_tracking watch_tracking(const struct watch *watch);
const char *watch_tracking_name(enum watch_tracking tracking); /* "mountinfo", "listmount", "fanotify" */
/* Whether something changed since the last call. Never blocks. `ret_events`, unless NULL: whether watch_next() has any. */
bool watch_take(struct watch *watch, bool *ret_events);

enum { WATCH_EVENTS_MAX = 256 };

struct watch_events {
        uint64_t ids[WATCH_EVENTS_MAX]; /* unique ids of what was attached, detached or moved, in this order */
        size_t n;
        bool overflow; /* the kernel has dropped events after these */
};

/* Takes the next events out of the queue. 1, or 0 when there are none, or a negative errno. Never blocks. */
int watch_next(struct watch *watch, struct watch_events *ret);
/* How many events are in the queue now. Counting takes time in proportion. SIZE_MAX when the kernel doesn't tell. */
size_t watch_pending(const struct watch *watch);
