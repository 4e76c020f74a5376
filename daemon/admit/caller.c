/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who asks: the two judgements that everything else rests on, and copies of a caller for what outlives its request.
 */

#include "admit/caller.h"

#include <string.h>

bool caller_is_root(const struct caller *caller) {
        return caller->uid == 0 && caller->host_user_namespace && caller->host_mount_namespace &&
               caller->host_root_directory;
}

bool caller_sees_host_paths(const struct caller *caller) {
        return caller->host_mount_namespace && caller->host_root_directory;
}

int caller_copy(const struct caller *from, struct caller *ret) {
        struct caller copy = *from;

        copy.groups = NULL;
        copy.bus_name = NULL;
        if (from->n_groups > 0) {
                copy.groups = calloc(from->n_groups, sizeof(*copy.groups));
                if (!copy.groups)
                        return -ENOMEM;
                memcpy(copy.groups, from->groups, from->n_groups * sizeof(*copy.groups));
        }
        copy.bus_name = from->bus_name ? strdup(from->bus_name) : NULL;
        copy.unit = from->unit ? strdup(from->unit) : NULL;
        if ((from->bus_name && !copy.bus_name) || (from->unit && !copy.unit)) {
                caller_done(&copy);
                return -ENOMEM;
        }
        *ret = copy;
        return 0;
}

void caller_done(struct caller *caller) {
        if (!caller)
                return;
        free(caller->groups);
        free(caller->bus_name);
        free(caller->unit);
        *caller = (struct caller) {.uid = (uid_t) -1, .gid = (gid_t) -1};
}
