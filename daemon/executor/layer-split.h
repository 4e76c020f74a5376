/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a tar had beside the content of its files: with the layer that was made of it, it gives the same bytes again. It is written
 * where a layer has nothing but what one tar had, and played back by Diff.
 *
 *     layers/<id>/tar-split   0600, compressed by zstd: SPLIT_MAGIC, then records, numbers little-endian
 *       'R' u32 size, bytes                     these bytes of the tar: headers, padding, its end
 *       'F' u64 size, u32 length, name          as many bytes, which are the whole content of the file of this name (relative to
 *                                               diff/, no "/" at either end, no "." or "..") in the layer
 *       'E' u64 size                            the end, and how many bytes the tar has; a file without it is incomplete
 *
 * Errors are negative errnos, not logged; -EBADMSG for a file that is not of this form.
 */

#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

#define SPLIT_MAGIC "PMSPLIT1"

enum {
        SPLIT_RAW_MAX = 1024 * 1024, /* of one record */
        SPLIT_NAME_MAX = 64 * 1024,
        SPLIT_SIZE_MAX = 64 * 1024 * 1024, /* of the file: a tar with more beside its files' contents has no record */
};

struct split_writer;

/* The fd stays the caller's, and is written to from where it is. */
int split_writer_new(int fd, struct split_writer **ret);
int split_writer_raw(struct split_writer *writer, const void *data, size_t size);
int split_writer_file(struct split_writer *writer, const char *name, uint64_t size);
/* The last record; the file is complete when this is through. */
int split_writer_end(struct split_writer *writer);
struct split_writer *split_writer_free(struct split_writer *writer);
DEFINE_CLEANUP(struct split_writer *, split_writer_free)

enum split_kind { SPLIT_RAW, SPLIT_FILE };

struct split_record {
        enum split_kind kind;
        const uint8_t *data; /* SPLIT_RAW; valid until the next record */
        const char *name;    /* SPLIT_FILE; likewise */
        uint64_t size;
};

struct split_reader;

/* The fd stays the caller's, and is read from where it is. */
int split_reader_new(int fd, struct split_reader **ret);
/* 1 with a record; 0 at the end, which says as many bytes as the records have. */
int split_reader_next(struct split_reader *reader, struct split_record *ret);
struct split_reader *split_reader_free(struct split_reader *reader);
DEFINE_CLEANUP(struct split_reader *, split_reader_free)
