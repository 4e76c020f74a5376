/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The records of a pod's mounts in the mount namespaces of running containers: pod->record->inside. The front's table
 * shows its own namespace alone, so what became of these is asked of an executor (STEP_SEEK). A namespace that is gone has
 * taken its mounts along: their records go, too, and that is no fault.
 */

#include "plan/plan.h"
#include "pod/operation.h"
#include "pod/pods.h"

/* The one recorded last at the target in that namespace, 0 for any; or the one with the id; or with the row. NULL. */
struct record_mount *within_find(const struct pod *pod, uint64_t namespace, const char *container, const char *target);
struct record_mount *within_find_id(const struct pod *pod, uint64_t id);
struct record_mount *within_find_row(const struct pod *pod, int64_t row);
/* The same for what a client names: FAILURE_INVALID_ARGS where several namespaces have one there and none is named. *ret is
 * NULL when there is none. */
int within_find_one(const struct pod *pod, uint64_t namespace, const char *container, const char *target,
                    struct record_mount **ret, struct failure *f);
/* Whether Unmount() means one of these: by the id, by the namespace, or because the pod itself has none at the target. */
bool within_is_meant(const struct pod *pod, const struct unmount_arguments *arguments);

/* The index behind the mount with this index and behind those that came along with it, which are recorded after it. */
size_t within_end(const struct record_pod *record, size_t top);

/* All of them, or a container's, for the planner; the array is the caller's. */
int within_list(const struct pod *pod, const char *container, struct plan_inside **ret, size_t *ret_n);

/* One transaction: what the job has made of `wanted` is recorded in this namespace, and no intent of this job. `keys` are
 * the source keys by wanted mount; `ids`, as many, gets what clients are told. Tells the observer. Both in memory and
 * store, or neither. */
int within_record(struct pods *pods, struct pod *pod, uint64_t namespace, const struct wanted *wanted, char *const *keys,
                  const struct job *job, const struct job_result *result, uint64_t *ids);
/* One transaction: what `found` says in its list, a mount and then those that came along with it, is recorded as what was made of
 * the one mount of `wanted`, in the place of that at the row and of those that came along with it; no intent of this job. Tells
 * the observer. Both in memory and store, or neither. */
int within_replace(struct pods *pods, struct pod *pod, int64_t row, const struct wanted *wanted, const char *key,
                   const struct job_result *found, uint64_t job);
/* Drops the records at these rows from store and memory, with the intent of `job` (0: none); tells the observer. */
int within_drop(struct pods *pods, struct pod *pod, const int64_t *rows, size_t n, uint64_t job);
/* For a job that failed: drops the records of those that its STEP_WITHDRAWs took away by then, with the intent `intent` (0: none), and
 * `f` (may be NULL) tells of them. How many; -1 when they could not be dropped, logged. */
int within_drop_gone(struct pods *pods, struct pod *pod, const struct job *job, const struct job_result *answer, uint64_t intent,
                     struct failure *f);
/* Those of a container, in memory alone, for one that is removed; the rows are appended to the list, which is the caller's. */
int within_rows(const struct pod *pod, const char *container, int64_t **rows, size_t *n);

/* What the STEP_SEEKs of a job found of these mounts: what is gone with its namespace leaves the record, what is missing
 * from a living one is marked. */
int within_learn(struct pods *pods, struct pod *pod, const struct job *job, const struct job_result *result);

/* Mount() in the namespace that the fd `fd_name` says, of a container of the pod. The arguments are emptied. */
int operation_new_within(struct pods *pods, const struct caller *caller, struct pod *pod, const char *fd_name,
                         struct mount_arguments *arguments, const struct operation_fds *fds, struct operation **ret,
                         struct failure *f);
/* Unmount() of one of these. */
int operation_new_withdraw(struct pods *pods, const struct caller *caller, struct pod *pod,
                           const struct unmount_arguments *arguments, struct operation **ret, struct failure *f);
/* Replace() of one of these, in the namespace that the fd says; and one that a crash interrupted, brought to its end. The
 * arguments are emptied. */
int operation_new_exchange(struct pods *pods, const struct caller *caller, struct pod *pod, const char *fd_name,
                           struct replace_arguments *arguments, const struct operation_fds *fds, struct operation **ret,
                           struct failure *f);
int operation_new_exchange_resumed(struct pods *pods, struct pod *pod, uint64_t job, const char *detail, struct operation **ret,
                                   struct failure *f);
/* Asks what became of them; a pod that is being made or collected is left alone. */
int operation_new_seek(struct pods *pods, const struct caller *caller, struct pod *pod, struct operation **ret,
                       struct failure *f);

/* A crash interrupted either: what the one had attached (by the detail of its intent) is taken away, the other finished. */
int operation_new_undo_within(struct pods *pods, struct pod *pod, uint64_t job, const char *detail, struct operation **ret,
                              struct failure *f);
int operation_new_finish_withdraw(struct pods *pods, struct pod *pod, const struct record_intent *intent,
                                  struct operation **ret, struct failure *f);
