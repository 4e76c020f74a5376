/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks for what is in the way of a mount that is to be made again: what it lay on may be gone, or covered.
 */

#include "pod/own-table.h"
#include "pod/place.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "pod/doom.h"
#include "pod/registry.h"
#include "util/log.h"

static const struct record_mount *record_of(const struct pods *pods, const struct record_pod *record,
                                            const struct entry *entry) {
        for (size_t i = record->n_mounts; i > 0; i--) {
                const struct record_mount *mount = &record->mounts[i - 1];

                if (!mount->deferred && mount->mount_id == entry->id && doom_find_entry(pods, record, mount) == entry)
                        return mount;
        }
        return NULL;
}

/* With a recursive clone: it is part of what that one is. */
static bool came_along(const struct record_mount *mount) {
        return mount && mount->nested;
}

static uint64_t id_of(const struct entry *entry) {
        return entry->unique_id ?: entry->id;
}

/* The mount that a walk to this path ends on. The path is cut on the way. */
static const struct entry *meet(const struct table *table, char *path) {
        const struct entry *met = NULL;

        while (!met && *path) {
                met = table_at(table, path);
                *strrchr(path, '/') = '\0';
        }
        return met;
}

int place_check(const struct pods *pods, const struct record_pod *record, const struct record_mount *mount,
                const struct record_mount *ground, struct failure *f) {
        const struct entry *below = ground ? doom_find_entry(pods, record, ground) : NULL, *met;
        _cleanup_free_ char *directory = pods_directory(pods, record->uuid), *path = NULL;

        if (!directory)
                return log_oom();
        if (asprintf(&path, "%s/%s/rootfs%s", directory, mount->container, mount->target) < 0) {
                path = NULL;
                return log_oom();
        }
        if (!below)
                return failure_set(f, FAILURE_BUSY, "What it lies on, %s, is missing itself; repair that first.",
                                   ground ? ground->target : "another mount");
        met = meet(pods_table(pods, record), path);
        while (met && met != below && came_along(record_of(pods, record, met)))
                met = met->parent;
        if (met == below)
                return 0;
        if (!met)
                return failure_set(f, FAILURE_BUSY, "Its place is hidden by other mounts; podmountctl tree %s shows them.",
                                   record->uuid);
        return failure_set(f, FAILURE_BUSY, "Its place is covered by mount %" PRIu64 " (%s) at %s, which %s; unmount that "
                                            "first.", id_of(met), met->type ?: "of unknown type", met->point,
                           record_of(pods, record, met) ? "was made later" : "podmountd did not make");
}

int place_check_parent(const struct pods *pods, const struct record_pod *record, const struct record_mount *mount,
                       struct failure *f) {
        const struct entry *entry = doom_find_entry(pods, record, mount);

        if (!entry || !entry->parent || record_of(pods, record, entry->parent))
                return 0; /* what somebody unmounted meanwhile is drift again */
        return failure_set(f, FAILURE_BUSY, "Its target leads to mount %" PRIu64 " (%s) at %s, which podmountd did not "
                                            "make; unmount that first.", id_of(entry->parent),
                           entry->parent->type ?: "of unknown type", entry->parent->point);
}
