/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A worker: a process that an executor makes for what takes long or reads what strangers wrote. It has none of the executor's
 * powers (kernel/confine.h): its root directory is the one that it works on, its fds are those it was given, beside a channel to
 * the front (executor/stream-message.h). The executor does not wait for it.
 *
 *     executor ── guard ── worker        the guard is the first process of the worker's namespaces, and ends when the front closes the
 *                                        channel, when the worker ends or when the executor dies: the kernel then ends the worker,
 *                                        whatever that waits for
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "executor/stream-message.h"
#include "plan/step.h"
#include "util/channel.h"
#include "util/failure.h"

enum { WORKER_FDS_MAX = 12 };

struct worker;

struct worker_setup {
        const char *name;      /* of the process, at most 15 bytes */
        int root;              /* a directory, which becomes its root directory: nosuid, nodev, noexec; -1: an empty one */
        bool read_only;        /* …and nothing is written there */
        const int *fds;        /* what it is given, none of them -1; the caller's */
        size_t n_fds;          /* at most WORKER_FDS_MAX */
        const struct job_caller *caller; /* who it is to be, without capabilities; NULL: root */
        uint64_t capabilities; /* what it keeps: bits 1 << CAP_… */
        unsigned files_max;    /* open files that it may have; 0: a few hundred */
        uint64_t memory_max;   /* bytes of address space that it may have in all; 0: no limit */
        /* Works, in the worker, where it may write to `worker` alone. 0; a negative errno; or a positive enum failure_kind of a
         * worker_fail(). `fds` are the setup's, by other numbers. `userdata` is memory of the executor's, copied by fork(2). */
        int (*work)(struct worker *worker, const int *fds, void *userdata);
        void *userdata;
};

/* In the executor. *ret_channel: the front's end. A negative errno, logged but for -EINVAL and -EBADF of a setup that is none. */
int worker_start(const struct worker_setup *setup, int *ret_channel);

/* In the executor: the namespace of an empty directory, in which workers are; the fd stays the room's and is good until the next call of
 * these two. A negative errno. */
int worker_room(int *ret_mounts);

/* The rest is for work(). What was sent to it through the other end of the channel, before the front had that: as channel_receive(). */
int worker_order(struct worker *worker, struct channel_message *ret);
/* Figures are sent with the next message. */
uint64_t *worker_figures(struct worker *worker);
/* Tells how far it is; no more than a few times a second, so that it can be called for every block. A negative errno: the front is
 * gone. */
int worker_progress(struct worker *worker);
/* Sends a part of the answer, of at most STREAM_BYTES_MAX bytes. It waits while the front does not read. */
int worker_portion(struct worker *worker, const void *data, size_t size);
/* Sets the failure that is told in the end, `error` as run_fail() has it. Returns its kind. */
int worker_fail(struct worker *worker, enum failure_kind kind, int error, const char *format, ...) _printf_(4, 5);
/* The failure so far, for somebody who may know better; there is none then, until another is set, or this one again by worker_insist(). It is the caller's. */
void worker_doubt(struct worker *worker, struct failure *ret);
void worker_insist(struct worker *worker, struct failure *failure);
