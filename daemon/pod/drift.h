/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Drift: how far the kernel's table departs from a pod's record. Pure. */

#include "pod/pod.h"
#include "table/table.h"

/* Compares the record with the table's entries below the pod's tree. `pod_directory` is pods/<uuid> in full; where the
 * tree is mounted, its own mount point counts. What is missing and changed comes first, in the record's order, then what
 * is extra, in the table's. Deferred mounts are not there by intention. An extra mount that lies in no container has the
 * container "" and a target relative to the pod's directory. Targets are the bytes of the kernel's path, UTF-8 or not.
 * `host` is the host's table, the same one unless the pod has a mount namespace to itself. The array and its strings are the caller's. -ENOMEM. */
int drift_judge(const struct record_pod *record, const struct table *table, const struct table *host, const char *pod_directory, struct drift **ret,
                size_t *ret_n);
/* The part of it about mounts on the host: appends to the array. Each is to be at its target, not covered there nor hidden
 * further up, and nothing else on it. -ENOMEM. */
int drift_judge_host(const struct record_pod *record, const struct table *table, struct drift **drifts, size_t *n);
/* Appends to `details` what of a mount that is there is other than recorded, wherever it is. -ENOMEM. */
int drift_compare(const struct record_mount *mount, const struct entry *entry, char ***details);
/* Takes `detail` over, also on failure; NULL stands for memory that was short. -ENOMEM. */
int drift_append(struct drift **drifts, size_t *n, enum drift_kind kind, uint64_t id, int64_t row, const char *container,
                 const char *target, char *detail);
/* Takes down where mounts are that the table has for the first time, where those were that moved, and the options of file
 * systems (pod/sight.h). How many times there is something to store, and whether it is a place: of all else the next
 * start may as well take the first sight. Or -ENOMEM. */
int drift_sight(struct record_pod *record, const struct table *table, const struct table *host, bool *ret_urgent);
void drifts_free(struct drift *drifts, size_t n);

/* The table's entry of a recorded mount, or NULL: by the unique id where both have one, else by the recycled id and the
 * device, and for a tmpfs and what came along with a clone, by type and source, which a mount never changes: both numbers
 * go to the next one that is mounted, and a tmpfs it mostly is. (On file systems whose files show other devices in stat(2) than their mount does, such as btrfs, the recycled
 * id alone must do.) */
struct entry *drift_find_entry(const struct table *table, const struct record_mount *mount);
/* Whether st_dev, which the record has, may be another number than the mount's own device: subvolumes have their own, and so do
 * the files of an overlay. */
bool drift_has_devices_of_its_own(const struct entry *entry);
