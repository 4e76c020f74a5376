/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The system bus, which may come later than we do, and go, and come again: it is waited for (by inotify, without waking
 * up in between), the name is taken each time, and everybody who was known on it is forgotten when it ends.
 */

#include <systemd/sd-bus.h>

#include "api/api.h"

/* Not connected yet: see bus_start(). -ENOMEM. */
int bus_new(struct api *api, struct bus **ret);
/* Takes and returns NULL. */
struct bus *bus_free(struct bus *bus);
DEFINE_CLEANUP(struct bus *, bus_free)

/* Connects, now or when there is a bus. */
int bus_start(struct bus *bus);
/* Gives the name back: calls wait for the next daemon, answers still go out. */
void bus_stop(struct bus *bus);
/* The connection, for questions of our own; NULL while there is none. */
sd_bus *bus_connection(const struct bus *bus);
/* Whether everything was written. */
bool bus_flushed(const struct bus *bus);
