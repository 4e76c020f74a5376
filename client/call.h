/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Method calls on the daemon: made, filled with the arguments that several verbs share, sent, their errors told. */

#include "client/arguments.h"
#include "client/client.h"

static inline void call_unrefp(sd_bus_message **m) {
        sd_bus_message_unref(*m);
}
#define _cleanup_message_unref_ _cleanup_(call_unrefp)

/* Makes a call, which may wait for a password. 0 or EXIT_FAILURE, reported. */
int call_new(struct client *client, const char *path, const char *interface, const char *member, sd_bus_message **ret);
/* Whether fds can go with a call over this connection. */
bool call_can_send_fds(struct client *client);
/* Appends the a{sh} of --fd. */
int call_append_fds(struct client *client, sd_bus_message *m, const struct arguments *arguments);

/* Sends and waits for the reply. `r` is what appending the arguments came to (negative: reported here). */
int call_send(struct client *client, sd_bus_message *m, int r, sd_bus_message **ret_reply);
/* A reply that is not what the contract says: reported. */
int call_bad_reply(int r);

/* Options of the verb in an a{sv}: open, then any of these, then close. Negative errno, as sd-bus has it. */
int call_open_options(struct client *client, sd_bus_message *m);
int call_option_string(sd_bus_message *m, const char *key, const char *value); /* NULL: left out */
int call_option_strv(sd_bus_message *m, const char *key, char **value);        /* NULL: left out */
int call_option_true(sd_bus_message *m, const char *key, bool value);          /* false: left out */
int call_option_u64(sd_bus_message *m, const char *key, uint64_t value);
int call_close_options(sd_bus_message *m);
