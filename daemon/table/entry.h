/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One mount as the kernel shows it. Strings are unescaped (mountinfo's \040 and its like are gone) and owned by the
 * entry, in one piece of memory: entry_set_texts() sets them all. What a source of the table cannot tell is 0 or NULL.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

enum entry_propagation_flags {
        ENTRY_SHARED = 1 << 0,
        ENTRY_SLAVE = 1 << 1,
        ENTRY_UNBINDABLE = 1 << 2,
};

struct entry {
        uint64_t unique_id;     /* the 64-bit id of statmount(2); 0 when read from mountinfo */
        uint32_t id;            /* the recycled id, first field of proc_pid_mountinfo(5) */
        uint32_t parent_id;     /* its parent's */
        uint64_t parent_unique; /* its parent's 64-bit id; 0 when read from mountinfo */
        dev_t device;
        char *root;          /* of the mount within its file system; begins the memory of all five */
        char *point;         /* where it is mounted, as this process sees it; "" when no path leads there any more */
        char *type;          /* "fuse.sshfs" included; follows the mount point in memory */
        char *source;        /* NULL when the kernel shows none */
        char *options;       /* of the file system, comma-joined as the kernel writes them */
        uint64_t attributes; /* MOUNT_ATTR_* of mount_setattr(2), the atime bits included */
        uint64_t peer_group, master_group;
        bool superblock_readonly;
        uint8_t propagation; /* enum entry_propagation_flags */

        uint16_t looked; /* what who follows the kernel counted when it was looked at last; 0: never */

        /* kept by the table */
        uint32_t seen;              /* what the table counted when it was seen last */
        struct entry *parent;       /* NULL also when the parent is not in the table */
        struct entry *children;     /* first child; in mount order, but for those that were moved */
        struct entry *next, *prev;  /* siblings, or others without a parent; the first one's `prev` is the last one */
        struct entry *left, *right; /* in the order of mount points (table/index.h) */
};

/* What an entry's strings are made of. NULL is "", but for the source. */
struct entry_texts {
        const char *root, *point, *source;
        const char *type, *subtype;  /* "fuse" and "sshfs" make "fuse.sshfs" */
        const char *flags, *options; /* "rw" and "size=1m" make "rw,size=1m" */
        bool escaped;                /* `options` has the octal escapes of mountinfo */
};

/* A new, zeroed entry; NULL when memory is short. */
struct entry *entry_new(void);
/* Frees the entry and its strings. Takes and returns NULL. */
struct entry *entry_free(struct entry *entry);
DEFINE_CLEANUP(struct entry *, entry_free)
/* Sets all strings, in place of those that it had; `texts` may be made of them. -ENOMEM, nothing changed. */
int entry_set_texts(struct entry *entry, const struct entry_texts *texts);

/* strlen() of the mount point: the strings lie one behind the other. */
static inline size_t entry_point_length(const struct entry *entry) {
        return (size_t) (entry->type - entry->point) - 1;
}

/* The memory that the entry and its strings take from the heap, in bytes, what the allocator adds included. */
size_t entry_bytes(struct entry *entry);

/* The MOUNT_ATTR_* bits as option words ("ro", "nosuid", "relatime"…), NULL-terminated; -ENOMEM. */
int entry_attribute_names(uint64_t attributes, char ***ret);
/* "shared", "private", "slave", "slave,shared", "unbindable". */
const char *entry_propagation_name(unsigned propagation);
