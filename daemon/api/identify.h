/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Station 3: establishes who a peer is, once for each connection. Uid, groups and process come from the bus or from the
 * socket; what needs privilege to know (namespaces and root directory) an executor looks up through a pidfd. Then the
 * connection is compared once more. Asynchronous: dispatch_identified() is called when it is over.
 */

#include "api/peer.h"

/* Begins, if nobody has yet. A negative errno when it could not even begin. */
int identify_begin(struct peer *peer);
/* Forgets what is out; the peer stays unknown. */
void identify_cancel(struct peer *peer);
/* Whether the process of a pidfd has not ended. */
bool identify_process_lives(int pidfd);
