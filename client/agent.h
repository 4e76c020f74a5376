/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A polkit agent on our terminal (pkttyagent(1)), so that a call that polkit asks about can be answered. */

#include <sys/types.h>

/* Starts one and waits until it is registered. 0 when none is needed (root, no terminal) or none can be had: the
 * call is * then refused by the daemon with a sentence, so nothing is said here. */
pid_t agent_start(void);
/* Ends it and waits for it. Takes 0. */
void agent_stop(pid_t agent);
