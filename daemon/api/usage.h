/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is used of each quota (admit/quota.h), by whom, and what they may have: for status and for metrics.
 */

#include <systemd/sd-bus.h>

#include "admit/quota.h"
#include "api/api.h"

enum { USAGE_ROWS_MAX = 10000 /* those of one limit come together; what is more is left out */ };

struct usage {
        enum quota_limit limit;
        uint32_t id;      /* a uid or a gid, of limits for users and groups… */
        const char *uuid; /* …of the pod that has most of it, of those for pods; "" without any */
        uint64_t used, maximum;
};

/* What this caller may see: its own and its group's, or, for root, everybody's but root's own, which are not limited; of pods the one
 * that has most. NULL: as root. The rows are the caller's; the UUIDs are valid within this turn of the loop. -ENOMEM. */
int usage_list(const struct api *api, const struct caller *caller, struct usage **ret, size_t *ret_n);
/* What the one that has most of it has, by limit: as root sees it, of however many there are. `ret` has room for all limits. -ENOMEM. */
int usage_most(const struct api *api, uint64_t *ret);
/* The list as aa{sv}: Limit s, Of s, Name s, Used t, Maximum t. */
int usage_append(const struct api *api, const struct caller *caller, sd_bus_message *m);
