/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Covers: which mount a path of a container lies on, judged by the targets alone. Mounts are added in the order in
 * which they are made. The mount that a path lies on is then the one made last among those whose target is the path or
 * above it: a later one either hangs on the earlier or hides it.
 */

#include <stddef.h>

#include "util/cleanup.h"

#define COVER_NONE SIZE_MAX

struct covers;

/* `n_queries`: how often cover_find() is going to be asked; many are worth an index. NULL when memory is short. */
struct covers *covers_new(size_t n_queries);
struct covers *covers_free(struct covers *covers);
DEFINE_CLEANUP(struct covers *, covers_free)

/* Adds a mount; its number is the count of those added before. The strings stay the caller's and must outlive the
 * covers; the target is normalised. -ENOMEM. */
int covers_add(struct covers *covers, const char *container, const char *target);

/* The number of the mount that `path` (normalised) lies on, COVER_NONE if there is none. -ENOMEM. */
int covers_find(const struct covers *covers, const char *container, const char *path, size_t *ret);
