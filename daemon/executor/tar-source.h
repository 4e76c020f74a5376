/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The bytes of a tar out of an fd that somebody sent: a file, a pipe, a socket; as it is or compressed by gzip, zstd or xz. For
 * workers: the reading waits as long as the other end does, and tells how far it is.
 *
 * 0; or a positive enum failure_kind of a worker_fail().
 */

#include "executor/worker.h"

/* Is shown all bytes in their order. */
typedef void (*tar_seen_fn)(const void *data, size_t size, void *userdata);

struct tar_source;

struct tar_source_setup {
        int fd;            /* the caller's */
        size_t figure;     /* which of the worker's figures counts the bytes that were read from it */
        tar_seen_fn read;  /* what is read, compressed or not, or NULL… */
        tar_seen_fn plain; /* …and what it is, uncompressed, or NULL */
        void *userdata;
};

/* Reads the beginning, to see what compression it is. *ret is the caller's after a failure, too, to be drained; NULL: memory. */
int tar_source_new(struct worker *worker, const struct tar_source_setup *setup, struct tar_source **ret);
/* The next bytes, valid until the next call; *ret_size 0: there are no more. */
int tar_source_next(struct tar_source *source, const void **ret, size_t *ret_size);
/* Reads what comes behind the end of the compressed stream, or behind the place where it is damaged, for whoever is shown it. */
int tar_source_drain(struct tar_source *source);
struct tar_source *tar_source_free(struct tar_source *source);
DEFINE_CLEANUP(struct tar_source *, tar_source_free)
