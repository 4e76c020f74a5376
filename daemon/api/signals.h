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

/* What the pods call. */
struct pods_observer signals_observer(struct api *api);
