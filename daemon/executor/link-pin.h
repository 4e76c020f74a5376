/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The mount that keeps the network namespace of a container's process for the links in it. Hands' convention: executor/run.h. */

#include "executor/run.h"

/* The namespace that is kept for the container; -1 in *ret where none is. */
int link_pin_open(struct run *run, const char *container, int *ret);
/* Keeps this one; *ret_made: it was not kept yet. FAILURE_BUSY where another one is. */
int link_pin_make(struct run *run, const char *container, int space, bool *ret_made);
/* Keeps it no longer. What cannot be removed is told in the log, and goes with the next start. */
void link_pin_drop(struct run *run, const char *container);
