/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pods that have a mount namespace to themselves, which the host's table shows as one line: what it is bound to,
 * <runtime>/ns/<uuid>. In it lies the pod at the path that it would have on the host, and nothing else.
 */

#include "executor/run.h"

/* A job of such a pod begins: its namespace is found, and run->pods_fd leads there. Without it the job that ends the pod goes on, for all
 * is gone; another one fails. Nothing to do for other pods, and for a creation. */
int private_begin(struct run *run);
/* A creation: makes the namespace, which nobody knows until it is pinned. */
int private_make(struct run *run);
/* One more container, where trees are built attached: out of the way, in the pod's namespace, for none is moved from one to another. */
int private_stage(struct run *run);
/* …binds it to its file, and answers the job with the text of its mount table. */
int private_pin(struct run *run);
/* …takes that back. */
void private_undo(struct run *run);
/* The end of a pod: nothing is bound to the file any more, and there is no file. */
int private_unpin(struct run *run);
void private_end(struct run *run);

/* Whether the pod's namespace is gone, and all its mounts with it. */
bool private_is_gone(const struct run *run);
