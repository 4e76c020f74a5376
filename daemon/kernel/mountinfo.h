/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads proc_pid_mountinfo(5) with libmount into plain lines. Floor 2: it knows no table. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

struct mountinfo_line {
        uint32_t id, parent_id;
        dev_t device;
        const char *root, *point, *type, *source, *options_mount, *options_super, *optional; /* unescaped; valid during the call */
};

/* Called for each line in file order; a negative errno ends the reading and is passed on. */
typedef int (*mountinfo_fn)(const struct mountinfo_line *line, void *userdata);

/* Reads the whole file `fd` (an open /proc/self/mountinfo, read from its start; or a recorded one). A line that cannot be
 * parsed is logged and counted in `*ret_skipped`, never the end of the scan. */
int mountinfo_read(int fd, mountinfo_fn fn, void *userdata, size_t *ret_skipped);
/* The source of this process's mount with the recycled id `id`, as the caller's string; NULL when there is no such mount or it
 * has none. For statmount(2) before Linux 6.13, which does not tell it. A negative errno, logged. */
int mountinfo_find_source(uint32_t id, char **ret);
/* Whether a line's options_mount or options_super has this word. */
bool mountinfo_has_word(const char *options, const char *word);
/* MOUNT_ATTR_* that a line's options_mount says. */
uint64_t mountinfo_attributes(const char *options);
