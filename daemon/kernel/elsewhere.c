/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel has listed the mounts of a namespace when a page of ids is full or the end was reached; a mount that goes meanwhile is left
 * out. The ids of namespaces are in no order of time, so both ways are gone from one's own. */

#include "kernel/elsewhere.h"

#include <linux/nsfs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "kernel/mountinfo.h"
#include "kernel/syscalls.h"
#include "util/array.h"

enum { PAGE = 1024, STATUS_FIRST = 8192, STATUS_MOST = 64 * 1024 * 1024 };

/* ioctl_nsfs(2), of Linux 6.11 and 6.12 */
struct namespace_info {
        uint32_t size, n_mounts;
        uint64_t id;
};
#define NAMESPACE_ID _IOR(0xb7, 0x5, uint64_t)
#define NAMESPACE_NEXT _IOR(0xb7, 0xb, struct namespace_info)
#define NAMESPACE_PREVIOUS _IOR(0xb7, 0xc, struct namespace_info)

static int append(int fd, uint64_t id, struct elsewhere_namespace **namespaces, size_t *n) {
        struct elsewhere_namespace *slot;
        struct stat status;

        if (fstat(fd, &status) < 0)
                return -errno;
        slot = array_append(namespaces, n);
        if (!slot)
                return -ENOMEM;
        *slot = (struct elsewhere_namespace) {.id = id, .inode = status.st_ino};
        return 0;
}

static int walk(int from, unsigned long way, struct elsewhere_namespace **namespaces, size_t *n) {
        struct namespace_info info = {.size = sizeof(info)};
        int fd = ioctl(from, way, &info), r = fd < 0 ? -errno : 0;

        while (fd >= 0) {
                int next;

                r = append(fd, info.id, namespaces, n);
                next = r < 0 ? -1 : ioctl(fd, way, &info);
                if (r == 0 && next < 0)
                        r = -errno;
                (void) close_fd(fd);
                fd = next;
        }
        return r == -ENOENT ? 0 : r;
}

int elsewhere_namespaces(struct elsewhere_namespace **ret, size_t *ret_n) {
        _cleanup_free_ struct elsewhere_namespace *namespaces = NULL;
        _cleanup_close_ int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        uint64_t id;
        size_t n = 0;
        int r;

        if (own < 0 || ioctl(own, NAMESPACE_ID, &id) < 0)
                return -errno;
        r = append(own, id, &namespaces, &n);
        if (r == 0)
                r = walk(own, NAMESPACE_NEXT, &namespaces, &n);
        if (r == 0)
                r = walk(own, NAMESPACE_PREVIOUS, &namespaces, &n);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(namespaces);
        *ret_n = n;
        return 0;
}

struct buffer {
        struct mount_status *status;
        size_t size;
};

static int grow(struct buffer *buffer) {
        size_t size = buffer->size > 0 ? 2 * buffer->size : STATUS_FIRST;
        struct mount_status *status = size <= STATUS_MOST ? realloc(buffer->status, size) : NULL;

        if (!status)
                return -ENOMEM;
        buffer->status = status;
        buffer->size = size;
        return 0;
}

static int look(uint64_t namespace, uint64_t id, uint64_t mask, struct buffer *buffer) {
        struct mount_id_request_in request = {.size = sizeof(request), .mount_id = id, .parameter = mask, .namespace = namespace};

        for (;;) {
                int r = 0;

                if (buffer->size > 0) {
                        buffer->status->mask = 0;
                        if (syscall(SYS_statmount, &request, buffer->status, buffer->size, 0) >= 0)
                                return buffer->status->mask & MOUNT_STATUS_BASIC ? 0 : -EOPNOTSUPP;
                        r = -errno;
                }
                if (r == -EINTR)
                        continue;
                if (r != 0 && r != -EOVERFLOW)
                        return r;
                r = grow(buffer);
                if (r < 0)
                        return r;
        }
}

static const char *text(const struct buffer *buffer, uint64_t bit, uint32_t offset) {
        const char *found = buffer->status->mask & bit ? mount_status_text(buffer->status, buffer->size, offset) : NULL;

        return found ? found : "";
}

