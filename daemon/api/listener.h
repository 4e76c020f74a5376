/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The private socket: D-Bus without a broker, one peer for each connection. Who is at the other end, the kernel says
 * (SO_PEERCRED and its like, socket(7)), as it was when they connected.
 */

#include "api/api.h"
#include "api/peer.h"

/* Takes the listening fd over, also on failure. Accepts nothing before listener_start(). */
int listener_new(struct api *api, int fd, struct listener **ret);
/* Ends every connection. Takes and returns NULL. */
struct listener *listener_free(struct listener *listener);
DEFINE_CLEANUP(struct listener *, listener_free)

/* Accepts connections from now on. A negative errno. */
int listener_start(struct listener *listener);
/* Accepts nobody any more; connections go on. */
void listener_stop(struct listener *listener);

/* Ends a peer's connection; nothing of it is freed before the loop's next turn. */
void listener_cut(struct peer *peer);
/* Cuts a peer off whose answers and signals have piled up because it does not read. To be called after each message to it. */
void listener_check_queue(struct peer *peer);
