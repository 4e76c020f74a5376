/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What gc collects when it is given no pod: pods left `creating` or `failed` by an operation that no longer runs, pods whose lease has ended and,
 * for root alone, orphans: directories and mounts below <runtime>/pods that no pod owns.
 */

#include "pod/pods.h"

struct garbage {
        struct pod *pod;     /* the registry's; NULL for an orphan */
        char *directory;     /* name below <runtime>/pods: a pod's UUID; of an orphan, whatever it is called */
        uint32_t n_mounts;   /* on record, or (an orphan) in the table */
        char *detail;        /* one sentence: why it is garbage */
};

/* All garbage that this caller may see. The array is the caller's (garbage_free). Pods are collected by
 * operation_new_collect(), orphans by operation_new_collect_orphan(). */
int garbage_list(struct pods *pods, const struct caller *caller, struct garbage **ret, size_t *ret_n);
void garbage_free(struct garbage *garbage, size_t n);
