/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Mounts on record that wait, and are made now: what SetNamespaces() and PrepareProcess() share. */

#include "pod/operation-private.h"

/* Whether `n` more mounts may be made. Their records count already, their mounts do not. FAILURE_QUOTA_EXCEEDED. */
int waiting_check_quota(struct operation *operation, uint32_t n, struct failure *f);
/* The pod's warnings without those that say that one of `wanted` waits; the caller's. -ENOMEM, logged. */
int waiting_copy_warnings(const struct pod *pod, const struct wanted *wanted, char ***ret);
