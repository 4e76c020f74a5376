/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the mounts of a pod were put on: the ground of a mount is the latest one before it, in the same container, at or above its target.
 */

#include "pod/made.h"
#include "store/store.h"

/* The mount's ground, NULL for none. It looks at each mount before it: where all are asked for, grounds_find_all() is there. */
const struct record_mount *ground_find(const struct record_pod *record, const struct record_mount *mount);

/* That of each mount, in their order. `counts`: which of them can be the ground of others; NULL: all. *ret is the caller's, what it points
 * to the record's. -ENOMEM, logged. */
int grounds_find_all(const struct record_pod *record, bool (*counts)(const struct record_mount *mount), const struct record_mount ***ret);

/* Likewise for mount points whose mounts are not on record, and so come after all that are. */
int grounds_find_points(const struct record_pod *record, const struct made_point *points, size_t n_points, const struct record_mount ***ret);
