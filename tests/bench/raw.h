/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The same work by the raw system calls: what podmount's figures are compared with. Every function ends the program on
 * an error. */

#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

/* Binds `source` at `target` (both exist below the directory `root_fd`), read-only if asked: open_tree, mount_setattr, openat2,
 * move_mount. */
void raw_bind(const char *source, int root_fd, const char *target);
/* Its parts: a detached clone of `source`, shared in a group of its own, an fd of which is returned; such a tree attached at `at`. */
int raw_clone(const char *source);
void raw_attach(int tree, int at);
/* Unmounts what is at `target` below `root_fd`, lazily if `lazy`. */
void raw_unmount(int root_fd, const char *target, int lazy);
/* Builds the tree of a pod of 12 mounts over `root` and `source` detached, attaches it at `point`. */
void raw_pod(const char *root, const char *source, const char *point);
/* The parts of such a tree: the pod's own tmpfs, detached; the root below it, an fd of which is returned; a bind of
 * `source` below `source_fd` ("": the fd itself); a file system with its data options; the end of it all, which closes the tree. */
int raw_tree(void);
int raw_rootfs(int tree, const char *root);
void raw_bind_at(int source_fd, const char *source, int root_fd, const char *target, uint64_t set);
void raw_file_system(const char *type, const char *source, const char *const *options, size_t n_options, int root_fd,
        const char *target, uint64_t set);
void raw_publish(int tree, const char *point);
/* An O_PATH fd of what is at `path` below the directory, a negative one if nothing is. */
int raw_open(int root_fd, const char *path);
/* The strict teardown of `n` mounts t0, t1… below `root_fd`, last first: compare the id, then umount2. `ids` as raw_ids() gave them. */
void raw_teardown(int root_fd, const unsigned long long *ids, size_t n);
unsigned long long raw_id(int root_fd, const char *target);
/* Lists the mounts of this namespace and looks at each: listmount, statmount. */
void raw_list(void);
