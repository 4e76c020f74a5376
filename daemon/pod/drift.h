/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Drift: how far the kernel's table departs from a pod's record. Pure. */

#include "pod/pod.h"
#include "table/table.h"

/* Compares the record with the table's entries below the pod's tree. `pod_directory` is pods/<uuid> in full; where the
 * tree is mounted, its own mount point counts. What is missing and changed comes first, in the record's order, then what
 * is extra, in the table's. Deferred mounts are not there by intention. An extra mount that lies in no container has the
 * container "" and a target relative to the pod's directory. Targets are the bytes of the kernel's path, UTF-8 or not.
 * The array and its strings are the caller's. -ENOMEM. */
int drift_judge(const struct record_pod *record, const struct table *table, const char *pod_directory, struct drift **ret,
                size_t *ret_n);
void drifts_free(struct drift *drifts, size_t n);

/* Completes the record of a mount that was just made by what only the table can tell: the device of its file system,
 * by which drift_judge() knows the mount again. (st_dev is another number on btrfs and for files on an overlay.) Called
 * with the table brought up to date, before the record is written; leaves a mount alone that the table has not. */
void drift_adopt(struct record_mount *mount, const struct table *table);
