/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A worker that is made before there is anything to do, because making one takes longer than what most ask of it. It is shut in as all
 * others are (executor/worker.h), has no fd but its channel, knows of no job, and waits at rest for one order: bytes and fds, which it
 * carries out and ends. The next one is another process. It ends with its executor.
 */

#include "executor/worker.h"

struct spare {
        struct worker_setup setup; /* with neither fds, work nor userdata */
        /* As worker_setup's; what it is given is the order's. */
        int (*work)(struct worker *worker, const int *fds, size_t n_fds, void *order, size_t size);
        int channel; /* of the one that waits, or -1 */
        bool wanted; /* there has been an order */
};

/* Gives an order to the one that waits, or to one that is made now. *ret_channel and what is returned as of worker_start(). */
int spare_start(struct spare *spare, const int *fds, size_t n_fds, void *order, size_t size, int *ret_channel);

/* Whether the next has something to make. */
bool spare_is_missing(const struct spare *spare);
/* Between two jobs: makes one that waits, once there has been an order. That it fails is logged, and nothing else. */
void spare_prepare(struct spare *spare);
