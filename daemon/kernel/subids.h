/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The subordinate ids of a user: subuid(5), subgid(5). A line names a user by its number or by its name in /etc/passwd;
 * no other name service is asked, which could block or be wrong as root.
 */

#include <stddef.h>
#include <sys/types.h>

#include "util/cleanup.h"
#include "util/ids.h"

enum { SUBIDS_MAX = 4096 }; /* ranges of one user; what a file has beyond is not looked at */

/* The ranges of the user in `file`, "/etc/subuid" or "/etc/subgid", after one of `own` alone. None but that for a file
 * that is not there. A negative errno, logged. */
int subids_read(const char *file, uid_t user, uint32_t own, struct id_range **ret, size_t *ret_n);
