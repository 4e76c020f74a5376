/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a worker's tar goes: the pipe that a client reads from. What is written, and the pages of files, are gathered in a pipe of the worker's own
 * first and moved on together, so that the reader is woken once for many files, and reads while the next ones are gathered: a pipe has one lock, which
 * who reads keeps while it copies.
 */

#include "content/tar.h"
#include "executor/worker.h"

struct outlet {
        struct worker *worker; /* is told how far it is: READ_DONE of its figures (plan/layer.h) is bytes that the client's pipe has taken */
        struct tar *tar;       /* is asked before the first byte goes; may be NULL */
        int fd;                /* the client's pipe; the caller's */
        int gathered[2];       /* the worker's own, or -1: nothing is held back */
        size_t held;           /* bytes that are in it */
};

/* Opens the worker's own pipe. Without one it works, too. */
void outlet_open(struct outlet *outlet, struct worker *worker, int fd);
/* Closes it, with what is in it. */
void outlet_close(struct outlet *outlet);
#define _cleanup_outlet_ _cleanup_(outlet_close)

/* A tar_put_fn: `userdata` is a struct outlet. */
int outlet_put(void *userdata, const void *data, size_t size);
/* A tar_pass_fn of the same: the pages that a file has in memory, as they are. */
ssize_t outlet_pass(void *userdata, int fd, off_t at, size_t size);
/* A tar_drop_fn of the same: what is held back is forgotten. */
int outlet_drop(void *userdata);
/* Moves on what is held back. -EPIPE when nobody reads any more, another negative errno, or what tar_release() returned. */
int outlet_flush(struct outlet *outlet);
