/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * System calls and constants that glibc 2.36 and Linux 6.1's headers do not declare, with the numbers and layouts of
 * the kernel's own interface (include/uapi/linux/mount.h, openat2.h, stat.h). Only for daemon/kernel/.
 */

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef AT_STATX_DONT_SYNC
#define AT_STATX_DONT_SYNC 0x4000
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif
#ifndef SYS_statmount
#define SYS_statmount 457
#endif
#ifndef SYS_listmount
#define SYS_listmount 458
#endif

/* statmount(2), listmount(2) */
struct mount_id_request {
        uint32_t size;
        uint32_t spare;
        uint64_t mount_id;
        uint64_t parameter;
};

enum {
        MOUNT_STATUS_BASIC = 0x2, /* STATMOUNT_MNT_BASIC */
        MOUNT_STATUS_POINT = 0x10 /* STATMOUNT_MNT_POINT */
};

struct mount_status {
        uint32_t size, options;
        uint64_t mask;
        uint32_t device_major, device_minor;
        uint64_t magic;
        uint32_t superblock_flags, type;
        uint64_t id, parent_id;
        uint32_t mount_id, parent_mount_id;
        uint64_t attributes, propagation, peer_group, master_group, propagate_from;
        uint32_t root, point; /* offsets into `text` */
        uint64_t spare[50];
        char text[];
};
_Static_assert(sizeof(struct mount_status) == 512, "the kernel's struct statmount");

/* openat2(2), always O_CLOEXEC. The fd, or -1 with errno. */
static inline int sys_openat2(int directory, const char *path, uint64_t flags, uint64_t resolve) {
        struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};

        return (int) syscall(SYS_openat2, directory, path, &how, sizeof(how));
}

/* statmount(2) of a unique id. -1 with errno: EOVERFLOW when the texts need a larger buffer. */
static inline int sys_statmount(uint64_t id, uint64_t mask, struct mount_status *buffer, size_t size) {
        struct mount_id_request request = {.size = sizeof(request), .mount_id = id, .parameter = mask};

        return (int) syscall(SYS_statmount, &request, buffer, size, 0);
}

/* listmount(2): up to `n` unique ids of the children of `below`, those after `after`. How many, or -1 with errno. */
static inline ssize_t sys_listmount(uint64_t below, uint64_t after, uint64_t *ids, size_t n) {
        struct mount_id_request request = {.size = sizeof(request), .mount_id = below, .parameter = after};

        return syscall(SYS_listmount, &request, ids, n, 0);
}
