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
/* How many volumes the job makes. */
size_t volume_count(const struct job *job);
