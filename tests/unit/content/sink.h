/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where archives of the tests go: into memory, as far as they are let. */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sink {
        char *data;
        size_t size, room;
        size_t max; /* -EPIPE past it; 0: none */
};

static inline int sink_put(void *userdata, const void *data, size_t size) {
        struct sink *sink = userdata;

        if (sink->max && sink->size + size > sink->max)
                return -EPIPE;
        if (sink->size + size > sink->room) {
                sink->room = 2 * (sink->size + size);
                sink->data = realloc(sink->data, sink->room);
                ck_assert_ptr_nonnull(sink->data);
        }
        memcpy(sink->data + sink->size, data, size);
        sink->size += size;
        return 0;
}

static inline void sink_done(struct sink *sink) {
        free(sink->data);
        *sink = (struct sink) {};
}
