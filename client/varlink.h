/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The daemon's varlink socket (--varlink) under the same calls: a D-Bus message becomes the call that says the same, by the names that the
 * contract gives its arguments, and the answer becomes the message that D-Bus would have brought. So no verb knows of it but watch, whose
 * signals are answers here.
 */

#include "client/client.h"
#include "util/json.h"

/* Connects to client->where. 0 or EXIT_FAILURE, reported. */
int varlink_open(struct client *client);
/* Closes the connection, if there is one. */
void varlink_close(struct client *client);

/* Sends a message, which is not sealed yet, as a call, and makes its reply. 0 or EXIT_FAILURE, reported. `timeout_us`: UINT64_MAX for none. */
int varlink_call(struct client *client, sd_bus_message *m, uint64_t timeout_us, sd_bus_message **ret_reply);

/* The same for a call with several answers: `told` gets each but the last, which is the reply. */
typedef void (*varlink_told)(struct json_object *answer, void *userdata);
int varlink_call_told(struct client *client, sd_bus_message *m, uint64_t timeout_us, varlink_told told, void *userdata,
                      sd_bus_message **ret_reply);

/* Begins Monitor, and waits for what it tells next. 0 or EXIT_FAILURE, reported. */
int varlink_monitor(struct client *client);
int varlink_next(struct client *client, struct json_object **ret_event);
