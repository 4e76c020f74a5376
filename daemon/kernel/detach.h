/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Taking mounts away (umount(2)). A strict unmount cannot go through an fd of the mount itself, which keeps it busy: it
 * goes through the parent directory, which is the process's working directory from detach_enter() to detach_leave().
 */

#include <stdbool.h>

#include "util/cleanup.h"

/* Enters the directory that mount points lie in. A negative errno. */
int detach_enter(int directory);
/* Leaves it for "/", so that it keeps nothing busy. */
void detach_leave(void);

/* Unmounts what is mounted topmost at `name` in the entered directory, never following a symlink; `lazy`: with all that
 * hangs below it, now, whoever uses it (MNT_DETACH). -EBUSY, -EINVAL when nothing is mounted there, -ENOENT. */
int detach_name(const char *name, bool lazy);

/* Detaches the very mount that the fd lies on, with all below it. */
int detach_fd(int mount);
