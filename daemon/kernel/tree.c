/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clone, set, attach: the three calls that every mount of a pod goes through. */

#include "kernel/tree.h"

#include "kernel/syscalls.h"
#include "kernel/visit.h"

static int clone_here(int source, bool recursive) {
        int fd = open_tree(source, "",
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | (recursive ? AT_RECURSIVE : 0));

        return fd < 0 ? -errno : fd;
}

int tree_clone(int source, bool recursive) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r = clone_here(source, recursive);

        return r == -EINVAL && away_enter(&visit) ? clone_here(source, recursive) : r;
}

static int set_here(int mount, bool recursive, struct mount_attr *attributes) {
        if (mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), attributes, sizeof(*attributes)) < 0)
                return -errno;
        return 0;
}

int tree_set(int mount, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation) {
        struct mount_attr attributes = {.attr_set = set, .attr_clr = clear, .propagation = propagation};
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r;

        if ((set | clear) & MOUNT_ATTR__ATIME)
                attributes.attr_clr |= MOUNT_ATTR__ATIME;
        if (set == 0 && clear == 0 && propagation == 0)
                return 0;
        r = set_here(mount, recursive, &attributes);
        return r == -EINVAL && away_enter(&visit) ? set_here(mount, recursive, &attributes) : r;
}

int tree_idmap(int mount, bool recursive, int userns) {
        struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t) userns};

        if (mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes, sizeof(attributes)) <
                0)
                return -errno;
        return 0;
}

static int attach_here(int mount, int directory, const char *name, unsigned flags) {
        return move_mount(mount, "", directory, name, MOVE_MOUNT_F_EMPTY_PATH | flags) < 0 ? -errno : 0;
}

static int attach(int mount, int directory, const char *name, unsigned flags) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r = attach_here(mount, directory, name, flags);

        return r == -EINVAL && away_enter(&visit) ? attach_here(mount, directory, name, flags) : r;
}

int tree_attach(int mount, int directory, const char *name) {
        return attach(mount, directory, name, *name ? 0 : MOVE_MOUNT_T_EMPTY_PATH);
}

int tree_attach_beneath(int mount, int top) {
        return attach(mount, top, "", MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_BENEATH);
}

/* Flags are looked at first: one that is not known is -EINVAL, whatever the fds are. */
bool tree_has_beneath(void) {
        return attach_here(-1, -1, "", MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_BENEATH) == -EBADF;
}
