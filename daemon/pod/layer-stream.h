/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An operation that has a worker read or write layers, and follows what it says: the part that these have in common. It is
 * embedded in the verb's own struct, zeroed. A verb
 *
 *     validate   asks layer_stream_check(), and layer/uses.h about its layers
 *     intend     calls layer_stream_begin() and layer_stream_hold()
 *     result     gives the answer of its job to layer_stream_follow(), and is told from then on
 *     at its end, and in take_back, calls layer_stream_end(), before operation_end(); release() calls it, too
 */

#include "executor/stream.h"
#include "pod/operation-private.h"

enum { LAYER_STREAM_LAYERS_MAX = 2 };

struct layer_stream;
/* A report of the worker: the last one is STREAM_DONE or STREAM_FAILED. */
typedef void (*layer_stream_told_fn)(struct operation *operation, const struct stream_report *report);

struct layer_stream {
        struct operation *operation;
        const char *method;       /* whose work it is, in failures: "Diff" */
        bool writes;
        bool begun;
        struct layer *layers[LAYER_STREAM_LAYERS_MAX];
        size_t n_layers;
        struct stream *stream;    /* while the worker works */
        uint64_t bytes, inodes;   /* written for the caller's account, as far as it was told */
        layer_stream_told_fn told;
        struct layer_stream *next; /* in pods->layer_streams */
};

/* Whose work it is. */
uid_t layer_stream_user(const struct layer_stream *stream);

/* One more for this caller, and for all: FAILURE_QUOTA_EXCEEDED. */
int layer_stream_check(const struct operation *operation, struct failure *f);
/* What the caller may have written beyond what it has, all its workers together; UINT64_MAX for root. */
void layer_stream_room(const struct operation *operation, uint64_t *ret_bytes, uint64_t *ret_inodes);

/* FAILURE_QUOTA_EXCEEDED: nothing is left of this limit. */
int layer_stream_full(const struct operation *operation, enum quota_limit limit, struct failure *f);
/* Fills in why the worker has failed; of a quota, too, what is used of it. */
void layer_stream_failed(const struct layer_stream *of, const struct stream_report *report, struct failure *f);

/* What the worker has written: FAILURE_QUOTA_EXCEEDED for more than all that the caller may have. */
int layer_stream_count(struct layer_stream *of, uint64_t bytes, uint64_t inodes, struct failure *f);

/* It counts from now on. `method` is not copied. */
void layer_stream_begin(struct layer_stream *of, struct operation *operation, const char *method, bool writes);
/* One more layer that the worker reads, or writes, until the end. */
void layer_stream_hold(struct layer_stream *of, struct layer *layer);
/* Takes the worker's channel out of a job's answer that is a success. From now on `told` is called, until it was told of the end
 * or layer_stream_end() was called. */
int layer_stream_follow(struct layer_stream *of, const struct job_result *answer, layer_stream_told_fn told);
/* Stops the worker if it has not ended, and lets go of the layers. Again without effect. */
void layer_stream_end(struct layer_stream *of);

/* The daemon stops: every worker is stopped, and told as failed. */
void layer_streams_stop(struct pods *pods);
