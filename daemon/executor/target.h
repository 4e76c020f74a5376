/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Targets: paths in a container, resolved as its root's own processes would, made if the step allows it. */

#include <stdbool.h>

#include "executor/run.h"

/* Opens the step's target O_PATH, or makes it, and checks all that section 6 of the design asks of one: it stays in the
 * root, what is to be made lies on the mount that the plan named, it is a file for a file, no mount point already, and
 * not in proc or sysfs. `file`: what is mounted is no directory. */
int target_open(struct run *run, size_t step, bool file, int *ret_fd);

/* Says why `target`, or a stub for it, could not be reached or made, from a negative errno of kernel/resolve.h. */
int target_failed(struct run *run, const struct step *step, const char *target, int r);

/* For STEP_MKDIR: opens the step's target, which is or becomes a directory. The same rules hold for making it. */
int target_directory(struct run *run, size_t step, int *ret_fd);
