/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a worker says to the front while it works: a message each, over a SOCK_SEQPACKET socket. The last one is STREAM_DONE or
 * STREAM_FAILED, after which the worker ends; the end of the socket before that means that it died. The front says nothing: that
 * it closes its end is the order to stop.
 */

#include <stddef.h>
#include <stdint.h>

#include "util/channel.h"
#include "util/failure.h"

enum {
        STREAM_MAGIC = 0x31534d50, /* "PMS1" */
        STREAM_FIGURES = 8,
        STREAM_MESSAGE_MAX = CHANNEL_INLINE_MAX,
};

enum stream_kind {
        STREAM_PROGRESS, /* figures */
        STREAM_PORTION,  /* a part of the answer: bytes that mean something to whoever asked */
        STREAM_DONE,     /* figures */
        STREAM_FAILED,   /* the failure with its errno and, as the bytes, its text */
        _STREAM_KIND_MAX,
};

/* On the wire, followed by the bytes. */
struct stream_head {
        uint32_t magic;
        uint32_t kind;    /* enum stream_kind */
        uint32_t failure; /* enum failure_kind; FAILURE_NONE but for STREAM_FAILED */
        int32_t error;    /* the errno behind it, or 0 */
        uint64_t figures[STREAM_FIGURES]; /* what each means is for who asked and the worker to know */
};

enum { STREAM_BYTES_MAX = STREAM_MESSAGE_MAX - (int) sizeof(struct stream_head) };
