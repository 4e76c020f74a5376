/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The directories that the making of a container makes beside mount points: on record from before the job until the container
 * or the pod is gone, so that whatever dies in between, they are removed with it if they are still empty. Those of the job
 * that runs have a step; a pod has one such job at a time.
 */

#include "executor/intent.h"
#include "plan/plan.h"
#include "store/store.h"

/* Puts all that the job may make on the record; what is there already is of no job any more. What cannot be found again
 * later, in a root that came as an fd, is told in the warnings. On failure what was put there stays.
 * -ENOMEM. */
int directories_intend(const struct job *job, struct record_pod *record, char ***warnings);
/* Which of them were made after all, by the job's answer (a lost one's, too)… */
void directories_settle(struct record_pod *record, const struct job_result *result);
/* …or by what an intent file of the job says, the most of them: each executor that has tried it has one. */
void directories_settle_entries(struct record_pod *record, const struct intent_mount *entries, size_t n);

/* Which of a record's directories are meant: those of the container, or all where it is NULL; with `begun`, of these those of
 * the job that runs. */
struct directories_which {
        const char *container;
        bool begun;
};

/* What leaves a record when the store has said yes. */
struct directories_change {
        struct record_directory *before; /* as they were on the record */
        size_t n;
        size_t *gone; /* indexes */
        size_t n_gone;
};

/* What the job has made is about to stand: mount points are on record with their mounts, and what was there already is of no
 * interest. The rest is of no job any more. -ENOMEM, nothing changed. */
int directories_stand(struct record_pod *record, struct directories_change *ret);
/* These leave the record. -ENOMEM, nothing changed. */
int directories_leave(struct record_pod *record, struct directories_which which, struct directories_change *ret);
/* Ends either: as it is now, or, unless `success`, as it was before. */
void directories_end(struct record_pod *record, struct directories_change *change, bool success);

/* Whether there are any. */
bool directories_any(const struct record_pod *record, struct directories_which which);
/* Appends what is to be removed, in order: *list is the caller's, what it points to the record's. -ENOMEM. */
int directories_doom(const struct record_pod *record, struct directories_which which, struct plan_directory **list,
                     size_t *n);
/* Who removes it: the pod's owner, without supplementary groups. */
struct job_caller directories_owner(const struct record_pod *record);
