/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A listening socket: hands over who connects, and pauses where it cannot accept anybody. */

#include <systemd/sd-event.h>

#include "util/cleanup.h"

/* Whoever has connected; the fd is the callee's, also on failure. A negative errno is logged, and is no more than the end of that one. */
typedef int (*acceptor_fn)(int fd, void *userdata);

struct acceptor;

/* Takes the listening fd over, also on failure. `what`, for the log, and the event loop outlive it. Accepts nothing before
 * acceptor_start(). -ENOMEM, logged. */
int acceptor_new(sd_event *event, int fd, const char *what, acceptor_fn fn, void *userdata, struct acceptor **ret);
/* Takes and returns NULL. */
struct acceptor *acceptor_free(struct acceptor *acceptor);
DEFINE_CLEANUP(struct acceptor *, acceptor_free)

/* Accepts from now on. A negative errno, logged. */
int acceptor_start(struct acceptor *acceptor);
/* Accepts nobody any more, and closes the socket. */
void acceptor_stop(struct acceptor *acceptor);
