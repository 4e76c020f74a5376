/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One mount of the kernel's table, and its words for people. */

#include <linux/mount.h>
#include <malloc.h>

#include "table/entry.h"
#include "util/array.h"

struct entry *entry_new(void) {
        return calloc(1, sizeof(struct entry));
}

struct entry *entry_free(struct entry *entry) {
        if (!entry)
                return NULL;
        free(entry->root);
        free(entry->point);
        free(entry->type);
        free(entry->source);
        free(entry->options);
        free(entry);
        return NULL;
}

/* A chunk of glibc's heap has its size in front of it. */
static size_t chunk_bytes(void *chunk) {
        return chunk ? malloc_usable_size(chunk) + sizeof(size_t) : 0;
}

size_t entry_bytes(struct entry *entry) {
        return chunk_bytes(entry) + chunk_bytes(entry->root) + chunk_bytes(entry->point) + chunk_bytes(entry->type) +
               chunk_bytes(entry->source) + chunk_bytes(entry->options);
}

int entry_attribute_names(uint64_t attributes, char ***ret) {
        static const struct {
                uint64_t bit;
                const char *name;
        } rows[] = {
                {MOUNT_ATTR_NOSUID, "nosuid"},
                {MOUNT_ATTR_NODEV, "nodev"},
                {MOUNT_ATTR_NOEXEC, "noexec"},
                {MOUNT_ATTR_NODIRATIME, "nodiratime"},
                {MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"},
                {MOUNT_ATTR_IDMAP, "idmapped"},
        };
        _cleanup_strv_ char **names = NULL;
        const char *atime;
        int r;

        r = strv_append(&names, attributes & MOUNT_ATTR_RDONLY ? "ro" : "rw");
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                if (!(attributes & rows[i].bit))
                        continue;
                r = strv_append(&names, rows[i].name);
                if (r < 0)
                        return r;
        }

        /* The access times are one value of a field, not bits: relatime is its zero. */
        switch (attributes & MOUNT_ATTR__ATIME) {
        case MOUNT_ATTR_NOATIME:
                atime = "noatime";
                break;
        case MOUNT_ATTR_STRICTATIME:
                atime = "strictatime";
                break;
        default:
                atime = "relatime";
                break;
        }
        r = strv_append(&names, atime);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(names);
        return 0;
}

const char *entry_propagation_name(unsigned propagation) {
        if (propagation & ENTRY_UNBINDABLE)
                return "unbindable";
        switch (propagation & (ENTRY_SHARED | ENTRY_SLAVE)) {
        case ENTRY_SHARED | ENTRY_SLAVE:
                return "slave,shared";
        case ENTRY_SHARED:
                return "shared";
        case ENTRY_SLAVE:
                return "slave";
        default: /* no bit of the two */
                return "private";
        }
}
