/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The text is scanned strictly first (json-scan.c), then built by json-c. A key that is there twice is found by the
 * count: json-c keeps the last one silently, so the tree then has fewer members than the text.
 */

#include "util/json.h"

#include <limits.h>
#include <string.h>

#include "util/json-scan.h"
#include "util/json-writer.h"
#include "util/log.h"

static int tell_place(const char *text, const struct json_scan *scan, struct failure *f) {
        size_t line = 1, column = 1;

        for (size_t i = 0; i < scan->offset; i++) {
                bool end = text[i] == '\n';

                /* Columns count characters: continuation bytes of UTF-8 add none. */
                column = end ? 1 : column + ((text[i] & 0xc0) != 0x80);
                line += end;
        }
        return failure_set(f, FAILURE_INVALID_SPEC, "Not valid JSON at line %zu, column %zu: %s; correct it and try again",
                           line, column, scan->reason);
}

static size_t count_members(struct json_object *object) {
        size_t count = 0;

        if (json_object_is_type(object, json_type_object)) {
                json_object_object_foreach(object, key, value) {
                        (void) key; /* defined by the macro */
                        count += 1 + count_members(value);
                }
        } else if (json_object_is_type(object, json_type_array))
                for (size_t i = 0; i < json_object_array_length(object); i++)
                        count += count_members(json_object_array_get_idx(object, i));
        return count;
}

static int tell_duplicate(const char *text, size_t size, struct failure *f) {
        struct json_scan scan;
        int r;

        r = json_scan(text, size, JSON_DEPTH_MAX, true, &scan);
        if (r == -EBADMSG)
                return tell_place(text, &scan, f);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look for a duplicate key");
        /* Spelled differently, one of them with \u escapes. */
        return failure_set(f, FAILURE_INVALID_SPEC,
                           "Not valid JSON: a key is there twice in one object; leave only one of them");
}

static int build(const char *text, size_t size, struct json_object **ret) {
        struct json_tokener *tokener;
        struct json_object *object;
        enum json_tokener_error error;

        tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT); /* that it is UTF-8 the scan has seen */
        object = json_tokener_parse_ex(tokener, text, (int) size);
        error = json_tokener_get_error(tokener);
        if (error == json_tokener_continue) {
                /* A number or a word at the very end: the terminating NUL says that it is complete. */
                object = json_tokener_parse_ex(tokener, "", 1);
                error = json_tokener_get_error(tokener);
        }
        json_tokener_free(tokener);
        if (error != json_tokener_success) {
                (void) json_object_put(object); /* frees the rest; nobody else holds it */
                return -ENOMEM;
        }
        *ret = object;
        return 0;
}

int json_parse(const char *text, size_t size, struct json_object **ret, struct failure *f) {
        return json_parse_few(text, size, SIZE_MAX, SIZE_MAX, ret, f);
}

int json_parse_few(const char *text, size_t size, size_t values_max, size_t containers_max, struct json_object **ret, struct failure *f) {
        _cleanup_json_ struct json_object *object = NULL;
        struct json_scan scan;
        int r;

        if (size > INT_MAX)
                return failure_set(f, FAILURE_INVALID_SPEC, "The JSON text is larger than 2 GiB; make it smaller");

        r = json_scan(text, size, JSON_DEPTH_MAX, false, &scan);
        if (r == -EBADMSG)
                return tell_place(text, &scan, f);
        if (r < 0)
                return log_errno(LOG_ERR, r, "scan JSON");
        if (scan.n_values > values_max || scan.n_containers > containers_max)
                return failure_set(f, FAILURE_INVALID_SPEC, "The JSON text has more than %zu values, or more than %zu arrays and objects", values_max,
                                   containers_max);
        /* What the scan lets through is valid for json-c; only memory can be missing now. */
        r = build(text, size, &object);
        if (r < 0)
                return log_errno(LOG_ERR, r, "build JSON");
        if (count_members(object) != scan.n_members)
                return tell_duplicate(text, size, f);

        *ret = TAKE_PTR(object);
        return 0;
}

