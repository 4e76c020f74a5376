/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Jobs that wait, in lines: one line a pod, first come, first served, and a line with a running job is not asked for
 * another. Lines that can be served take turns. A job without a pod is a line of its own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "executor/pool.h"
#include "util/map.h"

struct pool_line;

struct pool_job {
        struct pool_line *line;
        struct pool_job *next;
        bool started;
        uid_t uid; /* for whom it runs */
        uint64_t id;
        size_t n_steps;
        bool answers_fd; /* step_kind_answers_fd() */
        uint8_t *data; /* encoded */
        size_t size;
        int *fds;
        size_t n_fds;
        pool_done_fn done;
        void *userdata;
};

struct pool_queue {
        struct map *lines; /* by UUID */
        struct pool_line *ready, *ready_last;
        unsigned waiting;
};

/* An empty queue. -ENOMEM. */
int pool_queue_init(struct pool_queue *queue);
void pool_queue_done(struct pool_queue *queue);

/* A job with everything that it needs until it is sent; -ENOMEM, -E2BIG, or dup(2)'s errno. */
int pool_job_new(const struct job *job, const int *fds, size_t n_fds, struct pool_job **ret);
struct pool_job *pool_job_free(struct pool_job *job);
DEFINE_CLEANUP(struct pool_job *, pool_job_free)

/* Puts a job at the end of its pod's line; the queue's from now on, unless that fails with -ENOMEM. */
int pool_queue_push(struct pool_queue *queue, const char *uuid, struct pool_job *job);
/* The next job that may start, by its pod and by `may` (NULL: any), NULL when there is none. Its line waits until it is put back or over. */
struct pool_job *pool_queue_take(struct pool_queue *queue, bool (*may)(const struct pool_job *job, void *userdata), void *userdata);
/* A taken job that could not start: first in its line again. */
void pool_queue_put_back(struct pool_queue *queue, struct pool_job *job);
/* A taken job is over and the caller's; its line goes on. */
void pool_queue_over(struct pool_queue *queue, struct pool_job *job);
/* Takes a job that waits out of its line and frees it. */
void pool_queue_remove(struct pool_queue *queue, struct pool_job *job);
