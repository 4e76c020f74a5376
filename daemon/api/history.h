/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What of requests goes into the history of pods (pod/history.h): what changed a pod, and what was refused to whoever sees it. */

#include "api/request.h"

/* As audit_request(). */
void history_of_request(const struct request *request, const struct failure *f);
