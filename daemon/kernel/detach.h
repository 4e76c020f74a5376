/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Taking mounts away (umount(2)). A strict unmount cannot go through an fd of the mount itself, which keeps it busy: it
 * goes through the parent directory, which is the process's working directory from detach_enter() to detach_leave().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/identity.h"
#include "util/cleanup.h"

/* Enters the directory that mount points lie in. A negative errno. */
int detach_enter(int directory);
/* Leaves it for "/", so that it keeps nothing busy. */
void detach_leave(void);

/* Unmounts what is mounted topmost at `name` in the entered directory, never following a symlink; `lazy`: with all that
 * hangs below it, now, whoever uses it (MNT_DETACH). -EBUSY, -EINVAL when nothing is mounted there, -ENOENT. */
int detach_name(const char *name, bool lazy);

/* One of many mounts in the entered directory. */
struct detach_item {
        const char *name;
        uint64_t id; /* unique, of what is to go */
        bool gone;   /* set: it was there, and is unmounted… */
        struct identity identity; /* …and this is what it was */
};

/* Unmounts them, none lazily, several at the same time: each waits for all processors, and those that wait together wait once
 * (synchronize_rcu_expedited() in umount(2)). They begin in their order, and after the first that does not go no other is begun; what is not `gone` was
 * left as it is, for whatever reason. In the initial mount namespace only. `begun` is told, by whichever thread, the
 * first of those that are begun and not done: the one that hangs, if one does. All threads are over when it returns, and no one's working directory
 * but the caller's is in there. */
void detach_many(struct detach_item *items, size_t n, void (*begun)(size_t i, void *userdata), void *userdata);

/* Detaches the very mount that the fd lies on, with all below it. */
int detach_fd(int mount);
