/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A tar becomes a directory, in a worker: read, uncompressed, looked at entry by entry, written, and brought onto the disk.
 * Everything about it is hostile. 0; a negative errno; or a positive enum failure_kind of a worker_fail().
 */

#include "executor/extract.h"
#include "executor/tar-source.h"

/* Bytes that a file may have, holes and all: far past what is meant, far below where sums overflow. */
#define APPLY_FILE_SIZE_MAX (INT64_C(1) << 50)

struct apply_setup {
        struct tar_source_setup source;
        struct extract_setup into;
        int split;             /* where to write what the tar has beside its files' content (executor/layer-split.h), or -1; nothing
                                * is left there if the two together would not be the same tar */
        /* Of the source's, after all was read, or NULL: 0, or a worker_fail(). First what was read, then what it is uncompressed. */
        int (*verify_read)(struct worker *worker, void *userdata), (*verify_plain)(struct worker *worker, void *userdata);
        size_t content_figure; /* which of the worker's figures counts the bytes of all files */
};

/* Reads all of the tar, to the end of the stream. */
int apply_tar(struct worker *worker, const struct apply_setup *setup);
