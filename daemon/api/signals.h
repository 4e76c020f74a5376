/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tells subscribers what happened to pods that they may see, each by a message of its own (unicast). Signals are queued
 * on the connection before the reply of the request that caused them.
 */

#include "api/api.h"

/* The signals of the contract. Ended by a row without a member. */
struct signal_row {
        const char *interface, *member, *signature;
};
extern const struct signal_row signal_table[];

/* Tells one caller, of a call that goes on, how far it is: the token that it gave, and bytes. */
void signals_tell_layer_progress(struct peer *peer, const char *token, const char *id, uint64_t done, uint64_t total);

/* What the pods call. */
struct pods_observer signals_observer(struct api *api);
