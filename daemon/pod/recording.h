/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Station 9: what a job has made becomes part of a pod's record, in memory and in the store, both or neither.
 */

#include "plan/step.h"
#include "pod/pods.h"
#include "spec/wanted.h"

/* Appends the records of what `job` has made of `wanted` to the pod's, in the order of `wanted`, deferred mounts
 * included, after the pod's or the container's own tmpfs if the job made it and before the mounts that came along with recursive clones,
 * for which the table is brought up to date. `keys` are the source keys by wanted mount, or NULL. `ids` (as many; may
 * be NULL) gets what clients are told. On failure nothing is appended. */
int recording_append(struct pods *pods, struct pod *pod, const struct wanted *wanted, char *const *keys,
                     const struct job *job, const struct job_result *result, uint64_t *ids);
/* One transaction: the record at `row`, and those of the mounts below it as far as they were changed along, become what
 * `wanted` says of the mount, with these attributes; no intent of this job. Both in memory and store, or neither. */
int recording_change(struct pods *pods, struct pod *pod, int64_t row, const struct wanted_mount *wanted,
                     uint64_t attributes, uint64_t job);
/* The record of what a step has made of the wanted mount `i`, for a list of its own. -ENOMEM. */
int recording_describe(const struct wanted *wanted, size_t i, const char *key, const struct step_result *result,
                       struct record_mount *ret);
/* Takes the records from `from` on out of memory again. */
void recording_truncate(struct pod *pod, size_t from);

/* Has the pod judged at the next round if the table lacks a mount of its record from `from` on: when one was unmounted before
 * anyone read of it, no change of the table will tell. */
void recording_mark_unseen(const struct pods *pods, struct pod *pod, size_t from);

/* One transaction: the records from `from` on, the pod itself with its state when `state`, and no intent of this
 * job. */
int recording_commit(struct pods *pods, struct pod *pod, size_t from, bool state, uint64_t job);

/* Station 9 of a repair, in one transaction: the records from `from` on, the mounts made again, become those at `rows` (in the
 * record's order, at least one; whose mounts are gone) and keep their places; those after them came along, and take the places of the
 * ones of the same target that came along before. What came along before and is gone leaves the record; no intent of this job. Tells
 * the observer. On failure nothing changed, and the records from `from` on are the caller's to take away. */
int recording_replace(struct pods *pods, struct pod *pod, const int64_t *rows, size_t n_rows, size_t from, uint64_t job);

/* Station 9 of mounts that waited, in one transaction: the records from `from` on take the places of those at `rows`, by
 * container, target and type; `rows` of which nothing was made leave the record, what came along is new; the pod's
 * warnings become `warnings` (exchanged), and no intent of this job. Tells the observer. On failure nothing changed, and
 * the records from `from` on are the caller's to take away. */
int recording_settle(struct pods *pods, struct pod *pod, const int64_t *rows, size_t n_rows, size_t from,
                     char ***warnings, uint64_t job);

/* One transaction: no pod of this UUID, and no intent of this job. Its history says why it is gone; `reason` NULL: it never was. */
int recording_forget(struct pods *pods, const char *uuid, const char *reason, uint64_t job);

/* Drops the records at these rows from store and memory, with the intent of `job`; tells the observer. */
int recording_drop(struct pods *pods, struct pod *pod, const int64_t *rows, size_t n_rows, uint64_t job);
/* How a warning about a container that was added begins; its name and ": " follow. */
#define RECORDING_WARNING_OF "container "

/* The same, and the container leaves the pod's list with its warnings and its directories, in one transaction. */
int recording_drop_container(struct pods *pods, struct pod *pod, const char *container, const int64_t *rows,
                             size_t n_rows, uint64_t job);
/* The rows, among `rows`, whose mounts the table no longer has. In place, in the record's order; the new count. */
size_t recording_gone(const struct pods *pods, const struct pod *pod, int64_t *rows, size_t n_rows);
struct record_mount *recording_find_row(const struct pod *pod, int64_t row);
