/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The front's side of the executors. Each slot has at most one executor, and an executor at most one job. The
 * timer of a slot is armed for the first job and looks at the clock when it fires, so that a job costs no timer
 * call. */

#include "executor/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "executor/intent.h"
#include "executor/pool-queue.h"
#include "util/channel.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/log.h"

#define TOO_LONG "the operation took too long and was ended; see whether the source's file system answers, then try again"

struct worker {
        struct executor_pool *pool;
        unsigned slot;
        int socket, intent_fd;
        sd_event_source *io, *timer;
        struct pool_job *job; /* what it runs */
        bool unsent;          /* …and has not been sent yet: the socket was full */
        bool condemned;       /* its replacement is asked for: it gets no job any more */
        uint64_t deadline;    /* of the job, or of a condemned one's end; CLOCK_MONOTONIC, µs */
        uint64_t begun_us, due_us; /* when the job began, and had to be done */
};

struct executor_pool {
        sd_event *event;
        uint64_t timeout_us;
        pool_replace_fn replace;
        void *userdata;
        struct worker *workers[POOL_SLOTS_MAX];
        struct pool_queue queue;
        sd_event_source *held_up; /* armed while jobs wait */
        uint64_t n_hung, n_lost; /* executors */
};

static void dispatch(struct executor_pool *pool);

/* Arms the timer where jobs wait, or turns it off. */
static void watch_queue(struct executor_pool *pool) {
        int enabled = SD_EVENT_OFF, r;

        (void) sd_event_source_get_enabled(pool->held_up, &enabled); /* off, if it cannot be told */
        if (!pool->queue.ready) {
                (void) sd_event_source_set_enabled(pool->held_up, SD_EVENT_OFF); /* at worst one needless wake-up more */
                return;
        }
        if (enabled != SD_EVENT_OFF)
                return;
        r = sd_event_source_set_time(pool->held_up, clock_us(CLOCK_MONOTONIC) + POOL_HELD_UP_US);
        if (r >= 0)
                r = sd_event_source_set_enabled(pool->held_up, SD_EVENT_ONESHOT);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "no timer for jobs that wait");
}

/* Whether each has been at one job for long. `*ret_n`: how many there are. */
static bool are_held_up(const struct executor_pool *pool, unsigned *ret_n) {
        const uint64_t now = clock_us(CLOCK_MONOTONIC);
        bool all = true;

        *ret_n = 0;
        for (size_t i = 0; i < POOL_SLOTS_MAX; i++) {
                const struct worker *worker = pool->workers[i];

                if (!worker)
                        continue;
                ++*ret_n;
                all = all && worker->job && worker->begun_us + POOL_HELD_UP_US <= now;
        }
        return all;
}

static int on_held_up(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct executor_pool *pool = userdata;
        unsigned n;

        if (pool->queue.ready && are_held_up(pool, &n) && n > 0 && n < POOL_GROWN_MAX)
                pool->replace(POOL_SLOT_NEW, pool->userdata);
        watch_queue(pool);
        return 0;
}

int executor_pool_new(
        sd_event *event, uint64_t job_timeout_us, pool_replace_fn replace, void *userdata, struct executor_pool **ret) {
        _cleanup_(executor_pool_freep) struct executor_pool *pool = calloc(1, sizeof(*pool));
        int r;

        if (!pool)
                return log_oom();
        pool->event = sd_event_ref(event);
        pool->timeout_us = job_timeout_us;
        pool->replace = replace;
        pool->userdata = userdata;
        if (pool_queue_init(&pool->queue) < 0)
                return -ENOMEM;
        r = sd_event_add_time(event, &pool->held_up, CLOCK_MONOTONIC, UINT64_MAX, 0, on_held_up, pool);
        if (r >= 0)
                r = sd_event_source_set_enabled(pool->held_up, SD_EVENT_OFF);
        if (r < 0)
                return log_errno(LOG_ERR, r, "no timer for the executors");
        *ret = TAKE_PTR(pool);
        return 0;
}

void executor_pool_set_timeout(struct executor_pool *pool, uint64_t job_timeout_us) {
        pool->timeout_us = job_timeout_us;
}

/* Takes the worker out of its slot; its job, if any, must have been seen to. */
static struct worker *worker_free(struct worker *worker) {
        if (!worker)
                return NULL;
        worker->pool->workers[worker->slot] = NULL;
        sd_event_source_disable_unref(worker->io);
        sd_event_source_disable_unref(worker->timer);
        (void) close_fd(worker->socket);
        (void) close_fd(worker->intent_fd);
        free(worker);
        return NULL;
}

