/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Connections of sd-bus, served in rounds: in each one message of every user who has sent any, of whichever of its connections
 * was served the longest time ago. So one that floods, on however many connections, delays others by one of its messages. In place of
 * sd_bus_attach_event(), which goes by connections.
 */

#include <sys/types.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "util/cleanup.h"

struct rounds;
struct rounds_entry;

/* Nobody's yet, on this loop. A negative errno. */
int rounds_new(sd_event *event, struct rounds **ret);
/* Without entries by then. Takes NULL, returns NULL. */
struct rounds *rounds_free(struct rounds *rounds);
DEFINE_CLEANUP(struct rounds *, rounds_free)

/* Serves a started connection of this user until rounds_remove(). `broken` is called from the loop when what comes cannot be read any
 * more, and has to remove it; an orderly end is sd-bus's signal Disconnected. A negative errno. */
int rounds_add(struct rounds *rounds, sd_bus *bus, uid_t uid, void (*broken)(void *userdata), void *userdata, struct rounds_entry **ret);
/* May be called from whatever a message leads to, of any entry; before the connection is closed. Takes NULL, returns NULL. */
struct rounds_entry *rounds_remove(struct rounds_entry *entry);
