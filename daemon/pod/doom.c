/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds in the table what is to go. A recorded mount is known by its unique id; where the table shows none, by the
 * recycled id and the device. The executor compares the unique id once more before it acts.
 */

#include "pod/doom.h"

#include <inttypes.h>
#include <string.h>

#include "pod/registry.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

static uint64_t unique_id(const struct record_mount *mount) {
        return mount->id != mount->mount_id ? mount->id : 0;
}

/* File systems whose files show another device in stat(2) than their mount does. */
static bool has_devices_of_its_own(const struct entry *entry) {
        static const char *const types[] = {"btrfs", "overlay", "bcachefs"};

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (entry->type && strcmp(entry->type, types[i]) == 0)
                        return true;
        return false;
}

struct entry *doom_find_entry(const struct pods *pods, const struct record_mount *mount) {
        struct entry *entry = NULL;

        if (mount->deferred)
                return NULL;
        if (unique_id(mount) != 0)
                entry = table_get_unique(pods->table, mount->id);
        if (entry)
                return entry;
        entry = table_get(pods->table, mount->mount_id);
        if (!entry || (unique_id(mount) != 0 && entry->unique_id != 0))
                return NULL;
        return entry->device == mount->device || has_devices_of_its_own(entry) ? entry : NULL;
}

int doom_index(const struct pods *pods, const struct record_pod *record, struct map **ret) {
        _cleanup_(map_freep) struct map *map = map_new(MAP_KEY_U64);

        if (!map)
                return log_oom();
        for (size_t i = 0; record && i < record->n_mounts; i++) {
                struct entry *entry = doom_find_entry(pods, &record->mounts[i]);

                if (entry && map_put_u64(map, entry->id, &record->mounts[i]) == -ENOMEM)
                        return log_oom();
        }
        *ret = TAKE_PTR(map);
        return 0;
}

int doom_append(struct plan_doomed **list, size_t *n, const struct entry *entry, const struct record_mount *mount,
                const char *directory) {
        const char *path = path_below(entry->point, directory);
        struct plan_doomed *doomed;

        if (!path) /* moved out of the pod: not ours any more */
                return 0;
        doomed = array_append(list, n);
        if (!doomed)
                return log_oom();
        *doomed = (struct plan_doomed) {
                .id = mount && unique_id(mount) ? unique_id(mount) : entry->unique_id,
                .mount_id = entry->id,
                .path = path,
                .made = mount ? mount->made : 0,
                .made_file = mount ? mount->made_file : false,
        };
        return 0;
}

static bool lies_on_root_of_caller(const struct entry *entry, const struct map *records) {
        const struct record_mount *ground = entry->parent ? map_get_u64(records, entry->parent->id) : NULL;

        return ground && ground->ground_caller;
}

int doom_pod(const struct pods *pods, const char *uuid, const struct record_pod *record, struct plan_doomed **ret,
             size_t *ret_n) {
        _cleanup_(map_freep) struct map *records = NULL;
        _cleanup_free_ char *directory = pods_directory(pods, uuid);
        _cleanup_free_ struct plan_doomed *list = NULL;
        _cleanup_free_ struct entry **entries = NULL;
        size_t n_entries = 0, n = 0;
        int r;

        if (!directory)
                return log_oom();
        r = doom_index(pods, record, &records);
        if (r < 0)
                return r;
        r = table_below(pods->table, directory, &entries, &n_entries);
        if (r < 0)
                return log_errno(LOG_ERR, r, "list the mounts below %s", directory);
        for (size_t i = n_entries; i > 0; i--) {
                const struct entry *entry = entries[i - 1];
                size_t before = n;

                r = doom_append(&list, &n, entry, map_get_u64(records, entry->id), directory);
                if (r < 0)
                        return r;
                /* Mount points on the pod's own file systems go with these. */
                if (n > before && list[n - 1].made > 0 && !lies_on_root_of_caller(entry, records))
                        list[n - 1].made = 0;
        }
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

int doom_made(const struct pods *pods, const char *uuid, const struct intent_mount *mounts, size_t n_mounts,
              struct plan_doomed **ret, size_t *ret_n) {
        _cleanup_free_ char *directory = pods_directory(pods, uuid);
        _cleanup_free_ struct plan_doomed *list = NULL;
        size_t n = 0;

        if (!directory)
                return log_oom();
        for (size_t i = n_mounts; i > 0; i--) {
                const struct intent_mount *mount = &mounts[i - 1];
                struct entry *entry = mount->id ? table_get_unique(pods->table, mount->id) : NULL;
                int r;

                if (!entry)
                        entry = table_get(pods->table, mount->mount_id);
                if (!entry || (mount->id && entry->unique_id && entry->unique_id != mount->id))
                        continue;
                r = doom_append(&list, &n, entry, NULL, directory);
                if (r < 0)
                        return r;
                if (n > 0 && list[n - 1].mount_id == entry->id && mount->id)
                        list[n - 1].id = mount->id;
        }
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}
