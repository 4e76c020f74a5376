/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Jobs that hang: an executor has been at one for longer than any takes whose file systems answer. It ends when its deadline is over
 * (JobTimeoutSec=), and its executor is replaced.
 */

#include "pod/pods.h"

enum { HANG_AFTER_US = 1000 * 1000 };

struct hang {
        const char *uuid;      /* of the pod; "" for what is about none */
        const char *operation; /* "mount"… */
        const char *step;      /* that it is at: "bind"…; "" where that is not known */
        const char *container, *target; /* of the step; "" without one */
        uint64_t since_us, deadline_us; /* CLOCK_REALTIME */
};

/* Those that this caller may see, or all if it is NULL; what they point to is valid within this turn of the loop. Their number. */
size_t hang_list(const struct pods *pods, const struct caller *caller, struct hang ret[POOL_SLOTS_MAX]);
