/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Jobs that mount in a container's own mount namespace: STEP_ENTER has found it (run->namespace), and what the steps after
 * it have made goes there. All of these are for such a job alone. As the hands they return 0, a negative errno or a
 * positive enum failure_kind.
 */

#include "executor/run.h"

/* Exchanges a detached mount for a clone with locked flags if the namespace is another user namespace's, before the mount
 * is noted. FAILURE_ACCESS_DENIED where they cannot be locked. Any job. */
int enter_lock(struct run *run, size_t step, int *mount);
/* The place of tree_attach() with its failure. */
int enter_attach(struct run *run, size_t step, int mount, int target);
/* Tells the front what came along with the recursive clone of this step, once it is attached. */
int enter_tell_brought(struct run *run, size_t step);
/* The place of run_attach() for a mount that replaces another: takes the fd over. */
int enter_replace(struct run *run, size_t step, int *mount, int target);
/* The place of tree_set() and detach_fd(): a negative errno, not logged. */
int enter_propagate(struct run *run, int mount, bool recursive, uint64_t propagation);
int enter_detach(struct run *run, int mount);
