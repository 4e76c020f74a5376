/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The varlink socket: the same methods on the same request path as D-Bus has them, one peer for each connection. Who is at the other end,
 * the kernel says (SO_PEERCRED and its like, socket(7)); whom polkit is asked about, the pidfd of SO_PEERPIDFD.
 */

#include "api/api.h"

struct varlink;

/* Takes the listening fd over, also on failure. Accepts nothing before varlink_start(). */
int varlink_new(struct api *api, int fd, struct varlink **ret);
/* Ends every connection. Takes and returns NULL. */
struct varlink *varlink_free(struct varlink *varlink);
DEFINE_CLEANUP(struct varlink *, varlink_free)

/* Accepts connections from now on. A negative errno. */
int varlink_start(struct varlink *varlink);
/* Accepts nobody any more; connections go on. */
void varlink_stop(struct varlink *varlink);
/* Whether every answer was written. */
bool varlink_flushed(const struct varlink *varlink);
