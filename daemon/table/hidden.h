/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which of many mounts no path walk ends on, in one pass over all of them: what table_at() tells of one mount point takes a search for each
 * directory above it.
 */

#include "table/table.h"
#include "util/map.h"

/* Those at and below `path` that table_at() does not give for their mount points, by their ids (`id`); mostly none. The map is the caller's.
 * -ENOMEM, not logged. */
int hidden_below(const struct table *table, const char *path, struct map **ret);
