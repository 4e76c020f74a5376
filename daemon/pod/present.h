/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A pod's mounts as plan_mount() takes them. */

#include "plan/plan.h"
#include "pod/pod.h"

/* What is mounted in the pod's containers, in the record's order; the array is the caller's, its strings are the
 * record's. -ENOMEM, logged. */
int present_list(const struct pod *pod, struct plan_present **ret, size_t *ret_n);
/* One of them. */
struct plan_present present_of(const struct record_mount *mount);
