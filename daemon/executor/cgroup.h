/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cgroups of pods: each a directory of the same name below one parent in every hierarchy that there is. The parent is the
 * configuration's or, where systemd runs, a unit of its that is delegated to podmount (cgroup-unit.h).
 */

#include <stdbool.h>
#include <stddef.h>

#include "executor/run.h"

/* Removes what was made for a step, and what cannot be removed stays in its result. */
void cgroup_undo(struct run *run, size_t step);
/* Carries out the STEP_CGROUP_REMOVEs of a job in which all else is done: nothing comes back any more. */
void cgroup_remove_all(struct run *run);
/* Forgets all of it. */
void cgroup_end(struct run *run);
