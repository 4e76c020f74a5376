/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The network interfaces of a pod: pod->record->links. Those that are made on the host come with the pod, in the same job; all are brought
 * to a container's process by PrepareProcess(), and taken away, or given back, with the container or the pod. On record before any of it:
 * what a crash leaves is found by their marks (executor/link.h).
 */

#include "plan/links.h"
#include "pod/operation.h"
#include "pod/pods.h"
#include "spec/spec.h"
#include "store/store.h"

/* Whether the caller may have those that the host has: root, as far as the configuration names them. Before the executor is asked, whose word
 * counts. With the `n_there` that the pod has already they are SPEC_LINKS_MAX at most. FAILURE_ACCESS_DENIED, FAILURE_NOT_SUPPORTED,
 * FAILURE_QUOTA_EXCEEDED. */
int links_check(const struct pods *pods, const struct caller *caller, const struct spec *spec, size_t n_there, struct failure *f);

/* Puts those of the spec's containers on the record; `made`: what is made on the host is, by the job that makes the pod. On failure what was
 * put there stays. -ENOMEM. */
int links_intend(const struct spec *spec, bool made, struct record_pod *record);
/* Forgets all but the first n, again. */
void links_truncate(struct record_pod *record, size_t n);

/* The steps of the record's links in a job that makes the pod, by the spec. -ENOMEM. */
int links_plan_make(const struct spec *spec, struct job *job);
/* Those that bring the links of the container (NULL: of all) that are outside to the process of the job's first fd. -ENOMEM. */
int links_plan_enter(const struct plan_pod *pod, const struct record_pod *record, const char *container, struct job **job);
/* Those that take away what there is, of one container or, for NULL, of all; with `begun` they bring what is on the way back to where it was.
 * -ENOMEM. */
int links_plan_leave(const struct plan_pod *pod, const struct record_pod *record, const char *container, bool begun, struct job **job);

/* How many of the container's (NULL: of all) are at this place. */
size_t links_count(const struct record_pod *record, const char *container, enum record_link_place place);
/* How many it has at all. */
size_t links_count_all(const struct record_pod *record, const char *container);
/* Those of the container (NULL: of all) that are at one place are at the other from now on. Nobody knows the indexes of those that
 * come to a process, or were there; those of others are what they were. */
void links_set(struct record_pod *record, const char *container, enum record_link_place from, enum record_link_place to);
/* Where the job's answer says that they are. */
void links_settle(struct record_pod *record, const struct job *job, const struct job_result *answer);

/* Those of a container leave the record when the store has said yes. */
struct links_change {
        struct record_link *before;
        size_t n;
        char *container;
};
/* -ENOMEM, nothing changed. */
int links_leave(struct record_pod *record, const char *container, struct links_change *ret);
/* Ends it: as it is now, or, unless `success`, as it was before. */
void links_end(struct record_pod *record, struct links_change *change, bool success);

/* "waiting", "made" (on the host), "moving", "inside" */
const char *links_state(const struct record_link *link);

/* At a start: brings the links that a crash found on the way to a process of the pod back to where they were, if there are any. */
int operation_new_links_back(struct pods *pods, struct pod *pod, struct operation **ret, struct failure *f);
