/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The network interfaces of a pod on the wire. */

#include "api/property.h"

/* The property Interfaces, aa{sv}: Container s, Name s, Kind s ("" for one of the host's), Peer s, State s, Index u. */
int interfaces_append(const struct property_context *context, sd_bus_message *m);
