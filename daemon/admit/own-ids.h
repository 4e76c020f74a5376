/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which ids are a caller's own: its uid and gid, and the ranges of /etc/subuid and /etc/subgid. */

#include <stdbool.h>

#include "admit/caller.h"
#include "spec/idmap.h"

/* Whether the mappings name nothing else, on either side; false, too, where that cannot be found out, which is logged.
 * Reads both files. For what to ask only: an executor judges again. */
bool own_ids_only(const struct caller *caller, const struct idmap *idmap);
/* The same of a layer, whose ids on the disk are nobody's: as whose they are seen. */
bool own_ids_of_layer(const struct caller *caller, const struct idmap *idmap);
