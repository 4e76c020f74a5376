/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files are read each time: they are short, and change while the daemon runs. */

#include "admit/own-ids.h"

#include "kernel/subids.h"

static bool is_within(const char *file, uid_t user, uint32_t own, const struct id_mapping *list, size_t n) {
        _cleanup_free_ struct id_range *ranges = NULL;
        uint32_t foreign;
        size_t n_ranges;

        return subids_read(file, user, own, &ranges, &n_ranges) == 0 && idmap_is_within(list, n, ranges, n_ranges, &foreign);
}

bool own_ids_only(const struct caller *caller, const struct idmap *idmap) {
        return is_within("/etc/subuid", caller->uid, caller->uid, idmap->uids, idmap->n_uids) &&
               is_within("/etc/subgid", caller->uid, caller->gid, idmap->gids, idmap->n_gids);
}

static void see(struct id_mapping *list, size_t n) {
        for (size_t i = 0; i < n; i++)
                list[i].container_id = list[i].host_id;
}

bool own_ids_of_layer(const struct caller *caller, const struct idmap *idmap) {
        _cleanup_idmap_ struct idmap seen = {};

        if (idmap_copy(idmap, &seen) < 0)
                return false; /* an executor judges again */
        see(seen.uids, seen.n_uids);
        see(seen.gids, seen.n_gids);
        return own_ids_only(caller, &seen);
}
