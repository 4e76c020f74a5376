/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One mount as the kernel shows it. Strings are unescaped (mountinfo's \040 and its like are gone) and owned by the
 * entry. What a source of the table cannot tell is 0 or NULL.
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
        char *root;          /* of the mount within its file system */
        char *point;         /* where it is mounted, as this process sees it; "" when no path leads there any more */
        char *type;          /* "fuse.sshfs" included */
        char *source;        /* NULL when the kernel shows none */
        uint64_t attributes; /* MOUNT_ATTR_* of mount_setattr(2), the atime bits included */
        bool superblock_readonly;
        char *options;        /* of the file system, comma-joined as the kernel writes them */
        unsigned propagation; /* enum entry_propagation_flags */
        uint64_t peer_group, master_group;

        /* kept by the table */
        struct entry *parent;       /* NULL also when the parent is not in the table */
        struct entry *children;     /* first child; in mount order, but for those that were moved */
        struct entry *next, *prev;  /* siblings, or others without a parent; the first one's `prev` is the last one */
        struct entry *left, *right; /* in the order of mount points (table/index.h) */
        uint64_t seen;              /* the reading (counted from 1) that saw it last */
};

/* A new, zeroed entry; NULL when memory is short. */
struct entry *entry_new(void);
/* Frees the entry and its strings. Takes and returns NULL. */
struct entry *entry_free(struct entry *entry);
DEFINE_CLEANUP(struct entry *, entry_free)

/* The memory that the entry and its strings take from the heap, in bytes, what the allocator adds included. */
size_t entry_bytes(struct entry *entry);

/* The MOUNT_ATTR_* bits as option words ("ro", "nosuid", "relatime"…), NULL-terminated; -ENOMEM. */
int entry_attribute_names(uint64_t attributes, char ***ret);
/* "shared", "private", "slave", "slave,shared", "unbindable". */
const char *entry_propagation_name(unsigned propagation);
