/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The front's end of a worker's channel. A worker reads what strangers wrote, so that nothing that it says is believed
 * before its form was looked at. One message a turn of the loop: nobody else waits for a talkative one. */

#include "executor/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "util/log.h"
#include "util/text.h"

struct stream {
        int fd;
        sd_event_source *io, *timer;
        uint64_t timeout_us;
        char *what;
        bool ended, bounded;
        stream_told_fn told;
        void *userdata;
};

struct stream *stream_free(struct stream *stream) {
        if (!stream)
                return NULL;
        sd_event_source_disable_unref(stream->io);
        sd_event_source_disable_unref(stream->timer);
        (void) close_fd(stream->fd);
        free(stream->what);
        free(stream);
        return NULL;
}

void stream_bound(struct stream *stream) {
        stream->bounded = true;
}

/* The stream may be gone after this. */
static void tell_end(struct stream *stream, const struct stream_report *report) {
        stream->ended = true;
        stream->io = sd_event_source_disable_unref(stream->io);
        stream->timer = sd_event_source_disable_unref(stream->timer);
        stream->fd = close_fd(stream->fd);
        stream->told(report, stream->userdata);
}

void stream_break(struct stream *stream, enum failure_kind failure, const char *text) {
        const struct stream_report report = {.kind = STREAM_FAILED, .failure = failure, .text = text};

        if (!stream->ended)
                tell_end(stream, &report);
}

static void tell_death(struct stream *stream) {
        _cleanup_free_ char *text =
                text_format("the process that worked for %s ended before it was done; see the journal of podmountd, then try again", stream->what);

        stream_break(stream, FAILURE_MOUNT_FAILED, text);
}

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct stream *stream = userdata;
        const uint64_t seconds = stream->timeout_us / 1000000;
        _cleanup_free_ char *text =
                stream->bounded ? text_format("%s was not done within %" PRIu64 " s (StreamTimeoutSec=)", stream->what, seconds)
                                : text_format("%s made no progress for %" PRIu64 " s (StreamTimeoutSec=): does the other end of the file descriptor go on?",
                                              stream->what, seconds);

        stream_break(stream, FAILURE_TIMED_OUT, text);
        return 0;
}

/* Whether it is a message that a worker writes; *ret points into it. */
static bool read_message(const struct channel_message *message, struct stream_report *ret, char **ret_text) {
        struct stream_head head;

        if (message->n_fds != 0 || message->size < sizeof(head) || message->size > STREAM_MESSAGE_MAX)
                return false;
        memcpy(&head, message->data, sizeof(head));
        if (head.magic != STREAM_MAGIC || head.kind >= _STREAM_KIND_MAX || head.failure >= _FAILURE_KIND_MAX)
                return false;
        if ((head.kind == STREAM_FAILED) != (head.failure != FAILURE_NONE))
                return false;
        if (message->size > sizeof(head) && head.kind != STREAM_PORTION && head.kind != STREAM_FAILED)
                return false;
        *ret = (struct stream_report) {
                .kind = (enum stream_kind) head.kind,
                .data = message->data + sizeof(head),
                .size = message->size - sizeof(head),
                .failure = (enum failure_kind) head.failure,
        };
        memcpy(ret->figures, head.figures, sizeof(ret->figures));
        if (ret->kind != STREAM_FAILED)
                return true;
        *ret_text = strndup((const char *) ret->data, ret->size < FAILURE_TEXT_MAX ? ret->size : FAILURE_TEXT_MAX);
        ret->text = *ret_text;
        ret->data = NULL;
        ret->size = 0;
        return ret->text != NULL;
}

static int arm(struct stream *stream) {
        int r = sd_event_source_set_time_relative(stream->timer, stream->timeout_us);

        return r < 0 ? r : sd_event_source_set_enabled(stream->timer, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata) {
        struct stream *stream = userdata;
        _cleanup_message_ struct channel_message message = {};
        struct stream_report report;
        _cleanup_free_ char *text = NULL;
        int r = channel_receive(fd, MSG_DONTWAIT, &message);

        if (r == -EAGAIN)
                return 0;
        if (r == 0) {
                tell_death(stream);
                return 0;
        }
        if (r < 0 || !read_message(&message, &report, &text)) {
                log_error("The process that works for %s says what makes no sense: it is ended", stream->what);
                tell_death(stream);
                return 0;
        }
        if (report.kind == STREAM_DONE || report.kind == STREAM_FAILED)
                tell_end(stream, &report);
        else {
                r = stream->bounded ? 0 : arm(stream);
                if (r < 0)
                        (void) log_errno(LOG_ERR, r, "arm the timer of %s", stream->what);
                stream->told(&report, stream->userdata);
        }
        return 0;
}

int stream_new(sd_event *event, int fd, uint64_t timeout_us, const char *what, stream_told_fn told, void *userdata, struct stream **ret) {
        _cleanup_(stream_freep) struct stream *stream = calloc(1, sizeof(*stream));
        int r;

        if (!stream) {
                (void) close_fd(fd);
                return log_oom();
        }
        *stream = (struct stream) {.fd = fd, .timeout_us = timeout_us, .what = strdup(what), .told = told, .userdata = userdata};
        if (!stream->what)
                return log_oom();
        r = sd_event_add_io(event, &stream->io, fd, EPOLLIN, on_io, stream);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &stream->timer, CLOCK_MONOTONIC, timeout_us, 0, on_timer, stream);
        if (r < 0)
                return log_errno(LOG_ERR, r, "follow %s", what);
        *ret = TAKE_PTR(stream);
        return 0;
}
