/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * New ids for mounts that were taken off and mounted again, because something else of their pod or container was busy: the
 * same file systems at the same places with the same attributes.
 */

#include "executor/intent.h"
#include "plan/step.h"
#include "pod/pods.h"

/* By the job's answer, in one transaction: the mounts in the pod and on the host get their new ids on record, in store and
 * memory or in neither, and no intent of the job `intent` (0: leaves it). Of an answer that was lost those that the table, brought up
 * to date, has. Tells the observer what went and what came in the pod. The pod is judged again. A negative errno, logged. */
int renewing_take(struct pods *pods, struct pod *pod, const struct job *job, const struct job_result *answer, uint64_t intent);

/* After a crash, within a transaction: by the intent file, where the table has them at the places of mounts in the pod that it
 * does not have. */
int renewing_find(struct pods *pods, struct pod *pod, const struct intent_mount *entries, size_t n);
