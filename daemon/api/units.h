/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What leases of units hang on: which of the service manager's units are active, as org.freedesktop.systemd1(5) tells it on
 * the system bus. Asked once, then told of each change; asked anew whenever the bus has come back. While nobody answers
 * nothing is taken for an end: a pod is not collected because the bus is gone.
 */

#include "api/api.h"
#include "util/cleanup.h"

struct units;

/* Sets pods->watch_unit and pods->unwatch_unit. Nothing is asked before units_connected(). NULL without memory. */
struct units *units_new(struct api *api);
struct units *units_free(struct units *units);
DEFINE_CLEANUP(struct units *, units_free)

/* There is a connection to the bus; there is none any more. */
void units_connected(struct units *units);
void units_disconnected(struct units *units);
