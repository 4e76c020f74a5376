/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A pod's gc program as a list of strings, the form that the store has for lists. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/store.h"
#include "util/array.h"

void record_gc_done(struct record_gc *gc) {
        free(gc->path);
        free(gc->container);
        free(gc->groups);
        *gc = (struct record_gc) {};
}

int record_gc_write(const struct record_gc *gc, char ***ret) {
        _cleanup_strv_ char **strv = NULL;
        char number[sizeof("4294967295")];

        if (!gc->path) {
                *ret = NULL;
                return 0;
        }
        if (strv_append(&strv, gc->path) < 0 || strv_append(&strv, gc->container) < 0 || strv_append(&strv, gc->root ? "1" : "0") < 0)
                return -ENOMEM;
        for (size_t i = 0; i < gc->n_groups; i++) {
                (void) snprintf(number, sizeof(number), "%u", gc->groups[i]); /* cannot be cut */
                if (strv_append(&strv, number) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(strv);
        return 0;
}

static int read_number(const char *text, uint32_t *ret) {
        unsigned long long number;
        char *end;

        if (text[0] < '0' || text[0] > '9')
                return -EBADMSG;
        errno = 0;
        number = strtoull(text, &end, 10);
        if (errno != 0 || *end || number > UINT32_MAX)
                return -EBADMSG;
        *ret = (uint32_t) number;
        return 0;
}

int record_gc_read(char *const *strv, struct record_gc *ret) {
        size_t n = strv_length(strv);
        struct record_gc gc = {};
        int r = 0;

        if (n == 0)
                return 0;
        if (n < 3 || (strcmp(strv[2], "0") != 0 && strcmp(strv[2], "1") != 0))
                return -EBADMSG;
        gc.root = strv[2][0] == '1';
        gc.path = strdup(strv[0]);
        gc.container = strdup(strv[1]);
        gc.groups = calloc(n - 2, sizeof(*gc.groups));
        if (!gc.path || !gc.container || !gc.groups)
                r = -ENOMEM;
        for (size_t i = 3; r == 0 && i < n; i++)
                r = read_number(strv[i], &gc.groups[gc.n_groups++]);
        if (r < 0)
                record_gc_done(&gc);
        else
                *ret = gc;
        return r;
}
