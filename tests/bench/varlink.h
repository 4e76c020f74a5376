/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The same call over varlink and over D-Bus on the private socket, in turns. */

#include <systemd/sd-bus.h>

#include "sample.h"

/* Adds `n` samples to each list. `bus`: connected to the private socket, beside which the varlink socket lies. Ends the program on
 * failure, as all of the bench does. */
void varlink_measure(sd_bus *bus, const char *socket_path, size_t n, struct samples *varlink, struct samples *dbus);
