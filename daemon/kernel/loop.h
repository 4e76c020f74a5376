/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Loop devices (loop(4)): a file as a block device. They are set up to free themselves when nobody uses them any more,
 * so that neither an error nor a kill leaves one behind. */

#include <stdbool.h>

#include "util/cleanup.h"

/* Sets a free loop device up on `image`, which must be open for reading, and for writing too unless `readonly`. The
 * fd that is returned keeps it until a mount does; *ret_path is its node. Negative errno, not logged: -ENODEV where
 * there are no loop devices, -EBUSY when others took each free one first. */
int loop_attach(int image, bool readonly, int *ret_fd, char **ret_path);
