/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A clone of a tree that somebody else is going to own. Whoever owns a user namespace can clear the flags of a mount fd
 * that it was given, and unmount what hides other files below it; unless the kernel has locked them
 * (mount_namespaces(7), "Restrictions on mount namespaces"), which it does for what a mount namespace of another user
 * namespace starts with.
 */

#include "util/cleanup.h"

/* A detached clone of what `path` shows in the directory `root`, as resolve_in_root() finds it, with all mounts below
 * it, private, its read-only, nosuid, nodev, noexec and atime flags locked, as well as the mounts below in their places.
 * Made by a child process in namespaces of its own, which are gone when this returns. `root` must be of this process's
 * mount namespace. A negative errno, not logged: -EPERM also for an unbindable mount in it, -EUSERS or -ENOSPC where no
 * user namespace is to be had, -EIO when the child died. */
int gift_clone(int root, const char *path);

/* The same of a detached mount with all below it, of which it is a clone: -EPERM as above. nosymfollow has no lock. */
int gift_lock(int mount);
