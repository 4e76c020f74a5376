/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What keeping the table costs, for those who run the host. Counted since the front's start. */

#include <stdint.h>

struct table_costs {
        uint64_t events;       /* notifications taken */
        uint64_t deltas;       /* lists of ids compared with the table */
        uint64_t full_reads;   /* of every mount */
        uint64_t overflows;    /* of the queue of notifications, each answered by a full reading */
        uint64_t lag_last_us;  /* from when a change was noticed until the table held it, CLOCK_MONOTONIC: the last time… */
        uint64_t lag_worst_us; /* …and the longest */
        uint32_t entries;      /* mounts in it now */
        uint64_t bytes;        /* of memory that it takes now */
};
