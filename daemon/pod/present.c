/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a plan has to know of the mounts that are there.
 */

#include "pod/present.h"

#include <sys/mount.h>

#include "util/log.h"

/* What takes mount points may have been remounted read-only. */
static enum plan_ground ground_of(const struct record_mount *mount) {
        if (mount->ground_free)
                return mount->attributes & MOUNT_ATTR_RDONLY ? PLAN_GROUND_NEVER : PLAN_GROUND_FREELY;
        return mount->ground_caller ? PLAN_GROUND_CALLER : PLAN_GROUND_NEVER;
}

struct plan_present present_of(const struct record_mount *mount) {
        return (struct plan_present) {
                .container = mount->container, .target = mount->target, .id = mount->id, .ground = ground_of(mount)};
}

int present_list(const struct pod *pod, struct plan_present **ret, size_t *ret_n) {
        struct plan_present *present = calloc(pod->record->n_mounts + 1, sizeof(*present));
        size_t n = 0;

        if (!present)
                return log_oom();
        for (size_t i = 0; i < pod->record->n_mounts; i++) {
                const struct record_mount *mount = &pod->record->mounts[i];

                if (mount->deferred || mount->container[0] == '\0')
                        continue;
                present[n++] = present_of(mount);
        }
        *ret = present;
        *ret_n = n;
        return 0;
}
