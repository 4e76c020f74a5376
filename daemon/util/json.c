/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The text is scanned strictly first (json-scan.c), then built by json-c. A key that is there twice is found by the
 * count: json-c keeps the last one silently, so the tree then has fewer members than the text.
 */

#include "util/json.h"

#include <limits.h>
#include <stdio_ext.h>
#include <string.h>

#include "util/json-scan.h"
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
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
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

static int write_value(FILE *out, struct json_object *value);

/* Whether json-c would write every byte of the string as it is. */
static bool is_plain(const char *text, size_t length) {
        for (size_t i = 0; i < length; i++)
                if ((unsigned char) text[i] < ' ' || text[i] == '"' || text[i] == '\\')
                        return false;
        return true;
}

static int write_plain(FILE *out, const char *text, size_t length) {
        if (fputc('"', out) == EOF || fwrite(text, 1, length, out) != length || fputc('"', out) == EOF)
                return -ENOMEM;
        return 0;
}

static int write_scalar(FILE *out, struct json_object *value) {
        const char *text;

        if (json_object_is_type(value, json_type_string)) {
                size_t length = (size_t) json_object_get_string_len(value);

                text = json_object_get_string(value);
                if (is_plain(text, length))
                        return write_plain(out, text, length);
        }
        text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        return text && fputs(text, out) >= 0 ? 0 : -ENOMEM;
}

static int write_key(FILE *out, const char *key) {
        _cleanup_json_ struct json_object *name = NULL;

        if (is_plain(key, strlen(key)))
                return write_plain(out, key, strlen(key));
        name = json_object_new_string(key);
        return name ? write_scalar(out, name) : -ENOMEM;
}

static int write_member(FILE *out, struct json_object *object, const char *key) {
        int r = write_key(out, key);

        if (r < 0)
                return r;
        if (fputc(':', out) == EOF)
                return -ENOMEM;
        return write_value(out, json_object_object_get(object, key));
}

static int write_object(FILE *out, struct json_object *object) {
        _cleanup_free_ const char **keys = NULL;
        size_t n_keys = 0, length = (size_t) json_object_object_length(object);

        keys = calloc(length + 1, sizeof(*keys));
        if (!keys)
                return -ENOMEM;
        json_object_object_foreach(object, key, value) {
                (void) value; /* defined by the macro */
                keys[n_keys++] = key;
        }
        qsort(keys, n_keys, sizeof(*keys), compare_keys);

        if (fputc('{', out) == EOF)
                return -ENOMEM;
        for (size_t i = 0; i < n_keys; i++) {
                int r;

                if (i > 0 && fputc(',', out) == EOF)
                        return -ENOMEM;
                r = write_member(out, object, keys[i]);
                if (r < 0)
                        return r;
        }
        return fputc('}', out) == EOF ? -ENOMEM : 0;
}

static int write_array(FILE *out, struct json_object *array) {
        if (fputc('[', out) == EOF)
                return -ENOMEM;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                int r;

                if (i > 0 && fputc(',', out) == EOF)
                        return -ENOMEM;
                r = write_value(out, json_object_array_get_idx(array, i));
                if (r < 0)
                        return r;
        }
        return fputc(']', out) == EOF ? -ENOMEM : 0;
}

static int write_value(FILE *out, struct json_object *value) {
        if (json_object_is_type(value, json_type_object))
                return write_object(out, value);
        if (json_object_is_type(value, json_type_array))
                return write_array(out, value);
        return write_scalar(out, value);
}

char *json_canonical(struct json_object *object) {
        char *text = NULL;
        size_t size = 0;
        FILE *out;
        int r;

        out = open_memstream(&text, &size);
        if (!out)
                return NULL;
        (void) __fsetlocking(out, FSETLOCKING_BYCALLER); /* nobody else has it */
        r = write_value(out, object);
        if (fclose(out) != 0 || r < 0) {
                free(text);
                return NULL;
        }
        return text;
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
        char *joined;

        return asprintf(&joined, "%s/%zu", pointer, index) < 0 ? NULL : joined;
}
