/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keeps the mount table as new as it must be: decides when table/following does its work, coalesces storms, and tells
 * what changed. Three ways, by what the kernel has (kernel/watch.h); in each the table is exact some time after the
 * last change, and at once after tracker_sync().
 */

#include <systemd/sd-event.h>

#include "kernel/watch.h"
#include "table/costs.h"
#include "table/following.h"
#include "table/table.h"

struct tracker;

struct tracker_setup {
        /* Where the mounts lie whose attributes matter, and those that may be moved before they are a pod's: the runtime
         * directory, with pods/ and staging/. Outlives it. */
        const char *runtime_path;
        /* What changed, and that a round was done which tracker_is_current() promised. Unless `settled`, more is known to
         * have happened before now: what was made since may be missing from the table still. */
        void (*changed)(const struct changes *changes, bool settled, void *userdata);
        /* Appends the unique ids of mounts that lie elsewhere and whose attributes matter, too. -ENOMEM, logged. */
        int (*others)(uint64_t **ids, size_t *n, void *userdata);
        /* Whether someone waits for an answer, so that a round had better wait. */
        bool (*busy)(void *userdata);
        /* Whether any mounts lie below the runtime path that someone would miss changes of. */
        bool (*concerned)(void *userdata);
        void *userdata;
};

/* Watch and table outlive it. Nothing is read yet. A negative errno, logged. */
int tracker_new(sd_event *event, struct watch *watch, struct table *table, const struct tracker_setup *setup,
        struct tracker **ret);
struct tracker *tracker_free(struct tracker *tracker);
DEFINE_CLEANUP(struct tracker *, tracker_free)

/* Takes in what the kernel has told until now; cheap when that is nothing. A negative errno, logged. */
int tracker_sync(struct tracker *tracker);
/* The same, and looks again at what lies at and below `path`, for what the kernel does not tell: attributes,
 * propagation, paths that became others by a rename. Tracked by mountinfo, that is all of it, unless it was read just now. */
int tracker_sync_below(struct tracker *tracker, const char *path);
/* Looks again at these mounts, by unique id, for what the kernel does not tell, and at nothing else: less than
 * tracker_sync() costs. Where there are no unique ids, nothing. What changed is told as not settled. */
int tracker_look_at(struct tracker *tracker, const uint64_t *ids, size_t n);
/* Whether there is nothing to take in; if there is, it is soon, and the setup's changed() is called then. */
bool tracker_is_current(struct tracker *tracker);
/* Reads everything. */
int tracker_rescan(struct tracker *tracker);
/* A slice of a look at everything, for what the kernel does not tell: less than a millisecond, but where mountinfo has
 * to be read. `*cursor` 0 begins. 1 when there is more, 0 when it was the last. A negative errno, logged. */
int tracker_sweep(struct tracker *tracker, uint64_t *cursor);
/* What all this has cost so far. */
void tracker_costs(const struct tracker *tracker, struct table_costs *ret);
