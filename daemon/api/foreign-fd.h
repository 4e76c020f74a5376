/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * fds that strangers send. close(2) has the file system of a regular file write back what it keeps (the flush of fuse(4), of NFS), and waits
 * for it, whoever closes: one that never answers would stop the loop for good, and no signal ends that.
 */

#include <stdbool.h>

#include "table/table.h"

/* Whether nobody else is asked when the fd is closed: all but regular files, what was opened with O_PATH, and regular files of local
 * file systems that the table has mounted. Asks no file system itself. */
bool foreign_fd_is_harmless(const struct table *table, int fd);
/* Closes an fd elsewhere: in a thread that may wait as long as it likes. */
void foreign_fd_abandon(int fd);
