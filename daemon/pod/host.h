/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A pod's mounts on the host: pod->record->host, in the place of a container that is called SPEC_HOST. They are made by the
 * last steps of the pod's creation, so that their records are there before the job, without ids: those come with the job's
 * answer, or after a crash from the intent file. They live as long as the pod does.
 */

#include "executor/intent.h"
#include "plan/plan.h"
#include "pod/operation.h"
#include "pod/pods.h"

/* Whether the places of all of them may be had: the caller sees the host's paths, the configuration names a directory above
 * each, and no other pod has a mount on the host at, above or below it. Before the executor is asked, whose word counts. */
int host_check(const struct pods *pods, const struct caller *caller, const char *uuid, const struct wanted *wanted,
               struct failure *f);

/* Puts them on the record as not mounted yet, for each the step that `job` makes it with behind the one before. -ENOMEM. */
int host_intend(const struct wanted *wanted, struct record_pod *record);
/* The first step of the job that makes one; the number of its steps if none does. */
size_t host_first_step(const struct job *job);
/* What the job's answer (a lost one's, too) says of them; or what an intent file of the job does, of those that the table has, `first`
 * being the step above: there may be one of each executor that has tried it. */
void host_settle(struct record_pod *record, const struct job *job, const struct job_result *result);
void host_settle_entries(const struct table *table, struct record_pod *record, uint32_t first, const struct intent_mount *entries, size_t n);
/* The answer for one that was made again: what is on record of its mount. */
void host_take_result(struct record_mount *mount, const struct step_result *result, uint64_t job);
/* Of a collection that stopped: what was taken off and mounted again has other ids, which go on the record. By the answer, in a
 * transaction of its own; or, after a crash, by the intent file, where the table has them at their places. */
int host_take_restored(struct store *store, struct record_pod *record, const struct job *job, const struct job_result *result);
void host_find_restored(const struct table *table, struct record_pod *record, const struct intent_mount *entries, size_t n);
/* Into the store, within a transaction. */
int host_put(struct store *store, struct record_pod *record);

/* NULL when there is none. By its id, or where that is 0 by container and target, of which the container may be any. */
const struct record_mount *host_find(const struct pod *pod, uint64_t id, const char *container, const char *target);
struct record_mount *host_find_row(const struct pod *pod, int64_t row);

/* Whether a mount that came, went or changed may concern one of the record's: it is one of them, or at, above or below one. */
bool host_is_concerned(const struct record_pod *record, const struct entry *entry);
/* Appends the unique ids of those of all pods. -ENOMEM. */
int host_append_ids(const struct pods *pods, uint64_t **ids, size_t *n);

/* Appends what is to go, the last one first. What somebody has moved goes where it is now, if it may be touched there. */
int host_doom(const struct pods *pods, const struct record_pod *record, struct plan_doomed **list, size_t *n);
/* Whether the entry is at the place of one of these. */
bool host_has_place(const struct record_pod *record, const struct entry *entry);
