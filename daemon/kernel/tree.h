/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mounts as fds: cloned, given their attributes while nobody sees them, then attached (open_tree(2),
 * mount_setattr(2), move_mount(2)). Closing the fd of a tree that was never attached frees all of it. Errors are
 * negative errnos, not logged.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/cleanup.h"

/* A detached clone of the mount that `source` lies on, with `source` as its root; `recursive`: with the mounts
 * below. -EINVAL for an fd of another mount namespace, for an unbindable mount, and for a file on no mount (a
 * pipe, a memfd). */
int tree_clone(int source, bool recursive);

/* Sets and clears MOUNT_ATTR_* bits and the propagation (MS_PRIVATE…; 0: left alone) of a mount by its fd; `recursive`:
 * and of all below it. Any atime bit replaces the whole atime mode. Works on the root of a detached tree and on an
 * attached mount, not on a mount nested in a detached tree (-EINVAL). */
int tree_set(int mount, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation);

/* Maps the ids of a detached mount (`recursive`: and of all below it) by a user namespace. It can be done once.
 * -EINVAL for a file system that knows no id mapping, -EPERM for a mount that is mapped already, for one of a user
 * namespace that is not ours, and for the initial user namespace. */
int tree_idmap(int mount, bool recursive, int userns);

/* Attaches a detached tree, or moves a mount of this namespace, to `name` in `directory`, or onto `directory` itself
 * when the name is "". Neither side follows a symlink. */
int tree_attach(int mount, int directory, const char *name);

/* Attaches a detached tree beneath the mount that `top` is the root of: at its mount point, with that one on top of it.
 * -EINVAL where the kernel has no MOVE_MOUNT_BENEATH (Linux 6.5), and for what is no mount's root. */
int tree_attach_beneath(int mount, int top);
/* Whether the kernel has it. */
bool tree_has_beneath(void);
