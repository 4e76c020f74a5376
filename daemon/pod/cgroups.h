/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The cgroups of pods: on record from before the job that makes them until they are removed. Those of a pod go with it; one that is
 * busy then is left over, on record without its pod, and tried again by each collection and at each start. A name is of one pod,
 * or left over from one.
 */

#include "executor/intent.h"
#include "plan/plan.h"
#include "pod/pods.h"

/* Below what cgroups are made: a path in every hierarchy, "" for systemd's unit. */
const char *cgroups_parent(const struct pods *pods);

/* FAILURE_TARGET_IN_USE for a name that another pod has, or has left over: cgroups_retry() may help then. */
int cgroups_check(const struct pods *pods, const char *uuid, const struct wanted *wanted, struct failure *f);

/* Puts all that the job is to make on the record. -ENOMEM. */
int cgroups_intend(const struct job *job, struct record_pod *record);
/* Writes them down, within a transaction… */
int cgroups_put(struct store *store, const struct record_pod *record);
/* …or, if there are any, in one of its own. */
int cgroups_commit(struct pods *pods, const struct record_pod *record);
/* Which of them were made after all, by the job's answer (a lost one's, too)… */
void cgroups_settle(struct record_pod *record, const struct job_result *result);
/* …or by what an intent file of the job says. */
void cgroups_settle_entries(struct record_pod *record, const struct intent_mount *entries, size_t n);

/* Adds what removes them to the job. -ENOMEM. */
int cgroups_doom(const struct record_pod *record, const struct plan_pod *pod, struct job **job);
/* Adds what makes them again where they are missing. -ENOMEM. */
int cgroups_make_again(const struct record_pod *record, const struct plan_pod *pod, struct job **job);
/* The pod goes, and the job has removed them: those that it could not are left over. */
void cgroups_gone(struct pods *pods, struct record_pod *record, const struct job *job, const struct job_result *result);
/* The pod goes, and nobody has removed any that may be there. */
void cgroups_leave(struct pods *pods, struct record_pod *record);

/* The start: gives each pod its own, when all pods are known. */
int cgroups_load(struct pods *pods);
/* Tries to remove those that are left over; nothing when there are none, or when that is being done. */
void cgroups_retry(struct pods *pods);
void cgroups_done(struct pods *pods);