static void job_over(struct executor_pool *pool, struct pool_job *job, const struct job_result *result) {
        pool_queue_over(&pool->queue, job);
        if (result)
                job->done(result, job->userdata);
        pool_job_free(job);
}

struct executor_pool *executor_pool_free(struct executor_pool *pool) {
        if (!pool)
                return NULL;
        for (size_t i = 0; i < POOL_SLOTS_MAX; i++) {
                struct worker *worker = pool->workers[i];

                if (worker && worker->job)
                        job_over(pool, TAKE_PTR(worker->job), NULL);
                worker_free(worker);
        }
        if (pool->queue.lines)
                pool_queue_done(&pool->queue);
        sd_event_source_disable_unref(pool->held_up);
        sd_event_unref(pool->event);
        free(pool);
        return NULL;
}

static void read_entry(const struct intent_mount *entry, struct step_result *result) {
        uint32_t made = 0;
        enum intent_directory which = intent_is_directory(entry, &made);

        switch (which) {
        case INTENT_NO_DIRECTORY:
                result->id = entry->id;
                result->mount_id = entry->mount_id;
                break;
        case INTENT_TARGET:
        case INTENT_POINT:
        case INTENT_POINT_FILE:
                result->made = made;
                result->made_file = which == INTENT_POINT_FILE;
                break;
        case INTENT_UPPER:
                result->made_upper = made;
                break;
        case INTENT_WORK:
                result->made_work = made;
                break;
        }
}

/* What the intent file says about a job whose executor cannot be asked any more. */
static void read_intent(const struct worker *worker, struct job_result *result) {
        _cleanup_free_ struct intent_mount *mounts = NULL;
        uint64_t job;
        size_t n;
        int r = intent_read(worker->intent_fd, &job, &mounts, &n);

        if (r < 0)
                (void) log_errno(LOG_ERR, r, "read the intent file of executor %u", worker->slot);
        if (r <= 0 || job != result->job)
                return;
        for (size_t i = 0; i < n; i++)
                if (mounts[i].step < result->n_steps)
                        read_entry(&mounts[i], &result->steps[mounts[i].step]);
}

static void tell_lost(struct worker *worker, struct pool_job *job, enum failure_kind kind, const char *text) {
        _cleanup_job_result_ struct job_result result = {
                .job = job->id, .failure = kind, .failed_step = UINT32_MAX, .lost = true};

        result.steps = calloc(job->n_steps > 0 ? job->n_steps : 1, sizeof(*result.steps));
        if (result.steps)
                result.n_steps = job->n_steps;
        result.text = strdup(text);
        if (!intent_read_at(worker->intent_fd, job->id, &result.failed_step) || result.failed_step >= result.n_steps)
                result.failed_step = UINT32_MAX;
        read_intent(worker, &result);
        job_over(worker->pool, job, &result);
}

/* The executor is dead, or as good as. */
static void worker_lose(struct worker *worker, enum failure_kind kind, const char *text) {
        struct executor_pool *pool = worker->pool;
        struct pool_job *job = TAKE_PTR(worker->job);

        pool->n_lost++;
        /* It gets no job while its last one is told: whoever hears that may submit another. */
        worker->condemned = true;
        if (job && worker->unsent)
                pool_queue_put_back(&pool->queue, job);
        else if (job)
                tell_lost(worker, job, kind, text);
        worker_free(worker);
        dispatch(pool);
}

static void worker_condemn(struct worker *worker, const char *why) {
        event_log(EVENT_EXECUTOR_HUNG, NULL, "Replacing executor %u: %s", worker->slot, why);
        worker->condemned = true;
        worker->deadline = clock_us(CLOCK_MONOTONIC) + POOL_GRACE_US;
        if (sd_event_source_set_time(worker->timer, worker->deadline) < 0 ||
                sd_event_source_set_enabled(worker->timer, SD_EVENT_ONESHOT) < 0)
                log_error("No timer for the end of executor %u", worker->slot);
        worker->pool->replace(worker->slot, worker->pool->userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        struct worker *worker = userdata;

        if (worker->condemned) {
                worker_lose(worker, FAILURE_TIMED_OUT,
                        "the operation took too long, and the process that ran it could not be ended yet; "
                        "see whether the source's file system answers");
                return 0;
        }
        if (!worker->job)
                return 0; /* idle: the next job arms it again */
        if (clock_us(CLOCK_MONOTONIC) >= worker->deadline) {
                worker->pool->n_hung++;
                worker_condemn(worker, "its job took too long");
                return 0;
        }
        if (sd_event_source_set_time(source, worker->deadline) < 0 ||
                sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) < 0)
                log_error("No timer for the job of executor %u", worker->slot);
        return 0;
}

