/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Volumes of the pod as sources of binds: in the tree that is being built, or in the pod that lives.
 */

#include "executor/run.h"

/* Opens a volume's root: the mount that the source says, and no other. The fd is the caller's of this function.
 * FAILURE_NO_SUCH_SOURCE. */
int volume_open(struct run *run, const struct step_source *source, int *ret_fd);
/* The hand of the step of this job that made the source; NULL if it is no volume of a tree that is being built. */
const struct hand *volume_made(const struct run *run, const struct step_source *source);
/* Whether a process of the client's serves the volume: such a file system is not asked for anything, since it may not answer.
 * Then *ret gets the attributes of its mount, MOUNT_ATTR_*. 1, 0, or a negative errno. */
int volume_is_served(const struct run *run, const struct step_source *source, uint64_t *ret);
/* How many volumes the job makes. */
size_t volume_count(const struct job *job);
