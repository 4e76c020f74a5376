/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* json-c with the house's limits: whole input, strict syntax, bounded nesting. */

#include <json-c/json.h>
#include <stdbool.h>

#include "util/cleanup.h"
#include "util/failure.h"

enum { JSON_DEPTH_MAX = 64 };

static inline void json_putp(struct json_object **object) {
        (void) json_object_put(*object);
}
#define _cleanup_json_ _cleanup_(json_putp)

/* Parses `size` bytes as exactly one JSON value. FAILURE_INVALID_SPEC with line and column of the first bad byte, for
 * nesting past JSON_DEPTH_MAX, for bytes that are not UTF-8, NUL bytes, and for trailing text. */
int json_parse(const char *text, size_t size, struct json_object **ret, struct failure *f);

/* The same for a text that has up to so many values, and arrays and objects among them: each takes much more memory than its text. More of them
 * are FAILURE_INVALID_SPEC, found before anything is built. */
int json_parse_few(const char *text, size_t size, size_t values_max, size_t containers_max, struct json_object **ret, struct failure *f);

/* The canonical form: keys sorted, no white space; equal documents give equal text. The caller frees it; NULL when
 * memory is short. */
char *json_canonical(struct json_object *object);

/* A number of 64 bits that is written as an array of its upper and its lower half, since JSON has no larger integers for
 * everyone. False for anything else. */
bool json_read_halves(struct json_object *array, uint64_t *ret);

/* Appends "/<name>" to a JSON pointer (RFC 6901), escaping ~ and /. NULL when memory is short. */
char *json_pointer_join(const char *pointer, const char *name);
char *json_pointer_join_index(const char *pointer, size_t index);
