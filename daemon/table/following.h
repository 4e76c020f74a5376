/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Makes the table follow the kernel, in the way that the watch tracks it: by its notifications, mount by mount; by the
 * list of ids; or by reading mountinfo. Who calls when is the manager's. As table/reading, it touches the kernel
 * through kernel/ alone.
 */

#include "kernel/watch.h"
#include "table/table.h"

struct following_counters {
        uint64_t events;     /* notifications taken */
        uint64_t looks;      /* single mounts looked at */
        uint64_t lists;      /* of what lies on a single mount */
        uint64_t deltas;     /* lists of ids compared with the table */
        uint64_t full_reads; /* of every mount */
        uint64_t overflows;  /* of the queue of notifications, each answered by a full reading */
};

struct following;

/* Watch and table stay the caller's and outlive it. -ENOMEM, logged. */
int following_new(struct watch *watch, struct table *table, struct following **ret);
struct following *following_free(struct following *following);
DEFINE_CLEANUP(struct following *, following_free)

/* What it has done so far; stays its own. */
const struct following_counters *following_counters(const struct following *following);

/* Reads everything: moves, attributes and paths that no notification tells of are seen. `ret` is written on success.
 * A negative errno, logged: the table may be old, so read again. */
int following_read(struct following *following, struct changes *ret);

/* Takes up to `n` events (0: all that are there when it is called) and looks at the mounts that they name; 1 when there may be
 * more. Of mounts that moved along with another the paths are renewed, too. Without notifications, nothing. What
 * changed is appended, also on failure: -ENOBUFS when the queue had overflowed, another negative errno, logged; then
 * everything has to be read. */
int following_events(struct following *following, size_t n, struct changes *changes);

/* Compares the kernel's ids with the table's: finds what came and went, but no moves and no attributes. Needs
 * statmount. Else as following_events(). */
int following_delta(struct following *following, struct changes *changes);

/* Looks again at the mounts at and below a path, as the table has it: finds what no notification tells of. Needs
 * statmount, without it nothing. Else as following_events(). */
int following_look(struct following *following, const char *path, struct changes *changes);

/* The unique ids of what the table has at and below `path`, parents first, for looks by slices; the array is the
 * caller's. -ENOMEM, logged. */
int following_below(const struct following *following, const char *path, uint64_t **ret, size_t *ret_n);
/* Appends the unique ids of those mounts whose parent may have become another without the table's seeing it, and takes it
 * that they are looked at now; mounts that are there for another reason may be replaced by all of the table's. The array is
 * the caller's. -ENOMEM, logged: they stay doubtful. */
int following_doubtful(struct following *following, uint64_t **ids, size_t *n);
/* Looks again at these mounts, by unique id. Else as following_look(). */
int following_look_at(struct following *following, const uint64_t *ids, size_t n, struct changes *changes);

/* Such a look came to its end in place of following_read(): it counts as one. */
void following_count_read(struct following *following);
/* A slice of a look at everything: the next 256 mounts after `*cursor` (0 begins), which moves on. 1, or 0 when that
 * were the last. Needs statmount, without it nothing. Else as following_events(). */
int following_sweep(struct following *following, uint64_t *cursor, struct changes *changes);
