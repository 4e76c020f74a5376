/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * System calls and constants that glibc 2.36 and Linux 6.1's headers do not declare, with the numbers and layouts of
 * the kernel's own interface (include/uapi/linux/mount.h, openat2.h, stat.h, fanotify.h). Only for daemon/kernel/.
 */

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
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
#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x200
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

/* The same in another mount namespace, about Linux 6.11; 0: this process's own. */
struct mount_id_request_in {
        uint32_t size;
        uint32_t spare;
        uint64_t mount_id;
        uint64_t parameter;
        uint64_t namespace;
};

enum {
        MOUNT_STATUS_SUPERBLOCK = 0x1, /* STATMOUNT_SB_BASIC */
        MOUNT_STATUS_BASIC = 0x2,      /* STATMOUNT_MNT_BASIC */
        MOUNT_STATUS_FROM = 0x4,       /* STATMOUNT_PROPAGATE_FROM */
        MOUNT_STATUS_ROOT = 0x8,       /* STATMOUNT_MNT_ROOT */
        MOUNT_STATUS_POINT = 0x10,     /* STATMOUNT_MNT_POINT */
        MOUNT_STATUS_TYPE = 0x20,      /* STATMOUNT_FS_TYPE */
        MOUNT_STATUS_NAMESPACE = 0x40, /* STATMOUNT_MNT_NS_ID */
        MOUNT_STATUS_OPTIONS = 0x80,   /* STATMOUNT_MNT_OPTS */
        MOUNT_STATUS_SUBTYPE = 0x100,  /* STATMOUNT_FS_SUBTYPE */
        MOUNT_STATUS_SOURCE = 0x200,   /* STATMOUNT_SB_SOURCE */
};

#define MOUNT_LIST_ROOT UINT64_MAX /* LSMT_ROOT: what this process's root directory shows */

struct mount_status {
        uint32_t size, options;
        uint64_t mask;
        uint32_t device_major, device_minor;
        uint64_t magic;
        uint32_t superblock_flags, type;
        uint64_t id, parent_id;
        uint32_t mount_id, parent_mount_id;
        uint64_t attributes, propagation, peer_group, master_group, propagate_from;
        uint32_t root, point; /* offsets into `text`, as `options` and `type` */
        uint64_t namespace;
        uint32_t subtype, source;
        uint64_t spare[48];
        char text[];
};
_Static_assert(sizeof(struct mount_status) == 512, "the kernel's struct statmount");

/* The text at an offset of a status that has `size` bytes in all; NULL for one that does not end there, whatever the kernel says. */
static inline const char *mount_status_text(const struct mount_status *status, size_t size, uint32_t offset) {
        const size_t room = size - sizeof(*status);

        return offset < room && memchr(status->text + offset, 0, room - offset) ? status->text + offset : NULL;
}

/* fanotify_init(2), fanotify_mark(2) */
#ifndef FAN_REPORT_MNT
#define FAN_REPORT_MNT 0x4000
#define FAN_MARK_MNTNS 0x110
#define FAN_MNT_ATTACH 0x01000000
#define FAN_MNT_DETACH 0x02000000
#define FAN_EVENT_INFO_TYPE_MNT 7
#endif

/* What follows the metadata of an event about a mount: struct fanotify_event_info_mnt. */
struct mount_event {
        uint8_t type, pad;
        uint16_t size;
        uint32_t spare;
        uint64_t id;
};

/* openat2(2), always O_CLOEXEC. The fd, or -1 with errno. */
static inline int sys_openat2(int directory, const char *path, uint64_t flags, uint64_t resolve) {
        struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};

        return (int) syscall(SYS_openat2, directory, path, &how, sizeof(how));
}

/* statmount(2) of a unique id, here or away (kernel/visit.h). -1 with errno: EOVERFLOW when the texts need a larger buffer. */
int sys_statmount(uint64_t id, uint64_t mask, struct mount_status *buffer, size_t size);

/* listmount(2): up to `n` unique ids, in ascending order, of what is mounted below `below` at any depth, those after
 * `after`. The kernel looks at every mount of the namespace with a greater id to find them. How many, or -1 with
 * errno. Here or away. */
ssize_t sys_listmount(uint64_t below, uint64_t after, uint64_t *ids, size_t n);
