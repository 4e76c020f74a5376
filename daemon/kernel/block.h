/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Block devices by number, as sysfs(5) tells of them. */

#include <sys/types.h>

#include "util/cleanup.h"

struct block {
        char *node;   /* its device node, /dev/loop0; NULL for what is no block device */
        char *mapper; /* the name that device-mapper has for it; NULL for any other */
};

/* Looks the device up in the tree `sysfs`, a directory fd (of /sys, or one that is made like it). A number that has no
 * block device, as those of tmpfs and its like, is no error. A negative errno, not logged. */
int block_read(int sysfs, dev_t device, struct block *ret);
void block_done(struct block *block);
#define _cleanup_block_ _cleanup_(block_done)
