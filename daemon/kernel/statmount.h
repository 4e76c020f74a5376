/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel knows of one mount of this mount namespace, asked by its unique id: statmount(2), about Linux 6.8.
 * What an older kernel leaves out (source and subtype before 6.13) is NULL or 0.
 */

#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

struct statmount_line {
        uint64_t id, parent_id;             /* unique */
        uint32_t mount_id, parent_mount_id; /* recycled, those of proc_pid_mountinfo(5) */
        dev_t device;
        uint32_t superblock_flags; /* SB_RDONLY and its like have the values of MS_RDONLY… of mount(2) */
        uint64_t attributes;       /* MOUNT_ATTR_* of mount_setattr(2) */
        uint64_t propagation;      /* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE */
        uint64_t peer_group, master_group, propagate_from, namespace;
        const char *root, *point, *type, *subtype, *source; /* as they are */
        const char *options; /* of the file system, comma-joined, with the octal escapes of mountinfo */
};

struct statmount;

/* A buffer that grows with what it has to hold; NULL when memory is short. */
struct statmount *statmount_new(void);
struct statmount *statmount_free(struct statmount *statmount);
DEFINE_CLEANUP(struct statmount *, statmount_free)

/* Looks at the mount. The texts stay the buffer's, valid until the next call. -ENOENT when there is no such mount
 * here, -EPERM when this process's root directory does not show it, another negative errno; none logged. */
int statmount_read(struct statmount *statmount, uint64_t id, struct statmount_line *ret);

/* The ids of the first `n` mounts after one, as statmount_list() has them; `after` 0 begins. How many: fewer than `n` is
 * the end. Negative errno, not logged. */
ssize_t statmount_page(uint64_t after, uint64_t *ids, size_t n);
/* The unique ids of all mounts that this process's root directory shows, ascending; the array is the caller's. A
 * mount that was there all the time is in it, one that comes or goes meanwhile may be. Negative errno, not logged. */
int statmount_list(uint64_t **ret, size_t *ret_n);