/* Only a job that succeeded and was to answer with an fd has one. */
static bool fds_are_right(const struct pool_job *job, const struct job_result *result, size_t n_fds) {
        return n_fds == (job->answers_fd && result->failure == FAILURE_NONE ? 1 : 0);
}

static int take_fd(struct job_result *result, struct channel_message *message) {
        if (message->n_fds == 0)
                return 0;
        result->fd = malloc(sizeof(*result->fd));
        if (!result->fd)
                return log_oom();
        *result->fd = TAKE_FD(message->fds[0]);
        return 0;
}

static void on_result(struct worker *worker, struct channel_message *message) {
        _cleanup_job_result_ struct job_result result = {};
        struct executor_pool *pool = worker->pool;
        struct pool_job *job = worker->job;
        int r = job_result_decode(message->data, message->size, &result);

        if (r < 0 || !job || worker->unsent || result.job != job->id || result.n_steps != job->n_steps ||
                !fds_are_right(job, &result, message->n_fds) || take_fd(&result, message) < 0) {
                if (!worker->condemned)
                        worker_condemn(worker, "it answered what nobody asked");
                return;
        }
        worker->job = NULL;
        job_over(pool, job, &result);
        dispatch(pool);
}

static int worker_send(struct worker *worker) {
        struct pool_job *job = worker->job;
        int r = channel_send(worker->socket, job->data, job->size, job->fds, job->n_fds);

        if (r == 0) {
                worker->unsent = false;
                /* The executor has its own copies now. */
                for (size_t i = 0; i < job->n_fds; i++)
                        (void) close_fd(job->fds[i]);
                job->n_fds = 0;
                free(TAKE_PTR(job->data));
        }
        return r;
}

/* Its process has ended, by itself or because it took too long. */
static void lose_ended(struct worker *worker) {
        if (worker->condemned && worker->job)
                worker_lose(worker, FAILURE_TIMED_OUT, TOO_LONG);
        else
                worker_lose(worker, FAILURE_MOUNT_FAILED, "the process that ran the operation ended; see the journal of podmountd, then try again");
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct worker *worker = userdata;
        _cleanup_message_ struct channel_message message = {};
        int r;

        if ((events & EPOLLOUT) && worker->unsent) {
                r = worker_send(worker);
                if (r < 0 && r != -EAGAIN)
                        (void) log_errno(LOG_ERR, r, "send a job to executor %u", worker->slot);
                if (r == 0)
                        (void) sd_event_source_set_io_events(source, EPOLLIN); /* at worst one needless wake-up more */
        }
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
                return 0;
        r = channel_receive(fd, MSG_DONTWAIT, &message);
        if (r == -EAGAIN)
                return 0;
        if (r > 0) {
                on_result(worker, &message);
                return 0;
        }
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "receive from executor %u", worker->slot);
        lose_ended(worker);
        return 0;
}

static int worker_start(struct worker *worker, struct pool_job *job) {
        int enabled = SD_EVENT_OFF, r;

        worker->job = job;
        worker->unsent = true;
        worker->begun_us = clock_us(CLOCK_MONOTONIC);
        worker->deadline = worker->due_us = worker->begun_us + worker->pool->timeout_us;
        (void) sd_event_source_get_enabled(worker->timer, &enabled); /* off, if it cannot be told */
        if (enabled == SD_EVENT_OFF && (sd_event_source_set_time(worker->timer, worker->deadline) < 0 ||
                                               sd_event_source_set_enabled(worker->timer, SD_EVENT_ONESHOT) < 0))
                log_error("No timer for the job of executor %u", worker->slot);
        r = worker_send(worker);
        if (r == -EAGAIN)
                r = sd_event_source_set_io_events(worker->io, EPOLLIN | EPOLLOUT);
        return r;
}

static struct worker *idle_worker(struct executor_pool *pool) {
        for (size_t i = 0; i < POOL_SLOTS_MAX; i++)
                if (pool->workers[i] && !pool->workers[i]->job && !pool->workers[i]->condemned)
                        return pool->workers[i];
        return NULL;
}

/* Nobody but root gets the last one that is idle, of as many as there can be, beside others. */
static bool may_start(const struct pool_job *job, void *userdata) {
        const struct executor_pool *pool = userdata;
        unsigned n = 0, n_idle = 0, n_own = 0;

        for (size_t i = 0; i < POOL_SLOTS_MAX; i++) {
                const struct worker *worker = pool->workers[i];

                n += worker != NULL;
                n_idle += worker && !worker->job && !worker->condemned;
                n_own += worker && worker->job && worker->job->uid == job->uid;
        }
        return job->uid == 0 || n_own == 0 || n_idle > 1 || n < POOL_GROWN_MAX;
}

