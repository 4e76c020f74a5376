/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Words for drift: which attributes changed and from what to what, and where a foreign mount came from.
 */

#include "pod/drift-words.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>

#include "util/array.h"
#include "util/text.h"

static const struct attribute_row {
        uint64_t bit;
        const char *without, *with;
} attributes[] = {
        {MOUNT_ATTR_RDONLY, "rw", "ro"},
        {MOUNT_ATTR_NOSUID, "suid", "nosuid"},
        {MOUNT_ATTR_NODEV, "dev", "nodev"},
        {MOUNT_ATTR_NOEXEC, "exec", "noexec"},
        {MOUNT_ATTR_NODIRATIME, "diratime", "nodiratime"},
        {MOUNT_ATTR_NOSYMFOLLOW, "symfollow", "nosymfollow"},
        {MOUNT_ATTR_IDMAP, "not idmapped", "idmapped"},
};

static const char *access_time_word(uint64_t attributes_now) {
        switch (attributes_now & MOUNT_ATTR__ATIME) {
        case MOUNT_ATTR_NOATIME:
                return "noatime";
        case MOUNT_ATTR_STRICTATIME:
                return "strictatime";
        default: /* the kernel's field, not an enum of ours */
                return "relatime";
        }
}

int words_append_attributes(char ***words, uint64_t recorded, uint64_t now, bool superblock_readonly) {
        int r = 0;

        if (superblock_readonly && !(recorded & MOUNT_ATTR_RDONLY))
                r = strv_append(words, "its file system rw -> ro");
        else if (superblock_readonly) /* either of the two may be what was recorded */
                now |= MOUNT_ATTR_RDONLY;
        for (size_t i = 0; i < ELEMENTSOF(attributes) && r >= 0; i++) {
                const struct attribute_row *row = &attributes[i];

                if ((recorded ^ now) & row->bit)
                        r = strv_appendf(words, "%s -> %s", recorded & row->bit ? row->with : row->without,
                                now & row->bit ? row->with : row->without);
        }
        if (r >= 0 && ((recorded ^ now) & MOUNT_ATTR__ATIME))
                r = strv_appendf(words, "%s -> %s", access_time_word(recorded), access_time_word(now));
        return r;
}

bool words_is_deleted(const char *root) {
        static const char mark[] = "//deleted"; /* no path in a file system has two slashes */
        size_t size = root ? strlen(root) : 0;

        return size >= strlen(mark) && strcmp(root + size - strlen(mark), mark) == 0;
}

/* Of two mounts in one peer group with one parent group the older is the one that was made, the other its copy. */
static const struct entry *find_original(const struct table *table, const struct entry *entry) {
        _cleanup_free_ struct entry **entries = NULL;
        const struct entry *original = NULL;
        size_t n = 0;

        if (!entry->parent || (entry->parent->peer_group == 0 && entry->parent->master_group == 0))
                return NULL; /* nothing comes to a private mount */
        if (entry->peer_group == 0 && entry->master_group == 0)
                return NULL;
        if (table_below(table, "/", &entries, &n) < 0)
                return NULL; /* words for people alone */
        for (size_t i = 0; i < n; i++) {
                const struct entry *other = entries[i];
                bool same = other->peer_group != 0 && (other->peer_group == entry->peer_group ||
                                                              other->peer_group == entry->master_group);

                if (other == entry || !same || other->device != entry->device ||
                        (entry->unique_id != 0 && other->unique_id > entry->unique_id) ||
                        (original && original->unique_id < other->unique_id))
                        continue;
                original = other;
        }
        return original;
}

int words_extra(const struct table *table, const struct entry *entry, char **ret) {
        const struct entry *original = find_original(table, entry);
        const char *type = entry->type ?: "unknown type";
        char *text;

        if (original)
                text = text_format("propagated from mount %" PRIu64 " (%s) at %s", original->unique_id ?: original->id,
                        type, original->point);
        else if (entry->source)
                text = text_format("foreign mount of %s, source %s", type, entry->source);
        else
                text = text_format("foreign mount of %s", type); /* statmount(2) of Linux 6.12 tells no source */
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}
