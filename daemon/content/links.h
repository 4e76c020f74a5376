/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inodes with several names, each by the name that it was first seen at. */

#include <sys/stat.h>

#include "util/map.h"

struct links {
        struct map *first; /* by inode number, those of several devices in a list */
};
void links_done(struct links *links);

/* Whether an entry can have other names: nothing else is to be asked of the functions below. */
bool links_matter(const struct stat *status);
/* The first name of this inode: *ret, owned by `links`; NULL if it is the one that is given, which is remembered. -ENOMEM. */
int links_note(struct links *links, const struct stat *status, const char *path, const char **ret);
