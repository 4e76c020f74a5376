/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The pieces of the flat buffers that front and executor exchange: numbers of fixed width in the machine's own byte
 * order (both ends are one program on one machine), strings and vectors behind their count. Both a writer and a reader
 * keep their first error, so that a codec is a plain list of fields; the caller looks at `error` at the end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

struct wire_writer {
        uint8_t *data; /* owned */
        size_t size, allocated;
        int error; /* 0, -ENOMEM, or -E2BIG past CHANNEL_MESSAGE_MAX */
};

/* Numbers of 1, 4 and 8 bytes. */
void wire_put_u8(struct wire_writer *writer, uint8_t value);
void wire_put_u32(struct wire_writer *writer, uint32_t value);
void wire_put_u64(struct wire_writer *writer, uint64_t value);
/* A count or a size of ours; -E2BIG when it needs more than 32 bits. */
void wire_put_count(struct wire_writer *writer, size_t count);
/* NULL is written as a string of its own kind, told from "". */
void wire_put_string(struct wire_writer *writer, const char *text);
/* NULL-terminated; NULL is written like an empty one. */
void wire_put_strv(struct wire_writer *writer, char *const *strv);
/* Hands the buffer over, or frees it and returns the error. */
int wire_finish(struct wire_writer *writer, uint8_t **ret, size_t *ret_size);

struct wire_reader {
        const uint8_t *data; /* what is left */
        size_t size;
        int error; /* 0, -EBADMSG, -ENOMEM; every value read after an error is zero */
};

/* Numbers of 1, 4 and 8 bytes. */
uint8_t wire_take_u8(struct wire_reader *reader);
uint32_t wire_take_u32(struct wire_reader *reader);
uint64_t wire_take_u64(struct wire_reader *reader);
/* 0 or 1; anything else is -EBADMSG. */
bool wire_take_bool(struct wire_reader *reader);
/* At most `max`, and at most what the rest of the buffer can hold in elements of at least `element_size` bytes: a lying
 * count costs no memory. */
size_t wire_take_count(struct wire_reader *reader, size_t max, size_t element_size);
/* Owned by the caller. NULL where NULL was written (-EBADMSG when `required`), or after an error. */
char *wire_take_string(struct wire_reader *reader, bool required);
/* Owned by the caller; never NULL but after an error. */
char **wire_take_strv(struct wire_reader *reader, size_t max);
/* Keeps the first error. */
void wire_fail(struct wire_reader *reader, int error);
