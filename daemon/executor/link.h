/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Network interfaces of containers. Each has a mark ("podmount:UUID:CONTAINER:NAME") from before it is seen on the host until it is gone
 * or given back; nothing without it is ever removed. While any is in the namespace of a container's process, that is kept by a
 * mount of its file at <runtime>/ns/link-UUID-CONTAINER, so that a link of the host's does not end with it. Hands' convention:
 * executor/run.h.
 */

#include "executor/run.h"

/* How the files begin that no other step may be about. */
#define LINK_PIN_PREFIX "link-"

/* Takes back what STEP_LINK has done; for any other step nothing. */
void link_undo(struct run *run, size_t step);
