/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The audit trail: one line in the journal for each request that changed something or was refused: EVENT_REQUEST_DONE,
 * EVENT_REQUEST_DENIED or EVENT_REQUEST_FAILED with METHOD=, VERDICT=, who asked (CALLER_UID=, CALLER_PID=, CALLER_UNIT=), about
 * what (POD= or LAYER=, TARGET=, MOUNT_ID= for each of the first mounts) and by which permission (POLKIT_ACTION=).
 */

#include "api/request.h"

/* `f` says why it was refused or failed; NULL or empty: it was done. */
void audit_request(const struct request *request, const struct failure *f);
