/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON text as it grows, without the costs of a stream: thousands of mounts are written in one call. Errors are kept
 * until the end, so that whoever writes need not ask after each piece. */

#include <stdbool.h>
#include <stddef.h>

struct json_writer { /* zero-initialised */
        char *text;
        size_t size, room;
        bool failed; /* memory was short; nothing is added any more */
};

/* Appends `size` bytes as they are. */
void json_writer_add(struct json_writer *writer, const char *bytes, size_t size);
/* Appends one byte as it is. */
void json_writer_add_byte(struct json_writer *writer, char byte);
/* Appends a string of `size` bytes of UTF-8 in quotes, escaped as json-c does it. */
void json_writer_add_string(struct json_writer *writer, const char *string, size_t size);

/* The text, which the caller frees, or NULL when memory was short; the writer is empty again. */
char *json_writer_take(struct json_writer *writer);
