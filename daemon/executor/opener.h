/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The opener: a short-lived child that is the caller (its ids and groups, no capability, no fd but its socket) and
 * opens paths, or makes mount points, with nothing but the caller's own rights. One serves one job and ends with it.
 */

#include <stdbool.h>

#include "plan/step.h"
#include "util/cleanup.h"

enum { OPENER_DEADLINE_MS = 15 * 1000 }; /* for all that one job asks; then it is killed */

struct opener;

/* Forks it. A negative errno, logged. */
int opener_start(const struct job_caller *caller, struct opener **ret);
/* Ends it, whatever it is doing. Takes and returns NULL. */
struct opener *opener_free(struct opener *opener);
DEFINE_CLEANUP(struct opener *, opener_free)

/* Opens an absolute path O_PATH, as resolve_source() does. The caller's errno negative; -ETIMEDOUT past the deadline;
 * -EIO when the opener died. */
int opener_open(struct opener *opener, const char *path);
/* The same as resolve_source_link() does. */
int opener_open_link(struct opener *opener, const char *path);

/* The same, but open for reading, or for writing, too, with the caller's rights: resolve_reopen(). */
int opener_open_data(struct opener *opener, const char *path, bool write);

/* Makes `rest` below `directory`, as resolve_make() does, and opens it. */
int opener_make(struct opener *opener, int directory, const char *rest, bool file);

/* Opens a path O_PATH in the root directory `root`, as resolve_in_root() does. */
int opener_open_in(struct opener *opener, int root, const char *path);

/* Opens a path for reading beneath the directory, as resolve_open_beneath() does. */
int opener_open_beneath(struct opener *opener, int directory, const char *path);

/* Removes the `made` last components of a path in the root directory `root`, the last one a file if `file`, as resolve_unmake_in_root() does. */
int opener_unmake(struct opener *opener, int root, const char *path, uint32_t made, bool file);
