/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The same work by the raw system calls: what podmount's figures are compared with. Every function ends the program on
 * an error. */

#include <stddef.h>

#include "util/cleanup.h"

/* Binds `source` at `target` (both exist below the directory `root_fd`), read-only if asked: open_tree, mount_setattr, openat2,
 * move_mount. */
void raw_bind(const char *source, int root_fd, const char *target);
/* Unmounts what is at `target` below `root_fd`, lazily if `lazy`. */
void raw_unmount(int root_fd, const char *target, int lazy);
/* Builds the tree of a pod of 12 mounts over `root` and `source` detached, attaches it at `point`. */
void raw_pod(const char *root, const char *source, const char *point);
/* The strict teardown of `n` mounts t0, t1… below `root_fd`, last first: compare the id, then umount2. `ids` as raw_ids() gave them. */
void raw_teardown(int root_fd, const unsigned long long *ids, size_t n);
unsigned long long raw_id(int root_fd, const char *target);
/* Lists the mounts of this namespace and looks at each: listmount, statmount. */
void raw_list(void);
