/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Again: the wanted mount that a record's one was, so that a repair makes what was there, and nothing that only looks like it. */

#include "pod/damage.h"
#include "pod/operation-private.h"

/* What the record says is to be made: one mount, compiled for the operation's caller. FAILURE_NOT_SUPPORTED: only the client can
 * have it made. */
int again_compile(const struct operation *operation, const struct record_mount *mount, struct wanted **ret, struct failure *f);

/* Which damages one job has to mend beside number `first`, so that nothing is there without what it had over it: of the pending ones behind
 * it, the hidden and read-only paths on it; what these lie over, so that nothing comes to lie over them; where it gives stubs
 * (plan_gives_stubs()), the mounts on it; and what is on all these likewise. */
struct again_group {
        struct wanted *wanted;  /* of all, in the order of the damages */
        size_t *damages;        /* their numbers, `first` the first of them */
        size_t n;
};
void again_group_done(struct again_group *group);

/* Compiles a damage's record, as far as it can be told what stops it. */
typedef int again_look(void *userdata, size_t damage, struct wanted **ret, struct failure *f);
/* Finds them; `group` is empty. `wanted`, of `first`, goes into it in any case. What of the others cannot be made, by `look`, is
 * handed to `settle` and is not among them. */
int again_gather(const struct pod *pod, const struct damage *damages, size_t n, size_t first, struct wanted *wanted, again_look look,
                 void (*settle)(void *userdata, size_t damage, int r, struct failure *f), void *userdata, struct again_group *group);

/* What is on record as lying on a mount of the group that gives stubs and is not of its job, for it waits or failed, gets its mount point
 * in the job as at creation: a stub can be had at no other time. `job` is of the group. -ENOMEM, logged. */
int again_add_stubs(const struct pod *pod, const struct damage *damages, const struct again_group *group, struct job *job);

/* What of it is not as it was, for people, behind "It was made again from its record"; "" if all is. */
const char *again_news(const struct wanted_mount *wanted);
