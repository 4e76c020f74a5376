/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ids and attributes of mounts by fd: statx(2) and statfs(2), which work on detached trees, where statmount(2)
 * fails. */

#include "kernel/identity.h"

#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "kernel/syscalls.h"

#define HANDLE_MOUNT_ID_UNIQUE 0x001 /* AT_HANDLE_MNT_ID_UNIQUE, about 6.12 */

#ifndef ST_NOSYMFOLLOW
#define ST_NOSYMFOLLOW 0x2000
#endif

static int status_read(int directory, const char *name, unsigned mask, struct statx *ret) {
        int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;

        if (statx(directory, name, flags, mask, ret) < 0)
                return -errno;
        if ((ret->stx_mask & mask & (STATX_MNT_ID | STATX_MNT_ID_UNIQUE)) == 0)
                return -EOPNOTSUPP;
        return 0;
}

/* A FUSE of another user answers only to who asks for nothing; which mount it is the kernel then tells all the same. */
static int status_read_little(int directory, const char *name, struct statx *ret) {
        int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;

        if (statx(directory, name, flags, 0, ret) < 0)
                return -errno;
        ret->stx_mode = 0;
        return ret->stx_mask & STATX_MNT_ID ? 0 : -EOPNOTSUPP;
}

/* The unique id is not among that, but comes with a file handle (name_to_handle_at(2), AT_HANDLE_MNT_ID_UNIQUE). */
static int unique_by_handle(int directory, const char *name, struct statx *status) {
        union {
                struct file_handle head;
                char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
        } handle = {.head.handle_bytes = MAX_HANDLE_SZ};
        uint64_t id = 0;

        if (name_to_handle_at(directory, name, &handle.head, (int *) (void *) &id, AT_EMPTY_PATH | HANDLE_MOUNT_ID_UNIQUE) < 0)
                return -errno;
        status->stx_mnt_id = id;
        return 0;
}

int identity_read(int directory, const char *name, bool unique, struct identity *ret) {
        struct statx status;
        unsigned id = unique ? STATX_MNT_ID_UNIQUE : STATX_MNT_ID;
        int r = status_read(directory, name, STATX_TYPE | STATX_INO | id, &status);

        if (r == -EACCES) {
                r = status_read_little(directory, name, &status);
                if (r == 0 && unique)
                        r = unique_by_handle(directory, name, &status);
        }
        if (r < 0)
                return r;
        *ret = (struct identity){
                .key = status.stx_mnt_id,
                .device = makedev(status.stx_dev_major, status.stx_dev_minor),
                .inode = status.stx_mask & STATX_INO ? status.stx_ino : 0,
                .mode = status.stx_mode & S_IFMT,
                .mount_root = status.stx_attributes & STATX_ATTR_MOUNT_ROOT,
        };
        return 0;
}

int identity_mount_id(int fd, uint32_t *ret) {
        struct statx status;
        int r = status_read(fd, "", STATX_MNT_ID, &status);

        if (r == -EACCES)
                r = status_read_little(fd, "", &status);
        if (r < 0)
                return r;
        *ret = (uint32_t) status.stx_mnt_id;
        return 0;
}

int identity_attributes(int fd, uint64_t *ret) {
        static const struct {
                unsigned long flag;
                uint64_t attribute;
        } bits[] = {
                {ST_RDONLY, MOUNT_ATTR_RDONLY},
                {ST_NOSUID, MOUNT_ATTR_NOSUID},
                {ST_NODEV, MOUNT_ATTR_NODEV},
                {ST_NOEXEC, MOUNT_ATTR_NOEXEC},
                {ST_NOATIME, MOUNT_ATTR_NOATIME},
                {ST_NODIRATIME, MOUNT_ATTR_NODIRATIME},
                {ST_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW},
        };
        struct statfs status;
        uint64_t attributes = 0;
        unsigned long flags;

        if (fstatfs(fd, &status) < 0)
                return -errno;
        flags = (unsigned long) status.f_flags;
        for (size_t i = 0; i < ELEMENTSOF(bits); i++)
                if (flags & bits[i].flag)
                        attributes |= bits[i].attribute;
        if ((flags & (ST_NOATIME | ST_RELATIME)) == 0)
                attributes |= MOUNT_ATTR_STRICTATIME;
        *ret = attributes;
        return 0;
}
