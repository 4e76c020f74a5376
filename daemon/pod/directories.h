/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The directories that a pod's creation makes beside mount points: on record from before the job until the pod is gone,
 * so that whatever dies in between, they are removed with it if they are still empty.
 */

#include "executor/intent.h"
#include "plan/plan.h"
#include "store/store.h"

/* Puts all that the job may make on the record. What cannot be found again later, in a root that came as an fd, is told
 * in the record's warnings. -ENOMEM. */
int directories_intend(const struct job *job, struct record_pod *record);
/* Which of them were made after all, by the job's answer (a lost one's, too)… */
void directories_settle(struct record_pod *record, const struct job_result *result);
/* The pod is about to stand: mount points are on record with their mounts, and what was there already is of no interest. */
void directories_forget_points(struct record_pod *record);
/* …or by what the job's intent file says. */
void directories_settle_entries(struct record_pod *record, const struct intent_mount *entries, size_t n);

/* What is to be removed, in order: `ret` is the caller's, what it points to the record's. -ENOMEM. */
int directories_doom(const struct record_pod *record, struct plan_directory **ret, size_t *ret_n);
/* Who removes it: the pod's owner, without supplementary groups. */
struct job_caller directories_owner(const struct record_pod *record);
