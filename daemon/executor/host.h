/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Places on the host, for steps with STEP_HOST, which the door has found to be below a directory of the configuration's list.
 * Hands' convention: executor/run.h.
 */

#include <stdbool.h>

#include "executor/run.h"

/* The path of the directory for namespaces, <runtime>/ns, which the executor's mounts on the host may lie in whatever that list
 * says; the caller's, NULL where there is none. A negative errno, logged. */
int host_pins(const struct executor *executor, char **ret);
/* Opens the step's target O_PATH: a directory, or a file for a file, that is there, is no mount point, and is reached from
 * the root directory without any symlink. A file in the directory for namespaces is made, and goes with the undo. */
int host_open_target(struct run *run, size_t step, bool file, int *ret_fd);
/* Removes the file in the directory for namespaces that the step has unmounted something from: at the end of the job where it
 * may be mounted again. */
void host_leave_point(struct run *run, size_t step);
/* Whether the fd is at the step's target still: somebody may have renamed a directory on the way. */
int host_check_place(struct run *run, size_t step, int fd);
/* Opens what is at this absolute path of the host, likewise. A negative errno, not logged; -ESTALE for what is elsewhere by
 * now. */
int host_open(const char *path);
