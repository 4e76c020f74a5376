/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What users and groups have of what there are limits for (admit/quota.h): what is on record, and what the operations that run
 * are about to add. A pod is its owner's, and of the group that the owner had when it was made.
 */

#include "pod/operation-private.h"

/* Fills in what the user and the group have; not what `except` (or NULL) is about to add. */
void use_count(const struct pods *pods, uid_t owner, gid_t group, const struct operation *except, struct quota_use *use);

/* The mounts that a pod has on record, wherever they are: what MountsPerPod= is about. */
uint32_t use_mounts(const struct record_pod *record);

/* The mounts of a pod, and the bytes that its tmpfs may take, with what the operation that runs is about to add, unless that is
 * `except`. */
void use_of_pod(const struct pod *pod, const struct operation *except, uint32_t *ret_mounts, uint64_t *ret_tmpfs);

/* Whether the caller may have what the operation adds, `going` mounts going for it: FAILURE_QUOTA_EXCEEDED. Of `use`
 * the caller fills in the pod and the host, this the rest. What passed counts as used while the operation runs. */
int use_check(struct operation *operation, struct quota_use *use, const struct quota_ask *ask, uint32_t going, struct failure *f);

/* How many bytes the tmpfs among these mounts may take. */
uint64_t use_tmpfs(const struct wanted *wanted);

/* Of what is wanted, how many bytes they may take beyond `old`, which they replace. */
uint64_t use_tmpfs_beyond(const struct wanted *wanted, const struct record_mount *old);

/* Whether it is a root or a bind whose writes go to a tmpfs, or went before it was remounted read-only. */
bool use_is_overlaid(const struct record_mount *mount);

/* Finds out what the store does not keep: how much the tmpfs on record may take. */
void use_load(const struct pods *pods, struct pod *pod);
