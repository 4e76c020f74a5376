/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The unit of systemd's below which pods' cgroups are made: podmount-cgroups.service, a transient one with Delegate=yes. Of the
 * units that can have it, a slice cannot be delegated, a scope ends with its last process, and a service that has exited, with
 * RemainAfterExit=, loses its cgroup (systemd 252): so it is a service with one process, which does nothing.
 */

#include <stdbool.h>

#include "util/failure.h"

/* The unit's cgroup, absolute, which is the caller's; the unit is started where it does not run, also by who only wants to look at
 * what is left below it. With `to_remove` one that cannot be started (it is masked) has the place that it had when it ran, whether
 * or not that is there. 0, a negative errno (logged), or FAILURE_NOT_SUPPORTED with the sentence filled: systemd did not answer, or
 * refused. A child does it, because whoever speaks on the bus keeps more memory than an executor has. */
int cgroup_unit_find(bool to_remove, char **ret, struct failure *f);
