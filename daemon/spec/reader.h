/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Typed access to the members of a JSON object: each function knows the object's JSON pointer and begins the sentence
 * of a refusal with that of the offending place. For specs, and for what image/ reads.
 */

#include <json-c/json.h>
#include <stdbool.h>

#include "util/cleanup.h"
#include "util/failure.h"

/* Sets "<pointer>: <sentence>" ("document: <sentence>" for the empty pointer) and returns the kind. */
int reader_fail(struct failure *f, enum failure_kind kind, const char *pointer, const char *format, ...) _printf_(4, 5);
/* The same for the member `key` of the object at `pointer`. */
int reader_fail_member(struct failure *f, enum failure_kind kind, const char *pointer, const char *key,
        const char *format, ...) _printf_(5, 6);

/* FAILURE_INVALID_SPEC unless the value is of the type. */
int reader_check_type(struct json_object *value, enum json_type type, const char *pointer, struct failure *f);

/* The member, borrowed, of the given type; NULL when there is none. */
int reader_get(struct json_object *object, const char *pointer, const char *key, enum json_type type,
        struct json_object **ret, struct failure *f);
/* A copy of the string; NULL when there is none. Empty strings and those with a NUL byte are refused. */
int reader_get_string(struct json_object *object, const char *pointer, const char *key, char **ret, struct failure *f);
/* `fallback` when there is none. */
int reader_get_bool(
        struct json_object *object, const char *pointer, const char *key, bool fallback, bool *ret, struct failure *f);

/* A copy of a string value; refuses as reader_get_string() does. */
int reader_copy_string(struct json_object *value, const char *pointer, char **ret, struct failure *f);

/* FAILURE_INVALID_SPEC for the first member that is not in the NULL-terminated list. */
int reader_check_known(struct json_object *object, const char *pointer, const char *const *known, struct failure *f);
bool reader_is_known(const char *const *known, const char *key);
