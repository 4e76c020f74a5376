/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who is at the other end of a connection of AF_UNIX, as the kernel noted it when they connected: SO_PEERCRED, SO_PEERGROUPS and
 * SO_PEERPIDFD of socket(7) and unix(7). */

#include "api/peer.h"

/* Fills the peer's caller and pidfd. A process that is gone has none: a caller without the host's namespaces. A negative errno. */
int credentials_read(int fd, struct peer *peer);
