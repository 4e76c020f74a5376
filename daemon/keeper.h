/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The keeper: root, the parent of all. It prepares the runtime directory, starts the executors and the front, replaces
 * executors, and ends everything in order. It reads nothing that a client sent.
 */

#include "options.h"

/* Runs the daemon to its end; the exit status. */
int keeper_run(const struct options *options);
