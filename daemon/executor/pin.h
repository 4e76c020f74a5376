/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Namespaces that are kept by a mount of their file (namespaces(7)), as ip-netns(8) keeps its own. They come as fds, and onto
 * the host alone. Hands' convention: executor/run.h.
 */

#include <stdbool.h>

#include "executor/run.h"

/* Whether the step binds a namespace: one onto the host whose source is an fd. */
bool pin_is_meant(const struct step *step);
/* Whether the namespace is not the host's, and the caller's to give away, if it is not root: its own or one that its user namespaces own;
 * `what` it is meant for. FAILURE_INVALID_ARGS, FAILURE_ACCESS_DENIED. */
int pin_check(struct run *run, const char *what, int fd);
/* The namespace of this kind of the process that the step's source is a pidfd of; the fd is the caller's. The same failures. */
int pin_open_namespace(struct run *run, const struct step *step, const char *kind, int *ret);
/* A detached mount of the namespace that the step's source is: never the host's, and for anyone but root one of a user namespace
 * that the caller made, or such a one itself. FAILURE_INVALID_ARGS, FAILURE_ACCESS_DENIED. */
int pin_clone(struct run *run, size_t step, int *ret_mount);
