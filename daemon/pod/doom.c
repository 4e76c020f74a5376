/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds in the table what is to go. Where the table shows recycled ids alone, the executor compares the unique id of a
 * single mount once more before it acts; of a whole pod all goes that lies in it.
 */

#include "pod/doom.h"

#include <string.h>
#include <sys/mount.h>

#include "pod/drift.h"
#include "pod/host.h"
#include "pod/own-table.h"
#include "pod/registry.h"
#include "pod/volume.h"
#include "table/hidden.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

static uint64_t unique_id(const struct record_mount *mount) {
        return mount->id != mount->mount_id ? mount->id : 0;
}

/* Whether a later record has the same recycled id: then this mount was gone when the id was given away. */
static bool is_superseded(const struct record_pod *record, const struct record_mount *mount) {
        for (const struct record_mount *later = mount + 1; later < record->mounts + record->n_mounts; later++)
                if (later->mount_id == mount->mount_id && !later->deferred)
                        return true;
        return false;
}

struct entry *doom_find_entry(const struct pods *pods, const struct record_pod *record,
                              const struct record_mount *mount) {
        struct entry *entry = drift_find_entry(pods_table(pods, record), mount);

        return entry && !is_superseded(record, mount) ? entry : NULL;
}

int doom_index(const struct pods *pods, const struct record_pod *record, struct map **ret) {
        _cleanup_(map_freep) struct map *map = map_new(MAP_KEY_U64);

        if (!map)
                return log_oom();
        for (size_t i = record ? record->n_mounts : 0; i > 0; i--) {
                struct entry *entry = drift_find_entry(pods_table(pods, record), &record->mounts[i - 1]);

                if (entry && map_put_u64(map, entry->id, &record->mounts[i - 1]) == -ENOMEM)
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
                .device = mount && !mount->nested ? mount->device : 0, /* of nested ones, the table's is on record */
                .path = path,
                .made = mount ? mount->made : 0,
                .made_file = mount ? mount->made_file : false,
        };
        return 0;
}

/* Whether what it lies on stays when all of this goes: a root of the caller's, or, unless the whole pod goes, a volume. */
static bool lies_on_what_stays(const struct record_pod *record, const struct entry *entry, const struct map *records, bool whole) {
        const struct record_mount *ground = entry->parent ? map_get_u64(records, entry->parent->id) : NULL;

        return ground && (ground->ground_caller || (!whole && volume_of(record, ground)));
}

/* Whether it is in a clone of the whole tree: nothing above it is left out of such a one. */
static bool is_in_clone(const struct entry *entry) {
        for (const struct entry *above = entry; above; above = above->parent)
                if (above->propagation & ENTRY_UNBINDABLE)
                        return false;
        return true;
}

/* As the record has it, where it asks for something: whoever died after mounting it again, and before cutting it from what it
 * lies on, left it shared. */
static uint64_t propagation_of(const struct entry *entry, const struct record_mount *mount) {
        const uint64_t wanted = mount ? mount->propagation & (MS_PRIVATE | MS_UNBINDABLE) : 0;

        if (wanted)
                return wanted;
        return entry->propagation & ENTRY_SHARED ? MS_SHARED : entry->propagation & ENTRY_UNBINDABLE ? MS_UNBINDABLE : MS_PRIVATE;
}

/* How it comes back when something else is busy. A clone of its own alone stays the slave of a peer group, and is of a mount that
 * a path does not lead to. */
static void keep(const struct entry *entry, const struct record_mount *mount, bool hidden, struct plan_doomed *doomed) {
        const bool slave = entry->propagation & ENTRY_SLAVE;

        doomed->kept = true;
        doomed->of_tree = !slave && !hidden && is_in_clone(entry);
        if (!slave)
                doomed->propagation = propagation_of(entry, mount);
}

static bool hangs_on(const struct entry *entry, const struct entry *top) {
        while (entry && entry != top)
                entry = entry->parent;
        return entry != NULL;
}

/* What hides it as a mount on the same one, at a directory above, and so has to go first; NULL: nothing does. */
static const struct entry *hider_of(const struct table *table, const struct entry *entry) {
        _cleanup_free_ char *path = entry->parent ? strdup(entry->point) : NULL;

        while (path && strrchr(path, '/') && strlen(path) > strlen(entry->parent->point)) {
                const struct entry *above;

                *strrchr(path, '/') = '\0';
                above = table_at(table, path);
                while (above && above->parent != entry->parent)
                        above = above->parent;
                if (above && above != entry)
                        return above;
        }
        return NULL;
}

