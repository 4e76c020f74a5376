/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The registry of machines, as org.freedesktop.machine1(5) has it on the system bus: a pod that is about to be collected is taken out
 * of it. A machine is a pod's if it has the pod's UUID as its name and its root directory in the pod. machined is asked if it runs, and
 * never started.
 */

#include "api/api.h"
#include "util/cleanup.h"

struct machines;

/* NULL without memory. */
struct machines *machines_new(struct api *api);
struct machines *machines_free(struct machines *machines);
DEFINE_CLEANUP(struct machines *, machines_free)

/* There is a connection to the bus, and pods->unregister is set; there is none any more, and whoever waits is told. */
void machines_connected(struct machines *machines);
void machines_disconnected(struct machines *machines);
