/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an fd's mount is, and what it is mounted on: by its id, never by a path. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

struct mounted {
        uint64_t id;   /* unique, or the recycled one where the kernel has no other */
        dev_t device;  /* of the file system */
        mode_t mode;   /* the type bits of the file itself; 0 where its file system does not tell */
        char *point;   /* as this process's root directory shows it */
        char *source, *type;
        bool system;   /* it is proc or sysfs, or something mounted in one of these */
        bool devices;  /* likewise devtmpfs */
};

/* Looks at the mount of this namespace that `fd` lies on, and at those that it is mounted on, no further than the mount
 * that `top` lies on (-1: to the root). `unique`, `statmount`: whether the kernel has those. No file system is asked
 * anything that it could be slow to answer. -ENOENT for a mount that this namespace or root directory does not show; another
 * negative errno; none logged. */
int mounted_read(int fd, int top, bool unique, bool statmount, struct mounted *ret);
void mounted_done(struct mounted *mounted);
#define _cleanup_mounted_ _cleanup_(mounted_done)
