/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Typed access to JSON objects. json-c's getters convert silently (a number reads as a string, null as an absent
 * object); a client's typo must not pass so, hence every access goes through a type check that names the place.
 */

#include <stdarg.h>
#include <string.h>

#include "spec/reader.h"
#include "util/array.h"
#include "util/json.h"
#include "util/text.h"

static int reader_vfail(struct failure *f, enum failure_kind kind, const char *pointer, const char *format, va_list ap)
        __attribute__((__format__(printf, 4, 0)));

static int reader_vfail(
        struct failure *f, enum failure_kind kind, const char *pointer, const char *format, va_list ap) {
        _cleanup_free_ char *sentence = text_vformat(format, ap);

        if (!sentence)
                return -ENOMEM;
        return failure_set(f, kind, "%s: %s", pointer[0] != '\0' ? pointer : "document", sentence);
}

int reader_fail(struct failure *f, enum failure_kind kind, const char *pointer, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = reader_vfail(f, kind, pointer, format, ap);
        va_end(ap);
        return r;
}

int reader_fail_member(
        struct failure *f, enum failure_kind kind, const char *pointer, const char *key, const char *format, ...) {
        _cleanup_free_ char *member = json_pointer_join(pointer, key);
        va_list ap;
        int r;

        if (!member)
                return -ENOMEM;
        va_start(ap, format);
        r = reader_vfail(f, kind, member, format, ap);
        va_end(ap);
        return r;
}

/* What people call the types of json-c. */
static const char *type_name(enum json_type type) {
        switch (type) {
        case json_type_null:
                return "null";
        case json_type_boolean:
                return "true or false";
        case json_type_double:
                return "a number that is not whole, or one with an exponent";
        case json_type_int:
                return "a whole number";
        case json_type_object:
                return "an object";
        case json_type_array:
                return "an array";
        case json_type_string:
                return "a string";
        }
        return "something else";
}

static int fail_type(struct json_object *value, enum json_type type, const char *pointer, struct failure *f) {
        return reader_fail(f, FAILURE_INVALID_SPEC, pointer, "this is %s, and must be %s",
                type_name(json_object_get_type(value)), type_name(type));
}

int reader_check_type(struct json_object *value, enum json_type type, const char *pointer, struct failure *f) {
        return json_object_get_type(value) == type ? 0 : fail_type(value, type, pointer, f);
}

int reader_get(struct json_object *object, const char *pointer, const char *key, enum json_type type,
        struct json_object **ret, struct failure *f) {
        _cleanup_free_ char *member = NULL;
        struct json_object *value = NULL;

        if (!json_object_object_get_ex(object, key, &value)) {
                *ret = NULL;
                return 0;
        }
        if (json_object_get_type(value) != type) {
                member = json_pointer_join(pointer, key);
                return member ? fail_type(value, type, member, f) : -ENOMEM;
        }
        *ret = value;
        return 0;
}

/* Whether it is a string that may be copied as it is: what almost all are, so that only the others need a pointer. */
static bool is_good_string(struct json_object *value) {
        const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;

        return text && text[0] != '\0' && strlen(text) == (size_t) json_object_get_string_len(value);
}

int reader_copy_string(struct json_object *value, const char *pointer, char **ret, struct failure *f) {
        const char *text;
        char *copy;
        int r;

        r = reader_check_type(value, json_type_string, pointer, f);
        if (r != 0)
                return r;
        text = json_object_get_string(value);
        if (!text)
                return -ENOMEM;
        if (strlen(text) != (size_t) json_object_get_string_len(value))
                return reader_fail(f, FAILURE_INVALID_SPEC, pointer, "the string has a NUL byte in it; leave it out");
        if (text[0] == '\0')
                return reader_fail(
                        f, FAILURE_INVALID_SPEC, pointer, "the string is empty; give a value or leave the key out");
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

int reader_get_string(struct json_object *object, const char *pointer, const char *key, char **ret, struct failure *f) {
        _cleanup_free_ char *member = NULL;
        struct json_object *value = NULL;

        if (!json_object_object_get_ex(object, key, &value)) {
                *ret = NULL;
                return 0;
        }
        if (!is_good_string(value)) {
                member = json_pointer_join(pointer, key);
                if (!member)
                        return -ENOMEM;
        }
        return reader_copy_string(value, member ?: pointer, ret, f);
}

int reader_get_bool(
        struct json_object *object, const char *pointer, const char *key, bool fallback, bool *ret, struct failure *f) {
        struct json_object *value = NULL;
        int r;

        r = reader_get(object, pointer, key, json_type_boolean, &value, f);
        if (r != 0)
                return r;
        *ret = value ? json_object_get_boolean(value) : fallback;
        return 0;
}

bool reader_is_known(const char *const *known, const char *key) {
        for (; *known; known++)
                if (strcmp(*known, key) == 0)
                        return true;
        return false;
}

/* "a, b, c" of a NULL-terminated list; NULL when memory is short. */
static char *join_known(const char *const *known) {
        _cleanup_strv_ char **names = NULL;

        for (; *known; known++)
                if (strv_append(&names, *known) < 0)
                        return NULL;
        return strv_join(names, ", ");
}

int reader_check_known(struct json_object *object, const char *pointer, const char *const *known, struct failure *f) {
        struct json_object_iterator it = json_object_iter_begin(object), end = json_object_iter_end(object);

        for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
                const char *key = json_object_iter_peek_name(&it);
                _cleanup_free_ char *names = NULL;

                if (reader_is_known(known, key))
                        continue;
                names = join_known(known);
                if (!names)
                        return -ENOMEM;
                return reader_fail_member(
                        f, FAILURE_INVALID_SPEC, pointer, key, "unknown key; what may stand here: %s", names);
        }
        return 0;
}
