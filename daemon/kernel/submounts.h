/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is mounted below a directory, and whether a mount is there at all: asked of listmount(2) and statmount(2) where
 * the kernel has them, else read from proc_pid_mountinfo(5). Both show this mount namespace only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/cleanup.h"

struct submounts {
        uint32_t n;      /* how many mounts are below the fd's directory, at any depth */
        bool attached;   /* the fd's own mount is one of this namespace's */
        bool children;   /* something is mounted directly on this mount below the fd's directory */
        bool nosymfollow; /* something below, at any depth, follows no symlinks */
        bool unbindable; /* something below, at any depth, is unbindable: a recursive clone would leave it out */
};

/* Looks below the directory `fd`; `statmount`: whether the kernel has the two calls. A negative errno, logged. */
int submounts_read(int fd, bool statmount, struct submounts *ret);

/* Whether the mount exists in this namespace. Without statmount(2) it is looked for by the recycled id, and only at
 * `below` or under it: elsewhere that id is somebody else's by now; `id`, else `device` (st_dev of its root), unless 0,
 * tells a later mount with the same recycled id from it. 1, 0, or a negative errno. */
int submounts_find(uint64_t id, uint32_t mount_id, uint64_t device, const char *below, bool statmount);

/* The unique ids of the mounts below the one with the unique id `id`, at any depth, ascending, those after `after` (0:
 * all), into `ids`. How many, `n` if there may be more, or a negative errno, not logged: -ENOSYS where the kernel has no
 * listmount(2), -ENOENT without such a mount. */
int submounts_list(uint64_t id, uint64_t after, uint64_t *ids, size_t n);
