/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The least that a Bind of this design can take, whoever writes it: a client and a front with sd-bus on a socket, an executor behind
 * it, the system calls that the rules for mounts ask for, one row in SQLite; nothing checked, planned, compared, or told. */

#include <stdbool.h>

#include "sample.h"

/* Adds the times of `n` binds of `source` at `target` below `root`, each taken away again. `store`: a directory for the database; NULL: none
 * is kept. Ends the program on failure, as all of the bench does. */
void least_bind_measure(const char *source, const char *root, const char *target, const char *store, size_t n, struct samples *ret);
