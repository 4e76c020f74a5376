/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The pieces that every planner makes its job of. */

#include "plan/plan.h"

/* An empty job for the pod: its head, caller and number of fds. -ENOMEM. */
int make_job(const struct plan_pod *pod, struct job **ret);

/* Appends the step that makes one wanted mount, complete but for what its target lies on (create and cover: never).
 * `ret` is the job's, valid until the next step. FAILURE_INVALID_ARGS for a source whose fd name is not in fd_names,
 * FAILURE_INVALID_OPTION for more overlay layers than a job carries. */
int make_step(struct job *job, const struct plan_pod *pod, const struct wanted *wanted, uint32_t index,
        struct step **ret, struct failure *f);
