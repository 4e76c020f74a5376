/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Quotas, pure: what is used, what is asked for, what the configuration allows. Root is not charged per user. */

#include <stdint.h>

#include "admit/caller.h"
#include "util/failure.h"
#include "util/settings.h"

struct quota_use {
        uint32_t pods_of_user, mounts_of_pod, mounts_of_user;
        uint64_t mounts_of_namespace; /* the kernel's table, 0 if unknown */
        uint64_t mounts_max;          /* fs.mount-max, 0 if unknown */
};

/* FAILURE_QUOTA_EXCEEDED naming the limit, what is used and what was asked for. */
int quota_check(const struct settings *settings, const struct caller *caller, const struct quota_use *use,
                uint32_t new_pods, uint32_t new_mounts, struct failure *f);

/* How many mounts recursive clones may bring along beside `new_mounts` that passed: they are known only when they are
 * made, and charged as if they were all used until then. So it is a share of what is left, and another call has some. */
uint32_t quota_brought(const struct settings *settings, const struct quota_use *use, uint32_t new_mounts);
