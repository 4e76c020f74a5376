/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tells when the mount table of this mount namespace changed: poll(2) on /proc/self/mountinfo (POLLERR|POLLPRI,
 * proc_pid_mountinfo(5)). The fd goes into an event loop with EPOLLPRI; level is reset by watch_take().
 */

#include <stdbool.h>

#include "util/cleanup.h"

enum watch_tracking { WATCH_MOUNTINFO, WATCH_LISTMOUNT, WATCH_FANOTIFY };

struct watch;

/* Begins to watch this process's mount namespace. A negative errno. */
int watch_open(struct watch **ret);
struct watch *watch_free(struct watch *watch);
DEFINE_CLEANUP(struct watch *, watch_free)

/* The fd to poll for EPOLLPRI; stays the watch's. */
int watch_fd(const struct watch *watch);
/* An fd of the table's text to read from its start, for mountinfo_read(). */
int watch_mountinfo_fd(const struct watch *watch);
/* How changes are noticed here. */
enum watch_tracking watch_tracking(const struct watch *watch);
const char *watch_tracking_name(enum watch_tracking tracking); /* "mountinfo", "listmount", "fanotify" */
/* Whether something changed since the last call. Never blocks. */
bool watch_take(struct watch *watch);
