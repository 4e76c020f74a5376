/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Extended attributes of what has a name in a directory and is not to be opened: a symlink, a FIFO, a device. Neither is followed or opened.
 * Before Linux 6.13 there is no system call for that but by a path, so that the working directory becomes the directory then: whoever
 * calls has one to lose. Sizes, or negative errnos, not logged.
 */

#include <stddef.h>
#include <sys/types.h>

/* Their names, as llistxattr(2) has them. */
ssize_t attributes_list(int directory, const char *name, char *names, size_t size);
/* The value of one, as of lgetxattr(2). */
ssize_t attributes_get(int directory, const char *name, const char *attribute, void *value, size_t size);
