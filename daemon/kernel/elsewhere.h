/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The mounts of any mount namespace, looked at from outside: by the namespace's 64-bit id where the kernel finds namespaces by it (the
 * feature namespace-ids), else by the /proc/PID/mountinfo of a process that lives there. Nothing is entered.
 *
 * Errors are negative errnos, not logged.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

struct elsewhere_mount {
        uint64_t id;                        /* unique; 0 from mountinfo */
        uint32_t mount_id, parent_mount_id; /* recycled, of one mount at a time on the whole machine */
        dev_t device;
        uint64_t peer_group, master_group;  /* 0: none */
        const char *root, *point, *type;
        const char *options;                /* the file system's, comma-joined, with octal escapes; "" unless it is an overlay */
};
/* The texts are valid during the call; what it returns but 0 ends the listing and is passed on. */
typedef int (*elsewhere_mount_fn)(const struct elsewhere_mount *mount, void *userdata);

/* By id: -ENOENT when there is no such namespace (any more). Needs CAP_SYS_ADMIN over it. */
int elsewhere_mounts(uint64_t namespace, elsewhere_mount_fn fn, void *userdata);
/* By an open /proc/PID/mountinfo. */
int elsewhere_mountinfo(int fd, elsewhere_mount_fn fn, void *userdata);

struct elsewhere_namespace {
        uint64_t id;
        ino_t inode; /* of /proc/PID/ns/mnt of whoever lives there */
};
/* All mount namespaces of the machine that this process may look into, with its own, also those in which nobody lives; the array is the
 * caller's. -ENOTTY and -EOPNOTSUPP where the kernel does not tell. */
int elsewhere_namespaces(struct elsewhere_namespace **ret, size_t *ret_n);

/* Which mount the file lies on that a magic link of /proc leads to (/proc/PID/cwd, a name in /proc/PID/fd…): *ret_unique says which sort of id
 * *ret is, `unique` which one is wanted. The file is opened by nobody, and no file system is asked anything. */
int elsewhere_link(int directory, const char *name, bool unique, uint64_t *ret, bool *ret_unique);
