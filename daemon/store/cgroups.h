/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The records of cgroups. One is there from before its cgroups are made until they are removed, which may be after its pod is gone:
 * then something in them was busy. Errors as in store/store.h.
 */

#include "store/store.h"

struct record_cgroup {
        char *uuid;   /* of the pod that it was made for */
        char *name;
        char *parent; /* in every hierarchy, absolute; "": systemd's unit */
        char *path;   /* absolute, where it was made; NULL while that is not known */
        bool made;    /* in some hierarchy at least, or nobody knows better */
        uint32_t step; /* of the job that makes it, of a pod that stands it is of no interest; RECORD_CGROUP_LEFT: its pod is gone, or
                        * about to go, though another one may have its UUID */
};

#define RECORD_CGROUP_LEFT UINT32_MAX

/* Names and parents are as they are kept, and are the key. */
int record_cgroup_copy(const struct record_cgroup *from, struct record_cgroup *ret);
void record_cgroup_done(struct record_cgroup *cgroup);
void record_cgroups_free(struct record_cgroup *cgroups, size_t n);

/* Changes, within a transaction. Inserts or updates; deleting what is gone is no error. */
int store_put_cgroup(struct store *store, const struct record_cgroup *cgroup);
int store_delete_cgroup(struct store *store, const struct record_cgroup *cgroup);
/* All of them, in the order in which they came; the caller's. */
int store_load_cgroups(struct store *store, struct record_cgroup **ret, size_t *ret_n);
