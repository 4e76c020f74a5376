/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list is longer than a word, so that a counter says whether it was written while it was read. */

#include "executor/grants.h"

#include <sched.h>
#include <string.h>

void grants_set_host_targets(struct executor_grants *grants, const char *list) {
        (void) atomic_fetch_add(&grants->sequence, 1);
        atomic_thread_fence(memory_order_seq_cst);
        memset(grants->host_targets, 0, sizeof(grants->host_targets));
        memcpy(grants->host_targets, list, strnlen(list, PREFIXES_SIZE - 1));
        atomic_thread_fence(memory_order_seq_cst);
        (void) atomic_fetch_add(&grants->sequence, 1);
}

void grants_host_targets(const struct executor_grants *grants, char ret[PREFIXES_SIZE]) {
        unsigned before;

        ret[0] = 0;
        if (!grants)
                return;
        for (;;) { /* who writes is done in no time, or dead, and then so are we */
                before = atomic_load(&grants->sequence);
                atomic_thread_fence(memory_order_seq_cst);
                memcpy(ret, grants->host_targets, PREFIXES_SIZE);
                atomic_thread_fence(memory_order_seq_cst);
                if (before % 2 == 0 && atomic_load(&grants->sequence) == before)
                        break;
                (void) sched_yield();
        }
        ret[PREFIXES_SIZE - 1] = 0;
}
