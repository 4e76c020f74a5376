/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The audit trail: one line in the journal for each request that changed something or was refused, with CALLER_UID=,
 * CALLER_PID=, METHOD=, POD= and VERDICT=.
 */

#include "api/request.h"

/* MESSAGE_ID= of the lines, for journalctl(1). */
#define AUDIT_MESSAGE_ID "6b1f0f8de0a84f0f8d0b6c9a41b27f35"

/* `f` says why it was refused or failed; NULL or empty: it was done. */
void audit_request(const struct request *request, const struct failure *f);
