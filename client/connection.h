/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The way to the daemon: the system bus, its own socket, another host, a container. */

#include "client/client.h"

/* Connects as the client's transport says and makes sure that a daemon answers. Takes a polkit agent along where one
 * can be needed. Returns 0 or EXIT_FAILURE, reported. */
int connection_open(struct client *client);
/* Sends what is queued, ends the agent. Takes a client that was never opened. */
void connection_close(struct client *client);

/* The D-Bus address of a socket: "unix:path=" and the path, escaped as the D-Bus specification asks ("Server
 * Addresses"). NULL when memory is short. */
char *connection_address(const char *path);
