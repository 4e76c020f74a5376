/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A worker as the front sees it: the other end of its channel (executor/stream-message.h). What it says is told from the event loop,
 * in order, and in the end exactly once how it ended: also when it dies, says what makes no sense, or nothing for too long.
 */

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "executor/stream-message.h"
#include "util/failure.h"

struct stream;

struct stream_report {
        enum stream_kind kind;
        uint64_t figures[STREAM_FIGURES];
        const uint8_t *data; /* STREAM_PORTION */
        size_t size;
        enum failure_kind failure; /* STREAM_FAILED… */
        const char *text;          /* …the sentence, or NULL: it died */
};

/* It may free the stream. After STREAM_DONE and STREAM_FAILED it is not called again. */
typedef void (*stream_told_fn)(const struct stream_report *report, void *userdata);

/* Takes the fd over, also on failure. `what` names the work in failures ("ApplyDiff"), and is copied. A negative errno, logged. */
int stream_new(sd_event *event, int fd, uint64_t timeout_us, const char *what, stream_told_fn told, void *userdata, struct stream **ret);
/* From here on it is not enough that it makes progress: it has to end by `timeout_us` after stream_new(). */
void stream_bound(struct stream *stream);
/* Closes it: a worker that has not ended stops. Takes NULL. */
struct stream *stream_free(struct stream *stream);
DEFINE_CLEANUP(struct stream *, stream_free)
/* Ends it with a failure, which is told from here. */
void stream_break(struct stream *stream, enum failure_kind failure, const char *text);
