/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* D-Bus method calls as requests, for the system bus and the private socket alike. */

#include <systemd/sd-bus.h>

#include "api/peer.h"

/* Hands a call of this peer to the dispatcher. What an sd-bus handler returns: 1, or a negative errno. */
int call_arrived(struct peer *peer, sd_bus_message *m);