static int show(uint64_t namespace, uint64_t id, struct buffer *buffer, elsewhere_mount_fn fn, void *userdata) {
        const uint64_t most = MOUNT_STATUS_SUPERBLOCK | MOUNT_STATUS_BASIC | MOUNT_STATUS_ROOT | MOUNT_STATUS_POINT | MOUNT_STATUS_TYPE;
        const struct mount_status *status;
        struct elsewhere_mount mount;
        int r = look(namespace, id, most, buffer);

        if (r == 0 && strcmp(text(buffer, MOUNT_STATUS_TYPE, buffer->status->type), "overlay") == 0)
                r = look(namespace, id, most | MOUNT_STATUS_OPTIONS, buffer);
        if (r < 0) /* gone, or of more text than is worth having */
                return r == -ENOENT || (r == -ENOMEM && buffer->size >= STATUS_MOST) ? 0 : r;
        status = buffer->status;
        mount = (struct elsewhere_mount) {
                .id = status->id,
                .mount_id = status->mount_id,
                .parent_mount_id = status->parent_mount_id,
                .device = makedev(status->device_major, status->device_minor),
                .peer_group = status->peer_group,
                .master_group = status->master_group,
                .root = text(buffer, MOUNT_STATUS_ROOT, status->root),
                .point = text(buffer, MOUNT_STATUS_POINT, status->point),
                .type = text(buffer, MOUNT_STATUS_TYPE, status->type),
                .options = text(buffer, MOUNT_STATUS_OPTIONS, status->options),
        };
        return fn(&mount, userdata);
}

int elsewhere_mounts(uint64_t namespace, elsewhere_mount_fn fn, void *userdata) {
        struct mount_id_request_in request = {.size = sizeof(request), .mount_id = MOUNT_LIST_ROOT, .namespace = namespace};
        struct buffer buffer = {};
        uint64_t ids[PAGE];
        ssize_t n = PAGE;
        int r = 0;

        while (r == 0 && n == PAGE) {
                n = syscall(SYS_listmount, &request, ids, PAGE, 0);
                if (n < 0) {
                        r = errno == EINTR ? 0 : -errno;
                        n = PAGE;
                        continue;
                }
                for (ssize_t i = 0; i < n && r == 0; i++)
                        r = show(namespace, ids[i], &buffer, fn, userdata);
                if (n > 0)
                        request.parameter = ids[n - 1];
        }
        free(buffer.status);
        return r;
}

struct lines {
        elsewhere_mount_fn fn;
        void *userdata;
};

static uint64_t group_of(const char *optional, const char *word) {
        const char *at = optional ? strstr(optional, word) : NULL;

        return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

static int on_line(const struct mountinfo_line *line, void *userdata) {
        const struct lines *lines = userdata;
        const struct elsewhere_mount mount = {
                .mount_id = line->id,
                .parent_mount_id = line->parent_id,
                .device = line->device,
                .peer_group = group_of(line->optional, "shared:"),
                .master_group = group_of(line->optional, "master:"),
                .root = line->root ?: "",
                .point = line->point ?: "",
                .type = line->type ?: "",
                .options = line->type && strcmp(line->type, "overlay") == 0 && line->options_super ? line->options_super : "",
        };

        return lines->fn(&mount, lines->userdata);
}

int elsewhere_mountinfo(int fd, elsewhere_mount_fn fn, void *userdata) {
        struct lines lines = {.fn = fn, .userdata = userdata};
        size_t skipped = 0;

        return mountinfo_read(fd, on_line, &lines, &skipped);
}

int elsewhere_link(int directory, const char *name, bool unique, uint64_t *ret, bool *ret_unique) {
        const int flags = AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
        struct statx status;

        if (statx(directory, name, flags, unique ? STATX_MNT_ID_UNIQUE : STATX_MNT_ID, &status) < 0) {
                /* A FUSE of another user answers only to who asks for nothing, and is told with the recycled id. */
                if (errno != EACCES || statx(directory, name, flags, 0, &status) < 0)
                        return -errno;
                unique = false;
        }
        if (!(status.stx_mask & (STATX_MNT_ID | STATX_MNT_ID_UNIQUE)))
                return -EOPNOTSUPP;
        *ret_unique = unique && (status.stx_mask & STATX_MNT_ID_UNIQUE);
        *ret = status.stx_mnt_id;
        return 0;
}
