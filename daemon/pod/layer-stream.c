/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Workers as operations see them. There are few at a time: they are in one list. */

#include "pod/layer-stream.h"

#include <inttypes.h>

#include "admit/quota.h"
#include "layer/uses.h"
#include "pod/layer-turn.h"
#include "util/log.h"

static bool is_of(const struct layer_stream *stream, uid_t uid) {
        return stream->operation->caller.uid == uid;
}

uid_t layer_stream_user(const struct layer_stream *stream) {
        return stream->operation->caller.uid;
}

int layer_stream_check(const struct operation *operation, struct failure *f) {
        const struct settings *settings = operation->pods->settings;
        const struct caller *caller = &operation->caller;
        uint32_t n = 0, n_own = 0;

        for (const struct layer_stream *other = operation->pods->layer_streams; other; other = other->next) {
                n++;
                n_own += is_of(other, caller->uid);
        }
        if (!caller_is_root(caller)) {
                int r = quota_exceeds(QUOTA_STREAMS_OF_USER, n_own, settings->layer_streams_per_user, 1, f);

                if (r != 0)
                        return r;
        }
        return quota_exceeds(QUOTA_STREAMS, n, settings->layer_streams, 1, f);
}

/* What is charged to the caller now. What is being written takes the place of what its layer has. */
static void usage(const struct operation *operation, uint64_t *ret_bytes, uint64_t *ret_inodes) {
        layers_written_of(operation->pods->layers, operation->caller.uid, ret_bytes, ret_inodes);
        for (const struct layer_stream *other = operation->pods->layer_streams; other; other = other->next) {
                if (!other->writes || !is_of(other, operation->caller.uid))
                        continue;
                for (size_t i = 0; i < other->n_layers; i++)
                        if (other->layers[i]->record->owner == operation->caller.uid) {
                                *ret_bytes -= other->layers[i]->record->bytes;
                                *ret_inodes -= other->layers[i]->record->inodes;
                        }
                *ret_bytes += other->bytes;
                *ret_inodes += other->inodes;
        }
}

void layer_stream_room(const struct operation *operation, uint64_t *ret_bytes, uint64_t *ret_inodes) {
        const struct settings *settings = operation->pods->settings;
        uint64_t bytes, inodes;

        *ret_bytes = *ret_inodes = UINT64_MAX;
        if (caller_is_root(&operation->caller))
                return;
        usage(operation, &bytes, &inodes);
        *ret_bytes = bytes < settings->layer_bytes_per_user ? settings->layer_bytes_per_user - bytes : 0;
        *ret_inodes = inodes < settings->layer_inodes_per_user ? settings->layer_inodes_per_user - inodes : 0;
}

int layer_stream_full(const struct operation *operation, enum quota_limit limit, struct failure *f) {
        const uint64_t maximum = quota_maximum(operation->pods->settings, limit);

        return quota_exceeds(limit, maximum, maximum, 1, f);
}

void layer_stream_failed(const struct layer_stream *of, const struct stream_report *report, struct failure *f) {
        const struct settings *settings = of->operation->pods->settings;
        const char *text = report->text ? report->text : "";
        uint64_t bytes, inodes;

        if (report->failure != FAILURE_QUOTA_EXCEEDED || caller_is_root(&of->operation->caller)) {
                (void) failure_set(f, report->failure, "%s", text);
                return;
        }
        usage(of->operation, &bytes, &inodes);
        (void) failure_set(f, report->failure, "%s; %" PRIu64 " of %" PRIu64 " bytes and %" PRIu64 " of %" PRIu32 " files are in use", text, bytes,
                           settings->layer_bytes_per_user, inodes, settings->layer_inodes_per_user);
}

int layer_stream_count(struct layer_stream *of, uint64_t bytes, uint64_t inodes, struct failure *f) {
        const struct settings *settings = of->operation->pods->settings;
        uint64_t all_bytes, all_inodes;

        of->bytes = bytes;
        of->inodes = inodes;
        if (caller_is_root(&of->operation->caller))
                return 0;
        usage(of->operation, &all_bytes, &all_inodes);
        if (all_bytes > settings->layer_bytes_per_user)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED, "bytes in layers per user (LayerBytesPerUser=): %" PRIu64 " of %" PRIu64 " in use; remove some with podmountctl layer remove",
                                   all_bytes, settings->layer_bytes_per_user);
        if (all_inodes > settings->layer_inodes_per_user)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED, "files in layers per user (LayerInodesPerUser=): %" PRIu64 " of %" PRIu32 " in use; remove some with podmountctl layer remove",
                                   all_inodes, settings->layer_inodes_per_user);
        return 0;
}

void layer_stream_begin(struct layer_stream *of, struct operation *operation, const char *method, bool writes) {
        *of = (struct layer_stream) {.operation = operation, .method = method, .writes = writes, .begun = true, .next = operation->pods->layer_streams};
        operation->pods->layer_streams = of;
}

void layer_stream_hold(struct layer_stream *of, struct layer *layer) {
        for (size_t i = 0; i < of->n_layers; i++)
                if (of->layers[i] == layer)
                        return;
        of->layers[of->n_layers++] = layer;
        if (of->writes)
                layer->writer = of->method;
        else {
                layer->reader = of->method;
                layer->n_readers++;
        }
}

static void on_told(const struct stream_report *report, void *userdata) {
        struct layer_stream *of = userdata;

        if (report->kind == STREAM_DONE || report->kind == STREAM_FAILED)
                of->stream = stream_free(of->stream);
        of->told(of->operation, report);
}

int layer_stream_follow(struct layer_stream *of, const struct job_result *answer, layer_stream_told_fn told) {
        const struct pods *pods = of->operation->pods;

        if (!answer->fd)
                return log_errno(LOG_ERR, EBADMSG, "%s was answered without the channel of a worker", of->method);
        of->told = told;
        return stream_new(pods->event, TAKE_FD(*answer->fd), pods->settings->stream_timeout_us, of->method, on_told, of, &of->stream);
}

void layer_stream_end(struct layer_stream *of) {
        struct pods *pods;

        if (!of->begun)
                return;
        pods = of->operation->pods;
        of->begun = false;
        of->stream = stream_free(of->stream);
        for (size_t i = 0; i < of->n_layers; i++) {
                struct layer *layer = of->layers[i];

                if (of->writes)
                        layer->writer = NULL;
                else if (--layer->n_readers == 0)
                        layer->reader = NULL;
        }
        of->n_layers = 0;
        for (struct layer_stream **at = &pods->layer_streams; *at; at = &(*at)->next)
                if (*at == of) {
                        *at = of->next;
                        break;
                }
        if (!of->writes)
                layer_turn_look_again(pods);
}

void layer_streams_stop(struct pods *pods) {
        /* Each that is told may leave the list. */
        for (struct layer_stream *at = pods->layer_streams, *next; at; at = next) {
                next = at->next;
                if (at->stream)
                        stream_break(at->stream, FAILURE_BUSY, "podmountd is stopping: call again when it runs");
        }
}
