/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is to go: recorded and foreign mounts as the table has them now, in the order in which they can be unmounted.
 * The paths in the lists are the table's: good until it is read again.
 */

#include "executor/intent.h"
#include "plan/plan.h"
#include "pod/pods.h"

/* The table's entry of one of the record's mounts; NULL when it is gone (or not there yet, being deferred). */
struct entry *doom_find_entry(const struct pods *pods, const struct record_pod *record,
                              const struct record_mount *mount);

/* The records by the recycled ids of the entries that they have in the table: struct record_mount *. For asking more than
 * a few times. */
int doom_index(const struct pods *pods, const struct record_pod *record, struct map **ret);

/* Appends one mount. `mount` is its record or NULL; `directory` the pod's. */
int doom_append(struct plan_doomed **list, size_t *n, const struct entry *entry, const struct record_mount *mount,
                const char *directory);

/* All mounts below pods/<uuid>, descendants first; `record` may be NULL. */
int doom_pod(const struct pods *pods, const char *uuid, const struct record_pod *record, bool lazy, struct plan_doomed **ret,
             size_t *ret_n);

/* The same for one container: all at or below its own tmpfs or, if it came with the pod, its root. */
int doom_container(const struct pods *pods, const struct record_pod *record, const char *container,
                   struct plan_doomed **ret, size_t *ret_n);

/* A container that has no mount any more, though it is on record: that mount whose end takes the directories on the
 * pod's tmpfs along. `rootfs` is "<container>/rootfs", which the caller keeps as long as *list. Appends one or nothing;
 * -ENOMEM. */
int doom_place(const struct record_pod *record, const char *container, const char *rootfs, struct plan_doomed **list,
               size_t *n);

/* The table's entry of a mount that a job for this pod had made, by its intent; NULL when there is none. */
struct entry *doom_find_made(const struct pods *pods, const char *uuid, const struct intent_mount *mount);
/* Those of the mounts that a job had made, by its intent, which the table has below the pod; latest first. */
int doom_made(const struct pods *pods, const char *uuid, const struct intent_mount *mounts, size_t n_mounts,
              struct plan_doomed **ret, size_t *ret_n);
