/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* statmount(2) and listmount(2) of this process's mount namespace. The kernel makes no promise on the length of a
 * text, so the buffer grows when it says EOVERFLOW; it says so before it has written anything. */

#include "kernel/statmount.h"

#include <sys/sysmacros.h>

#include "kernel/syscalls.h"

enum {
        SIZE_FIRST = 4096,
        SIZE_MAX_TEXT = 64 * 1024 * 1024, /* no kernel shows a mount that needs more: page-sized options, long paths */
        LIST_PAGE = 4096,
};

#define EVERYTHING                                                                                                     \
        (MOUNT_STATUS_SUPERBLOCK | MOUNT_STATUS_BASIC | MOUNT_STATUS_FROM | MOUNT_STATUS_ROOT | MOUNT_STATUS_POINT |   \
                MOUNT_STATUS_TYPE | MOUNT_STATUS_NAMESPACE | MOUNT_STATUS_OPTIONS | MOUNT_STATUS_SUBTYPE |             \
                MOUNT_STATUS_SOURCE)

struct statmount {
        struct mount_status *buffer;
        size_t size;
};

struct statmount *statmount_new(void) {
        _cleanup_(statmount_freep) struct statmount *statmount = calloc(1, sizeof(*statmount));

        if (!statmount)
                return NULL;
        statmount->buffer = malloc(SIZE_FIRST);
        if (!statmount->buffer)
                return NULL;
        statmount->size = SIZE_FIRST;
        return TAKE_PTR(statmount);
}

struct statmount *statmount_free(struct statmount *statmount) {
        if (!statmount)
                return NULL;
        free(statmount->buffer);
        free(statmount);
        return NULL;
}

static int grow(struct statmount *statmount) {
        struct mount_status *larger;

        if (statmount->size >= SIZE_MAX_TEXT)
                return -EOVERFLOW;
        larger = realloc(statmount->buffer, statmount->size * 2);
        if (!larger)
                return -ENOMEM;
        statmount->buffer = larger;
        statmount->size *= 2;
        return 0;
}

/* A text that the kernel says it has written. */
static const char *text(const struct statmount *statmount, uint64_t bit, uint32_t offset) {
        return statmount->buffer->mask & bit ? mount_status_text(statmount->buffer, statmount->size, offset) : NULL;
}

int statmount_read(struct statmount *statmount, uint64_t id, struct statmount_line *ret) {
        const struct mount_status *status;

        for (;;) {
                int r;

                statmount->buffer->mask = 0; /* all else that is looked at the kernel has written, if it succeeds */
                if (sys_statmount(id, EVERYTHING, statmount->buffer, statmount->size) >= 0)
                        break;
                if (errno == EINTR)
                        continue;
                if (errno != EOVERFLOW)
                        return -errno;
                r = grow(statmount);
                if (r < 0)
                        return r;
        }
        status = statmount->buffer;
        if (!(status->mask & MOUNT_STATUS_BASIC))
                return -EOPNOTSUPP;
        *ret = (struct statmount_line){
                .id = status->id,
                .parent_id = status->parent_id,
                .mount_id = status->mount_id,
                .parent_mount_id = status->parent_mount_id,
                .device = makedev(status->device_major, status->device_minor),
                .superblock_flags = status->superblock_flags,
                .attributes = status->attributes,
                .propagation = status->propagation,
                .peer_group = status->peer_group,
                .master_group = status->master_group,
                .propagate_from = status->propagate_from,
                .namespace = status->mask & MOUNT_STATUS_NAMESPACE ? status->namespace : 0,
                .root = text(statmount, MOUNT_STATUS_ROOT, status->root),
                .point = text(statmount, MOUNT_STATUS_POINT, status->point),
                .type = text(statmount, MOUNT_STATUS_TYPE, status->type),
                .subtype = text(statmount, MOUNT_STATUS_SUBTYPE, status->subtype),
                .source = text(statmount, MOUNT_STATUS_SOURCE, status->source),
                .options = text(statmount, MOUNT_STATUS_OPTIONS, status->options),
        };
        return 0;
}

ssize_t statmount_page(uint64_t after, uint64_t *ids, size_t n) {
        ssize_t got;

        do
                got = sys_listmount(MOUNT_LIST_ROOT, after, ids, n);
        while (got < 0 && errno == EINTR);
        return got < 0 ? -errno : got;
}

int statmount_list(uint64_t **ret, size_t *ret_n) {
        _cleanup_free_ uint64_t *ids = NULL;
        size_t n = 0, room = 0;

        for (;;) {
                ssize_t got;

                if (room - n < LIST_PAGE) {
                        uint64_t *larger = reallocarray(ids, room * 2 + LIST_PAGE, sizeof(*ids));

                        if (!larger)
                                return -ENOMEM;
                        ids = larger;
                        room = room * 2 + LIST_PAGE;
                }
                got = statmount_page(n > 0 ? ids[n - 1] : 0, ids + n, LIST_PAGE);
                if (got < 0)
                        return (int) got;
                n += (size_t) got;
                if (got < LIST_PAGE)
                        break;
        }
        *ret = TAKE_PTR(ids);
        *ret_n = n;
        return 0;
}
