/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a process lives where this one does: namespaces(7) and root directory, by pidfd, without a race on its
 * pid. */

#include <stdbool.h>

#include "util/cleanup.h"

struct namespaces_match {
        bool mount, user, pid, root; /* same mount, user and pid namespace, same root directory */
};

/* Compares the process behind `pidfd` with this one. -ESRCH when it has ended, -EBADF for an fd that is no pidfd. */
int namespaces_compare(int pidfd, struct namespaces_match *ret);

/* The mount namespace and the root directory (O_PATH) of the process behind `pidfd`. Errors as above. */
int namespaces_open(int pidfd, int *ret_mount, int *ret_root);

/* The namespace that the process behind `pidfd` is in, by its name in /proc/PID/ns ("net"), opened for reading. Errors as above. */
int namespaces_open_one(int pidfd, const char *name);

/* Whether this process is in the initial user namespace. A negative errno when that cannot be told. */
int namespaces_in_initial_user(void);
