/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a dry run says besides its steps: who would be asked, and what it would use of what there is. */

#include "admit/caller.h"
#include "admit/quota.h"
#include "plan/plan.h"
#include "spec/wanted.h"
#include "util/settings.h"

/* Adds to the plan at *text (JSON, replaced) what creating a pod of these mounts means for the caller:
 *     "actions": the polkit actions that would be asked, none for root
 *     "quota": [{"limit": "MountsPerPod", "used": 0, "asked": 12, "maximum": 1000}…], the limits that hold for the caller
 * `asked`: mounts, with the pod's own. -ENOMEM, -EBADMSG for a text that is no plan. */
int forecast_add(char **text, const struct wanted *wanted, const struct caller *caller, const struct settings *settings,
                 const struct quota_use *use, const struct quota_ask *ask);

/* Adds to that plan what comes when the pod's processes are named, and the action for it:
 *     "process": [{"step": "pin"…}, {"step": "link"…}…]
 * -ENOMEM, -EBADMSG likewise. */
int forecast_add_process(char **text, const struct plan_pod *pod, const struct spec *spec, const struct wanted *wanted, const struct caller *caller);
