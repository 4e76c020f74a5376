/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The executors as the front sees them: jobs go in, results come back. One job at a time for a pod, in the order of
 * submission; jobs of different pods side by side on as many executors as there are. Where all are held up more come, so that who hangs
 * does not keep others waiting; when no more can come, the last that is idle is for nobody who has another one at work, root aside.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "plan/step.h"

enum {
        POOL_SLOTS_MAX = 64,
        POOL_SLOT_NEW = POOL_SLOTS_MAX, /* in place of a slot: one more */
        POOL_GROWN_MAX = 16,            /* no more are asked for when there are so many */
        POOL_GRACE_US = 5 * 1000 * 1000,
        POOL_HELD_UP_US = 250 * 1000,   /* how long all have to be at their jobs, while others wait, before there is one more */
};

struct executor_pool;
struct pool_job;

/* Called once for each job that was not cancelled, from the event loop, never from executor_pool_submit(). With
 * result->lost nothing but the intent file tells what was done: id and mount_id of each step are what it says (0: not
 * noted), failed_step is the one that it was at (UINT32_MAX: not known), and such a mount is attached if the kernel has it. A lost job of an executor that was to be replaced is told
 * when that one is dead, or at the latest POOL_GRACE_US after it was asked for. */
typedef void (*pool_done_fn)(const struct job_result *result, void *userdata);
/* Asks the keeper to kill and replace the executor of this slot; POOL_SLOT_NEW: all are held up, and one more is asked for, which comes or does not. */
typedef void (*pool_replace_fn)(unsigned slot, void *userdata);

/* A pool without executors on an event loop, which it keeps a reference of. A negative errno. */
int executor_pool_new(
        sd_event *event, uint64_t job_timeout_us, pool_replace_fn replace, void *userdata, struct executor_pool **ret);
/* Cancels what waits, forgets what runs. Not from within a pool_done_fn. */
struct executor_pool *executor_pool_free(struct executor_pool *pool);
DEFINE_CLEANUP(struct executor_pool *, executor_pool_free)

/* What the configuration says now; counts for jobs that begin later. */
void executor_pool_set_timeout(struct executor_pool *pool, uint64_t job_timeout_us);

/* A new executor, or a replaced one, for a slot. -EINVAL past POOL_SLOTS_MAX. The other end of the socket must be
 * held by the executor alone: its end is the sign of the executor's death. Takes both fds over (also on failure):
 * its socket, and the intent file. */
int executor_pool_add(struct executor_pool *pool, unsigned slot, int socket, int intent_fd);

/* Queues a job. The job is encoded at once and stays the caller's; the fds are duplicated. `ret` (may be NULL) is
 * valid until the job is done or cancelled. */
int executor_pool_submit(struct executor_pool *pool, const struct job *job, const int *fds, size_t n_fds,
        pool_done_fn done, void *userdata, struct pool_job **ret);
/* Takes a job back that no executor has begun: true, and `done` is never called. False: it runs already. */
bool executor_pool_cancel(struct executor_pool *pool, struct pool_job *job);
bool executor_pool_started(const struct pool_job *job);

/* How many executors live, how many jobs run and wait: for status. */
void executor_pool_counts(
        const struct executor_pool *pool, unsigned *ret_executors, unsigned *ret_running, unsigned *ret_waiting);
/* A job that an executor is at, and for how long: CLOCK_MONOTONIC, µs. */
struct pool_hang {
        uint64_t job;
        uint32_t step; /* that it is at, UINT32_MAX where that is not known */
        uint64_t begun_us, deadline_us;
};
/* Those that have been at it for at least so long. Their number. */
size_t executor_pool_hanging(const struct executor_pool *pool, uint64_t after_us, struct pool_hang ret[POOL_SLOTS_MAX]);
/* How many of them hung, and how many died, since the pool was made. */
void executor_pool_losses(const struct executor_pool *pool, uint64_t *ret_hung, uint64_t *ret_lost);