static int compare_keys(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int write_value(struct json_writer *out, struct json_object *value);

static void write_scalar(struct json_writer *out, struct json_object *value) {
        const char *text;

        if (json_object_is_type(value, json_type_string)) {
                json_writer_add_string(out, json_object_get_string(value), (size_t) json_object_get_string_len(value));
                return;
        }
        text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (text)
                json_writer_add(out, text, strlen(text));
        else
                out->failed = true;
}

static int write_object(struct json_writer *out, struct json_object *object) {
        _cleanup_free_ const char **keys = NULL;
        size_t n_keys = 0, length = (size_t) json_object_object_length(object);
        int r = 0;

        keys = calloc(length + 1, sizeof(*keys));
        if (!keys)
                return -ENOMEM;
        json_object_object_foreach(object, key, value) {
                (void) value; /* defined by the macro */
                keys[n_keys++] = key;
        }
        qsort(keys, n_keys, sizeof(*keys), compare_keys);

        json_writer_add_byte(out, '{');
        for (size_t i = 0; i < n_keys && r == 0; i++) {
                if (i > 0)
                        json_writer_add_byte(out, ',');
                json_writer_add_string(out, keys[i], strlen(keys[i]));
                json_writer_add_byte(out, ':');
                r = write_value(out, json_object_object_get(object, keys[i]));
        }
        json_writer_add_byte(out, '}');
        return r;
}

static int write_array(struct json_writer *out, struct json_object *array) {
        int r = 0;

        json_writer_add_byte(out, '[');
        for (size_t i = 0; i < json_object_array_length(array) && r == 0; i++) {
                if (i > 0)
                        json_writer_add_byte(out, ',');
                r = write_value(out, json_object_array_get_idx(array, i));
        }
        json_writer_add_byte(out, ']');
        return r;
}

static int write_value(struct json_writer *out, struct json_object *value) {
        if (json_object_is_type(value, json_type_object))
                return write_object(out, value);
        if (json_object_is_type(value, json_type_array))
                return write_array(out, value);
        write_scalar(out, value);
        return 0;
}

char *json_canonical(struct json_object *object) {
        struct json_writer out = {.text = NULL};

        if (write_value(&out, object) < 0)
                out.failed = true;
        return json_writer_take(&out);
}

bool json_read_halves(struct json_object *array, uint64_t *ret) {
        uint64_t number = 0;

        if (!json_object_is_type(array, json_type_array) || json_object_array_length(array) != 2)
                return false;
        for (size_t i = 0; i < 2; i++) {
                struct json_object *half = json_object_array_get_idx(array, i);
                int64_t value = json_object_get_int64(half);

                if (!json_object_is_type(half, json_type_int) || value < 0 || value > UINT32_MAX)
                        return false;
                number = number << 32 | (uint64_t) value;
        }
        *ret = number;
        return true;
}

char *json_pointer_join(const char *pointer, const char *name) {
        size_t at = strlen(pointer);
        char *joined;

        joined = malloc(at + 1 + strlen(name) * 2 + 1);
        if (!joined)
                return NULL;
        memcpy(joined, pointer, at);
        joined[at++] = '/';
        for (; *name; name++)
                if (*name == '~' || *name == '/') {
                        joined[at++] = '~';
                        joined[at++] = *name == '~' ? '0' : '1';
                } else
                        joined[at++] = *name;
        joined[at] = '\0';
        return joined;
}

char *json_pointer_join_index(const char *pointer, size_t index) {
        char digits[3 * sizeof(index) + 1], *first = digits + sizeof(digits) - 1;

        *first = '\0';
        do
                *--first = (char) ('0' + index % 10);
        while ((index /= 10) > 0);
        return json_pointer_join(pointer, first);
}
