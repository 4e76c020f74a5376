/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is fed is not understood yet: whoever reads the tar says later what it was. Until then it is where it came, or, when the
 * next bytes take that place, in a buffer. */

#include "executor/recorder.h"

#include <string.h>

#include "executor/layer-split.h"

enum { PENDING_MAX = 8 * 1024 * 1024 /* bytes of headers in a row */ };

struct recorder {
        struct split_writer *split; /* NULL: given up */
        uint64_t at;                /* bytes of the tar that are dealt with… */
        uint64_t fed;               /* …and that came */
        uint64_t content_end;       /* of the last file */
        const uint8_t *block;       /* the last bytes that came… */
        size_t block_size;
        uint8_t *pending;           /* …and those before them that are not dealt with */
        size_t n_pending, room;
};

static void give_up(struct recorder *recorder) {
        recorder->split = split_writer_free(recorder->split);
}

struct recorder *recorder_new(int fd) {
        struct recorder *recorder = calloc(1, sizeof(*recorder));

        if (recorder && split_writer_new(fd, &recorder->split) < 0)
                recorder->split = NULL;
        return recorder;
}

struct recorder *recorder_free(struct recorder *recorder) {
        if (!recorder)
                return NULL;
        give_up(recorder);
        free(recorder->pending);
        free(recorder);
        return NULL;
}

static void drop_pending(struct recorder *recorder, size_t n) {
        recorder->n_pending -= n;
        memmove(recorder->pending, recorder->pending + n, recorder->n_pending);
}

/* Deals with the bytes up to `end`, which came: they are written down, or they are content. */
static void take(struct recorder *recorder, uint64_t end, bool write) {
        while (recorder->split && recorder->at < end) {
                size_t n = recorder->n_pending > 0 ? recorder->n_pending : (size_t) (recorder->fed - recorder->at);
                const uint8_t *from = recorder->n_pending > 0 ? recorder->pending : recorder->block + (recorder->block_size - n);

                if (n > end - recorder->at)
                        n = (size_t) (end - recorder->at);
                if (write && split_writer_raw(recorder->split, from, n) < 0) {
                        give_up(recorder);
                        return;
                }
                if (recorder->n_pending > 0)
                        drop_pending(recorder, n);
                recorder->at += n;
        }
}

void recorder_keep(struct recorder *recorder) {
        size_t left = (size_t) (recorder->fed - recorder->at) - recorder->n_pending;
        uint8_t *larger;

        if (!recorder->split || left == 0)
                return;
        if (recorder->n_pending + left > recorder->room) {
                larger = recorder->n_pending + left > PENDING_MAX ? NULL : realloc(recorder->pending, 2 * (recorder->n_pending + left));
                if (!larger) {
                        give_up(recorder);
                        return;
                }
                recorder->pending = larger;
                recorder->room = 2 * (recorder->n_pending + left);
        }
        memcpy(recorder->pending + recorder->n_pending, recorder->block + (recorder->block_size - left), left);
        recorder->n_pending += left;
}

static void take_content(struct recorder *recorder) {
        take(recorder, recorder->content_end < recorder->fed ? recorder->content_end : recorder->fed, false);
}

void recorder_feed(struct recorder *recorder, const void *data, size_t size) {
        if (!recorder->split)
                return;
        recorder_keep(recorder); /* if it was not done */
        recorder->block = data;
        recorder->block_size = size;
        recorder->fed += size;
        take_content(recorder);
}

void recorder_file(struct recorder *recorder, uint64_t at, const char *name, uint64_t size) {
        if (!recorder->split)
                return;
        if (at < recorder->at || at > recorder->fed || at < recorder->content_end || size > UINT64_MAX - at) {
                give_up(recorder); /* it is not read as it was thought */
                return;
        }
        take(recorder, at, true);
        if (recorder->split && split_writer_file(recorder->split, name, size) < 0)
                give_up(recorder);
        recorder->content_end = at + size;
        take_content(recorder);
}

bool recorder_end(struct recorder *recorder) {
        take(recorder, recorder->fed, true);
        if (recorder->split && (recorder->content_end > recorder->fed || split_writer_end(recorder->split) < 0))
                give_up(recorder);
        return recorder->split != NULL;
}
