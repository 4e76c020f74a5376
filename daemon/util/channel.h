/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One message with its fds over a SOCK_SEQPACKET socket. A message that is larger than CHANNEL_INLINE_MAX travels in
 * a memfd, which the receiver copies before it looks at it, so that a sender cannot change what was checked.
 */

#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

enum {
        CHANNEL_FDS_MAX = 252,                 /* SCM_RIGHTS carries 253; one is the memfd's */
        CHANNEL_INLINE_MAX = 64 * 1024,        /* bytes sent in the datagram itself */
        CHANNEL_MESSAGE_MAX = 16 * 1024 * 1024 /* bytes of any message */
};

struct channel_message {
        uint8_t *data; /* owned */
        size_t size;
        int *fds; /* owned, O_CLOEXEC */
        size_t n_fds;
};

/* Sends one message; the fds stay the caller's. 0, or -EAGAIN on a non-blocking socket whose buffer is full, -EPIPE when
 * the peer is gone, -E2BIG past the limits. */
int channel_send(int socket, const void *data, size_t size, const int *fds, size_t n_fds);

/* Receives one message. 1 with a message, 0 at the end of the stream, -EAGAIN, -EBADMSG for what is no message of ours
 * (truncated, wrong size, too many fds; all fds closed). `extra_flags` are recvmsg(2)'s. */
int channel_receive(int socket, int extra_flags, struct channel_message *ret);

void channel_message_done(struct channel_message *message);
#define _cleanup_message_ _cleanup_(channel_message_done)
