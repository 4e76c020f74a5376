/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Directories that several pods mount on, because their roots are the same directory of the host. A mount of the host's mount
 * namespace keeps its mount point from being removed; one in a running container's own mount namespace goes with it.
 */

#include "plan/plan.h"
#include "pod/pods.h"

/* Takes out of `made` what mounts in running containers lie on, as far as they are on record: of other pods, and of those
 * containers of this one that stay. Where a root is not in the table any more, nothing tells what of it is whose: then all stays
 * that may be in one file system with it. `leaving`: the container that goes, "" for none, NULL for all. -ENOMEM. */
int sharing_spare(const struct pods *pods, const struct pod *pod, const char *leaving, struct plan_doomed *doomed, size_t n_doomed,
                  struct plan_directory *directories, size_t n_directories);