/* Mostly what hides others was mounted after them. Not so by the ids of mounts that have been taken off and mounted again, by
 * which a restart has them in order: each that is hidden goes, with what hangs on it, behind what hides it. `entries` has
 * parents first, and is unmounted from its end. `ret` says of each whether a path leads to another mount. */
static int put_in_order(const struct table *table, const char *point, struct entry **entries, size_t n, bool **ret) {
        _cleanup_(map_freep) struct map *hidden_ones = NULL;
        _cleanup_free_ bool *are_hidden = calloc(n + 1, sizeof(*are_hidden));

        if (!are_hidden || hidden_below(table, point, &hidden_ones) < 0)
                return log_oom();
        for (size_t i = 0; i < n; i++)
                are_hidden[i] = map_get_u64(hidden_ones, entries[i]->id) != NULL;
        for (size_t i = n; i-- > 0;) {
                struct entry *hidden = entries[i];
                const struct entry *hider = are_hidden[i] ? hider_of(table, hidden) : NULL;
                size_t size = 1, at = 0;

                if (!hider)
                        continue;
                while (at < i && entries[at] != hider)
                        at++;
                while (i + size < n && hangs_on(entries[i + size], hidden))
                        size++;
                for (size_t j = 0; at < i && j < size; j++) {
                        struct entry *moved = entries[i + j];
                        const bool is_hidden = are_hidden[i + j];

                        memmove(&entries[at + j + 1], &entries[at + j], (i - at) * sizeof(struct entry *));
                        memmove(&are_hidden[at + j + 1], &are_hidden[at + j], (i - at) * sizeof(bool));
                        entries[at + j] = moved;
                        are_hidden[at + j] = is_hidden;
                }
                i += at < i; /* another one is here now */
        }
        *ret = TAKE_PTR(are_hidden);
        return 0;
}

/* All mounts at or below `point`, descendants first, with their paths in `directory`. `whole`: that is the whole pod. `lazy`: they
 * go at once, so that none comes back, and none has to go before another. */
