/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Growable arrays and string vectors for owners that keep a pointer and a count of their own. */

#include "util/array.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "util/text.h"

void *array_append_raw(void **array, size_t *count, size_t size) {
        char *base;

        /* The caller's pointer has a type of its own: it is read and written as bytes, not as a `void *`. */
        memcpy(&base, array, sizeof(base));

        /* A count that is a power of two (or zero) has filled its allocation. */
        if ((*count & (*count - 1)) == 0) {
                size_t capacity = *count == 0 ? 1 : *count * 2, bytes;
                char *grown;

                if (*count > SIZE_MAX / 2 || __builtin_mul_overflow(capacity, size, &bytes))
                        return NULL;
                grown = realloc(base, bytes);
                if (!grown)
                        return NULL;
                base = grown;
                memcpy(array, &base, sizeof(base));
        }

        base += *count * size;
        memset(base, 0, size);
        (*count)++;
        return base;
}

size_t strv_length(char *const *strv) {
        size_t length = 0;

        while (strv && strv[length])
                length++;
        return length;
}

/* Appends `text` itself; on failure it stays the caller's. Finding the end is linear already, so the vector is simply
 * reallocated: vectors that someone else allocated to size may be appended to. */
static int strv_consume(char ***strv, char *text) {
        size_t length = strv_length(*strv);
        char **grown = reallocarray(*strv, length + 2, sizeof(char *));

        if (!grown)
                return -ENOMEM;
        grown[length] = text;
        grown[length + 1] = NULL;
        *strv = grown;
        return 0;
}

int strv_append(char ***strv, const char *text) {
        _cleanup_free_ char *copy = strdup(text);
        int r;

        if (!copy)
                return -ENOMEM;
        r = strv_consume(strv, copy);
        if (r < 0)
                return r;
        copy = NULL;
        return 0;
}

int strv_appendf(char ***strv, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list arguments;
        int r;

        va_start(arguments, format);
        text = text_vformat(format, arguments);
        va_end(arguments);
        if (!text)
                return -ENOMEM;
        r = strv_consume(strv, text);
        if (r < 0)
                return r;
        text = NULL;
        return 0;
}

int strv_copy(char *const *strv, char ***ret) {
        _cleanup_strv_ char **copy = calloc(strv_length(strv) + 1, sizeof(char *));

        if (!copy)
                return -ENOMEM;
        for (size_t i = 0; strv && strv[i]; i++) {
                copy[i] = strdup(strv[i]);
                if (!copy[i])
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(copy);
        return 0;
}

char *strv_join(char *const *strv, const char *separator) {
        size_t gap = strlen(separator), total = 1;
        char *joined, *end;

        for (size_t i = 0; strv && strv[i]; i++)
                total += strlen(strv[i]) + (i > 0 ? gap : 0);

        joined = malloc(total);
        if (!joined)
                return NULL;
        end = joined;
        for (size_t i = 0; strv && strv[i]; i++) {
                if (i > 0)
                        end = stpcpy(end, separator);
                end = stpcpy(end, strv[i]);
        }
        *end = '\0';
        return joined;
}

char **strv_free(char **strv) {
        for (size_t i = 0; strv && strv[i]; i++)
                free(strv[i]);
        free(strv);
        return NULL;
}