static void dispatch(struct executor_pool *pool) {
        for (;;) {
                struct worker *worker = idle_worker(pool);
                struct pool_job *job = worker ? pool_queue_take(&pool->queue, may_start, pool) : NULL;
                int r;

                if (!job) {
                        watch_queue(pool);
                        return;
                }
                r = worker_start(worker, job);
                if (r >= 0)
                        continue;
                (void) log_errno(LOG_ERR, r, "send a job to executor %u", worker->slot);
                worker->job = NULL;
                pool_queue_put_back(&pool->queue, job);
                if (r != -EPIPE) {
                        worker_condemn(worker, "it takes no job");
                        continue;
                }
                /* Dead: the keeper knows, and asking for a replacement could hit the one it has made already. */
                worker_lose(worker, FAILURE_NONE, "");
                return;
        }
}

int executor_pool_add(struct executor_pool *pool, unsigned slot, int socket, int intent_fd) {
        _cleanup_close_ int own_socket = socket, own_intent = intent_fd;
        struct worker *worker;
        int r;

        if (slot >= POOL_SLOTS_MAX)
                return -EINVAL;
        if (fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK) < 0)
                return log_errno(LOG_ERR, errno, "make the socket of executor %u non-blocking", slot);
        if (pool->workers[slot])
                lose_ended(pool->workers[slot]);
        worker = calloc(1, sizeof(*worker));
        if (!worker)
                return log_oom();
        *worker = (struct worker){
                .pool = pool, .slot = slot, .socket = TAKE_FD(own_socket), .intent_fd = TAKE_FD(own_intent)};
        r = sd_event_add_io(pool->event, &worker->io, worker->socket, EPOLLIN, on_io, worker);
        if (r >= 0)
                r = sd_event_add_time(pool->event, &worker->timer, CLOCK_MONOTONIC, UINT64_MAX, 0, on_timer, worker);
        if (r >= 0)
                r = sd_event_source_set_enabled(worker->timer, SD_EVENT_OFF);
        if (r < 0) {
                worker_free(worker);
                return log_errno(LOG_ERR, r, "watch executor %u", slot);
        }
        pool->workers[slot] = worker;
        dispatch(pool);
        return 0;
}

int executor_pool_submit(struct executor_pool *pool, const struct job *job, const int *fds, size_t n_fds,
        pool_done_fn done, void *userdata, struct pool_job **ret) {
        _cleanup_(pool_job_freep) struct pool_job *new = NULL;
        int r = pool_job_new(job, fds, n_fds, &new);

        if (r < 0)
                return r;
        new->done = done;
        new->userdata = userdata;
        r = pool_queue_push(&pool->queue, job->uuid, new);
        if (r < 0)
                return r;
        if (ret)
                *ret = new;
        new = NULL;
        dispatch(pool);
        return 0;
}

bool executor_pool_cancel(struct executor_pool *pool, struct pool_job *job) {
        if (job->started)
                return false;
        pool_queue_remove(&pool->queue, job);
        return true;
}

bool executor_pool_started(const struct pool_job *job) {
        return job->started;
}

void executor_pool_counts(
        const struct executor_pool *pool, unsigned *ret_executors, unsigned *ret_running, unsigned *ret_waiting) {
        unsigned executors = 0, running = 0;

        for (size_t i = 0; i < POOL_SLOTS_MAX; i++)
                if (pool->workers[i]) {
                        executors++;
                        running += pool->workers[i]->job != NULL;
                }
        *ret_executors = executors;
        *ret_running = running;
        *ret_waiting = pool->queue.waiting;
}

size_t executor_pool_hanging(const struct executor_pool *pool, uint64_t after_us, struct pool_hang ret[POOL_SLOTS_MAX]) {
        const uint64_t now = clock_us(CLOCK_MONOTONIC);
        size_t n = 0;

        for (size_t i = 0; i < POOL_SLOTS_MAX; i++) {
                const struct worker *worker = pool->workers[i];

                if (!worker || !worker->job || now - worker->begun_us < after_us)
                        continue;
                ret[n] = (struct pool_hang) {
                        .job = worker->job->id, .step = UINT32_MAX, .begun_us = worker->begun_us, .deadline_us = worker->due_us};
                (void) intent_read_at(worker->intent_fd, worker->job->id, &ret[n].step);
                n++;
        }
        return n;
}

void executor_pool_losses(const struct executor_pool *pool, uint64_t *ret_hung, uint64_t *ret_lost) {
        *ret_hung = pool->n_hung;
        *ret_lost = pool->n_lost;
}
