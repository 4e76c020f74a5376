/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The mount namespaces of others (mount_namespaces(7)): what they are, and mounting there. A mount is made detached in
 * this process's own namespace and moved over; that, changing it and unmounting it the kernel allows only in the namespace
 * itself, so each such call here is a visit: in, one system call or two on fds, and out again, the root directory as
 * before. Nothing is logged there and no path of the host is used. Fds of a namespace are kept for a job, never longer:
 * they keep its mounts alive.
 *
 * Errors are negative errnos, not logged. There is no way on when the way back is barred: then the process aborts.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/cleanup.h"

/* Whether the kernel tells the ids of mount namespaces and finds them again (about Linux 6.12). */
bool inside_probe(void);

/* The kernel's 64-bit id of the mount namespace `fd`, which no other namespace of this boot gets. */
int inside_id(int fd, uint64_t *ret);
/* The namespace with that id: an fd; -ENOENT when it is gone, -EPERM when it is this process's own. */
int inside_find(uint64_t id);

/* Whether it is this process's own namespace, or that of the host's first process. 1, 0, or a negative errno. */
int inside_is_host(int fd);
/* Whether another user namespace than this process's own owns it: its root may then clear what is not locked
 * (gift_lock(), kernel/gift.h). 1, 0, or a negative errno. */
int inside_is_foreign(int fd);

/* What its root directory is, an O_PATH fd. */
int inside_root(int fd);

enum inside_state {
        INSIDE_THERE,
        INSIDE_MISSING, /* the namespace has no such mount (any more) */
        INSIDE_GONE,    /* there is no such namespace any more */
};
/* Whether the namespace has the mount, by both unique ids; or a negative errno. */
int inside_look(uint64_t namespace, uint64_t mount);

/* Attaches a detached mount on the directory or file that `target` is, in the namespace `fd`. -EREMOTE when that place is
 * shared with the host's namespace, where the mount would appear, too; -EINVAL when `target` is not of that namespace. */
int inside_attach(int fd, int mount, int target);
/* Attaches it beneath the mount that `target` is the root of, and detaches that one. -EREMOTE as above. *ret_attached:
 * whether there is no way back any more. */
int inside_replace(int fd, int mount, int target, bool *ret_attached);
/* Sets the propagation of a mount that is attached there. */
int inside_propagate(int fd, int mount, bool recursive, uint64_t propagation);
/* The root of the mount with this unique id, an O_PATH fd, if it is somewhere below the directory `root` there. -ENOENT and
 * -ESTALE as below; -EXDEV when it is somewhere else. */
int inside_open(int fd, uint64_t mount, int root);
/* Sets and clears attributes as tree_set() does, of a mount that is attached there. */
int inside_set(int fd, int mount, bool recursive, uint64_t set, uint64_t clear);
/* A mount there. */
struct inside_mount {
        uint64_t id, device, attributes; /* MOUNT_ATTR_*; MOUNT_ATTR_RDONLY also where the file system itself is read-only */
        uint32_t mount_id;
        char *path; /* below the mount point of the one that was asked for, with a slash before it; "" for itself and one on its root */
        char *source, *type;
};
void inside_mounts_free(struct inside_mount *mounts, size_t n);
/* The mount with this unique id itself, then all that hang below it, at any depth, parents before children. -ENOENT without it;
 * -E2BIG when they take more than `most` bytes, strings included: whoever is root there mounts what he likes. */
int inside_list(int fd, uint64_t mount, size_t most, struct inside_mount **ret, size_t *ret_n);
/* The bytes that one of them takes. */
size_t inside_mount_bytes(const struct inside_mount *mount);
/* Detaches the very mount that the fd `mount` lies on, with all below it. */
int inside_detach(int fd, int mount);
/* Unmounts by its unique id, never following a symlink; `lazy`: with all that hangs below. -ENOENT when it is not there,
 * -EBUSY when it is in use, -ESTALE when another mount covers it or its mount point is being renamed. */
int inside_unmount(int fd, uint64_t mount, bool lazy);
