/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which mount a file lies on. The key is the kernel's 64-bit id where it has one (STATX_MNT_ID_UNIQUE, statx(2)), else
 * the id that the kernel uses again (STATX_MNT_ID). Neither changes when a detached tree is attached. A file system
 * that does not answer is never asked for more than it has told already (AT_STATX_DONT_SYNC). A FUSE of another user tells
 * root nothing at all (mount.fuse(8), allow_other): of a file there the mode is 0.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

struct identity {
        uint64_t key;
        uint64_t device; /* st_dev of the file */
        uint64_t inode;  /* st_ino of the file; 0 where its file system does not tell */
        mode_t mode;     /* its type bits */
        bool mount_root; /* the file is the root of its mount */
};

/* Looks at `name` below `directory` (not following it if it is a symlink), or at the fd itself when the name is "".
 * `unique`: whether the kernel has 64-bit ids. Negative errno, not logged. */
int identity_read(int directory, const char *name, bool unique, struct identity *ret);

/* The recycled id of the mount that the fd lies on, the first field of proc_pid_mountinfo(5). */
int identity_mount_id(int fd, uint32_t *ret);

/* MOUNT_ATTR_* bits as statfs(2) shows them for the fd's mount; MOUNT_ATTR_RDONLY also where the file system itself is
 * read-only. */
int identity_attributes(int fd, uint64_t *ret);
