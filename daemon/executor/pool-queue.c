/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lines. Every operation but the removal of a waiting job takes the same time however many wait. */

#include "executor/pool-queue.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util/channel.h"
#include "util/log.h"

struct pool_line {
        char uuid[JOB_UUID_SIZE]; /* "" for one of a job without a pod: not in the map */
        struct pool_job *first, *last;
        struct pool_line *ready_next;
        bool ready, running;
};

int pool_queue_init(struct pool_queue *queue) {
        *queue = (struct pool_queue){.lines = map_new(MAP_KEY_STRING)};
        return queue->lines ? 0 : log_oom();
}

struct pool_job *pool_job_free(struct pool_job *job) {
        if (!job)
                return NULL;
        for (size_t i = 0; i < job->n_fds; i++)
                (void) close_fd(job->fds[i]);
        free(job->fds);
        free(job->data);
        free(job);
        return NULL;
}

int pool_job_new(const struct job *job, const int *fds, size_t n_fds, struct pool_job **ret) {
        _cleanup_(pool_job_freep) struct pool_job *new = calloc(1, sizeof(*new));
        int r;

        if (!new)
                return log_oom();
        if (n_fds > CHANNEL_FDS_MAX)
                return -E2BIG;
        new->id = job->id;
        new->uid = job->caller.root ? 0 : job->caller.uid;
        new->n_steps = job->n_steps;
        new->answers_fd = job_answers_fd(job);
        r = job_encode(job, &new->data, &new->size);
        if (r < 0)
                return r;
        new->fds = calloc(n_fds > 0 ? n_fds : 1, sizeof(*new->fds));
        if (!new->fds)
                return log_oom();
        for (size_t i = 0; i < n_fds; i++) {
                new->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
                if (new->fds[i] < 0)
                        return log_errno(LOG_ERR, errno, "duplicate an fd of a job");
                new->n_fds = i + 1;
        }
        *ret = TAKE_PTR(new);
        return 0;
}

static void line_ready(struct pool_queue *queue, struct pool_line *line) {
        if (line->ready || line->running || !line->first)
                return;
        line->ready = true;
        line->ready_next = NULL;
        if (queue->ready_last)
                queue->ready_last->ready_next = line;
        else
                queue->ready = line;
        queue->ready_last = line;
}

static void line_unready(struct pool_queue *queue, struct pool_line *line) {
        struct pool_line **place = &queue->ready, *before = NULL;

        if (!line->ready)
                return;
        while (*place != line) {
                before = *place;
                place = &before->ready_next;
        }
        *place = line->ready_next;
        if (queue->ready_last == line)
                queue->ready_last = before;
        line->ready = false;
}

static void line_free_if_empty(struct pool_queue *queue, struct pool_line *line) {
        if (line->first || line->running)
                return;
        line_unready(queue, line);
        if (line->uuid[0])
                (void) map_remove(queue->lines, line->uuid);
        free(line);
}

static int line_of(struct pool_queue *queue, const char *uuid, struct pool_line **ret) {
        struct pool_line *line = uuid[0] ? map_get(queue->lines, uuid) : NULL;

        if (!line) {
                line = calloc(1, sizeof(*line));
                if (!line)
                        return log_oom();
                (void) stpncpy(line->uuid, uuid, sizeof(line->uuid) - 1); /* the last byte stays 0 */
                if (uuid[0] && map_put(queue->lines, line->uuid, line) < 0) {
                        free(line);
                        return log_oom();
                }
        }
        *ret = line;
        return 0;
}

int pool_queue_push(struct pool_queue *queue, const char *uuid, struct pool_job *job) {
        struct pool_line *line;
        int r = line_of(queue, uuid, &line);

        if (r < 0)
                return r;
        job->line = line;
        job->next = NULL;
        if (line->last)
                line->last->next = job;
        else
                line->first = job;
        line->last = job;
        queue->waiting++;
        line_ready(queue, line);
        return 0;
}

struct pool_job *pool_queue_take(struct pool_queue *queue, bool (*may)(const struct pool_job *job, void *userdata), void *userdata) {
        struct pool_line *line = queue->ready;
        struct pool_job *job;

        while (line && may && !may(line->first, userdata))
                line = line->ready_next;
        if (!line)
                return NULL;
        line_unready(queue, line);
        job = line->first;
        line->first = job->next;
        if (!line->first)
                line->last = NULL;
        line->running = true;
        job->started = true;
        job->next = NULL;
        queue->waiting--;
        return job;
}

void pool_queue_put_back(struct pool_queue *queue, struct pool_job *job) {
        struct pool_line *line = job->line;

        line->running = false;
        job->started = false;
        job->next = line->first;
        line->first = job;
        if (!line->last)
                line->last = job;
        queue->waiting++;
        line_ready(queue, line);
}

void pool_queue_over(struct pool_queue *queue, struct pool_job *job) {
        struct pool_line *line = TAKE_PTR(job->line);

        line->running = false;
        line_ready(queue, line);
        line_free_if_empty(queue, line);
}

void pool_queue_remove(struct pool_queue *queue, struct pool_job *job) {
        struct pool_line *line = job->line;
        struct pool_job **place = &line->first, *before = NULL;

        while (*place != job) {
                before = *place;
                place = &before->next;
        }
        *place = job->next;
        if (line->last == job)
                line->last = before;
        queue->waiting--;
        if (!line->first)
                line_unready(queue, line);
        line_free_if_empty(queue, line);
        pool_job_free(job);
}

void pool_queue_done(struct pool_queue *queue) {
        struct pool_job *job;

        /* What runs has been declared over before, so every line that is left can be served. */
        while ((job = pool_queue_take(queue, NULL, NULL))) {
                pool_queue_over(queue, job);
                pool_job_free(job);
        }
        queue->lines = map_free(queue->lines);
}