static int doom_below(const struct pods *pods, const struct record_pod *record, const char *directory, const char *point,
                      bool whole, bool lazy, struct plan_doomed **ret, size_t *ret_n) {
        _cleanup_(map_freep) struct map *records = NULL;
        _cleanup_free_ struct plan_doomed *list = NULL;
        _cleanup_free_ struct entry **entries = NULL;
        _cleanup_free_ bool *hidden = NULL;
        size_t n_entries = 0, n = 0;
        int r;

        r = doom_index(pods, record, &records);
        if (r < 0)
                return r;
        r = table_below(pods_table(pods, record), point, &entries, &n_entries);
        if (r < 0)
                return log_errno(LOG_ERR, r, "list the mounts below %s", point);
        r = lazy ? 0 : put_in_order(pods_table(pods, record), point, entries, n_entries, &hidden);
        if (r < 0)
                return r;
        for (size_t i = n_entries; i > 0; i--) {
                const struct entry *entry = entries[i - 1];
                const struct record_mount *mount = map_get_u64(records, entry->id);
                size_t before = n;

                r = doom_append(&list, &n, entry, mount, directory);
                if (r < 0)
                        return r;
                /* All that hangs here goes, also a foreign mount that took the place and the recycled id of one of ours. */
                if (n > before) {
                        list[n - 1].id = entry->unique_id;
                        list[n - 1].device = 0;
                        if (!lazy)
                                keep(entry, mount, hidden[i - 1], &list[n - 1]);
                }
                /* Mount points on the pod's own file systems go with these. */
                if (n > before && list[n - 1].made > 0 && !lies_on_what_stays(record, entry, records, whole))
                        list[n - 1].made = 0;
        }
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

int doom_pod(const struct pods *pods, const char *uuid, const struct record_pod *record, bool lazy, struct plan_doomed **ret,
             size_t *ret_n) {
        _cleanup_free_ char *directory = pods_directory(pods, uuid);
        _cleanup_free_ struct plan_doomed *list = NULL, *below = NULL;
        size_t n = 0, n_below = 0;
        int r = directory ? doom_below(pods, record, directory, directory, true, lazy, &below, &n_below) : log_oom();

        if (r == 0 && (!record || record->n_host == 0)) {
                *ret = TAKE_PTR(below);
                *ret_n = n_below;
                return 0;
        }
        if (r == 0)
                r = host_doom(pods, record, &list, &n);
        for (size_t i = 0; i < n_below && r == 0; i++) {
                struct plan_doomed *doomed = array_append(&list, &n);

                if (!doomed)
                        return log_oom();
                *doomed = below[i];
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

int doom_container(const struct pods *pods, const struct record_pod *record, const char *container,
                   struct plan_doomed **ret, size_t *ret_n) {
        _cleanup_free_ char *directory = pods_directory(pods, record->uuid);
        _cleanup_free_ char *point = directory ? path_join(directory, container) : NULL;
        struct plan_doomed *list = NULL;
        size_t n = 0;
        int r;

        if (!point)
                return log_oom();
        r = doom_below(pods, record, directory, point, false, false, &list, &n);
        if (r < 0)
                return r;
        /* The directories on the pod's tmpfs, "<container>" or "<container>/rootfs", go with the last. */
        if (n > 0 && strcmp(list[n - 1].path, container) == 0)
                list[n - 1].made = 1;
        else if (n > 0 && path_below(list[n - 1].path, container) &&
                 strcmp(path_below(list[n - 1].path, container), "rootfs") == 0)
                list[n - 1].made = 2;
        *ret = list;
        *ret_n = n;
        return 0;
}

int doom_place(const struct record_pod *record, const char *container, const char *rootfs, struct plan_doomed **list,
               size_t *n) {
        const struct record_mount *top = NULL;
        struct plan_doomed *doomed;

        for (size_t i = 0; i < record->n_mounts; i++) {
                const struct record_mount *mount = &record->mounts[i];

                if (!mount->container[0] && strcmp(mount->target, container) == 0)
                        top = mount; /* its own tmpfs, which an added one has */
                else if (!top && strcmp(mount->container, container) == 0 && strcmp(mount->target, "/") == 0)
                        top = mount;
        }
        if (!top)
                return 0;
        doomed = array_append(list, n);
        if (!doomed)
                return log_oom();
        *doomed = (struct plan_doomed) {
                .id = unique_id(top),
                .mount_id = top->mount_id,
                .device = top->device,
                .path = top->container[0] ? rootfs : container,
                .made = top->container[0] ? 2 : 1,
        };
        return 0;
}

/* One that a repair had made, and that is on no record yet. */
static int append_on_host(struct plan_doomed **list, size_t *n, const struct entry *entry) {
        struct plan_doomed *doomed = array_append(list, n);

        if (!doomed)
                return log_oom();
        *doomed = (struct plan_doomed) {.id = entry->unique_id, .mount_id = entry->id, .path = entry->point, .host = true};
        return 0;
}

static struct entry *find_made(const struct table *table, const struct intent_mount *mount) {
        struct entry *entry = mount->id ? table_get_unique(table, mount->id) : NULL;

        if (!entry)
                entry = table_get(table, mount->mount_id);
        return entry && mount->id && entry->unique_id && entry->unique_id != mount->id ? NULL : entry;
}

struct entry *doom_find_made(const struct pods *pods, const char *uuid, const struct intent_mount *mount) {
        const struct pod *pod = map_get(pods->by_uuid, uuid);
        struct entry *entry = pod ? find_made(pods_table(pods, pod->record), mount) : NULL;

        return entry ?: find_made(pods->table, mount);
}

int doom_made(const struct pods *pods, const char *uuid, const struct intent_mount *mounts, size_t n_mounts,
              struct plan_doomed **ret, size_t *ret_n) {
        _cleanup_free_ char *directory = pods_directory(pods, uuid);
        const struct pod *pod = map_get(pods->by_uuid, uuid);
        _cleanup_free_ struct plan_doomed *list = NULL;
        size_t n = 0;

        if (!directory)
                return log_oom();
        for (size_t i = n_mounts; i > 0; i--) {
                const struct intent_mount *mount = &mounts[i - 1];
                struct entry *entry = doom_find_made(pods, uuid, mount);
                int r;

                if (!entry)
                        continue;
                r = doom_append(&list, &n, entry, NULL, directory);
                if (r == 0 && pod && host_has_place(pod->record, entry))
                        r = append_on_host(&list, &n, entry);
                if (r < 0)
                        return r;
                if (n > 0 && list[n - 1].mount_id == entry->id && mount->id)
                        list[n - 1].id = mount->id;
        }
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}
