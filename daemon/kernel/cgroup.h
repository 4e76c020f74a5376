/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The cgroup hierarchies that are mounted where this process lives, cgroups(7): each of version 1, and the tree of version 2. */

#include <stddef.h>

#include "util/cleanup.h"

struct cgroup_hierarchy {
        char *name; /* what people call it: "cpu,cpuacct", "name=systemd"; "unified" for version 2 */
        int root;   /* its root directory, O_PATH */
};

/* Each once, in the order of mountinfo; none at all is no error. What is covered by another mount or cannot be reached is left
 * out. A negative errno, logged. */
int cgroup_hierarchies(struct cgroup_hierarchy **ret, size_t *ret_n);
void cgroup_hierarchies_free(struct cgroup_hierarchy *hierarchies, size_t n);
