/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One directory has many names, in the roots of pods and on the host: places are compared by the file system and the path in
 * that, as the table has both of each mount. (Where symbolic links lead a target elsewhere is not looked at.)
 */

#include "pod/sharing.h"

#include <string.h>

#include "pod/drift.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

struct place {
        dev_t device; /* of the file system; where the path is not known, the root's st_dev */
        bool devices; /* what is in it may have another st_dev */
        char *path;   /* NULL: the root is not in the table any more, and so it is not known */
};

struct places {
        struct place *list;
        size_t n;
};

static void place_done(struct place *place) {
        free(place->path);
}

static void places_done(struct places *places) {
        for (size_t i = 0; i < places->n; i++)
                place_done(&places->list[i]);
        free(places->list);
}

static int place_on(const struct entry *mount, const char *below, struct place *ret) {
        *ret = (struct place) {
                .device = mount->device, .devices = drift_has_devices_of_its_own(mount), .path = path_join(mount->root, below)};
        return ret->path ? 0 : log_oom();
}

/* NULL for a root of which nothing is known. */
static int place_in_root(const struct pods *pods, const struct record_mount *root, const char *below, struct place *ret) {
        const struct entry *mount = root ? drift_find_entry(pods->table, root) : NULL;

        if (mount)
                return place_on(mount, below, ret);
        *ret = (struct place) {.device = root ? root->device : 0, .devices = !root || root->device == 0};
        return 0;
}

static int list_places(const struct pods *pods, const struct pod *pod, const char *leaving, struct places *places) {
        struct pod *other;

        MAP_FOREACH(other, pods->by_uuid)
                for (size_t i = 0; i < other->record->n_inside; i++) {
                        const struct record_mount *mount = &other->record->inside[i];
                        struct place *place;

                        if (mount->nested || mount->lost)
                                continue;
                        if (other == pod && (!leaving || strcmp(mount->container, leaving) == 0))
                                continue;
                        place = array_append(&places->list, &places->n);
                        if (!place)
                                return log_oom();
                        if (place_in_root(pods, pod_find_mount(other, mount->container, "/"), mount->target + 1, place) < 0)
                                return -ENOMEM;
                }
        return 0;
}

static uint32_t count(const char *path) {
        uint32_t n = 0;

        for (const char *c = path; *c; c++)
                n += *c == '/' && c[1] && c[1] != '/';
        return n;
}

static bool may_be_in_one_file_system(const struct place *a, const struct place *b) {
        if (a->device == b->device || (!a->path && !b->path))
                return true;
        return (!a->path || !b->path) && (a->devices || b->devices);
}

/* How many trailing components may go, of `made` that were made. */
static uint32_t spare(const struct places *places, const struct place *place, uint32_t made) {
        for (size_t i = 0; i < places->n; i++) {
                const struct place *used = &places->list[i];

                if (!may_be_in_one_file_system(used, place))
                        continue;
                if (!used->path || !place->path)
                        return 0;
                if (path_is_below(place->path, used->path) && count(place->path) - count(used->path) < made)
                        made = count(place->path) - count(used->path);
        }
        return made;
}

/* The record of a mount that shows this directory of the host as the root of one of the pod's containers; one that is there,
 * if any is. */
static const struct record_mount *shown_by(const struct pods *pods, const struct pod *pod, const char *source) {
        const struct record_mount *found = NULL;

        for (size_t i = 0; i < pod->record->n_mounts; i++) {
                const struct record_mount *mount = &pod->record->mounts[i];

                if (mount->ground_caller && strcmp(mount->target, "/") == 0 && mount->source && strcmp(mount->source, source) == 0 &&
                    (!found || drift_find_entry(pods->table, mount)))
                        found = mount;
        }
        return found;
}

static int spare_doomed(const struct pods *pods, const struct places *places, struct plan_doomed *doomed) {
        const struct entry *mount = doomed->made > 0 ? table_get(pods->table, doomed->mount_id) : NULL;
        const char *below = mount && mount->parent ? path_below(mount->point, mount->parent->point) : NULL;
        _cleanup_(place_done) struct place place = {};
        int r = below ? place_on(mount->parent, below, &place) : 0;

        if (below && r == 0)
                doomed->made = spare(places, &place, doomed->made);
        return r;
}

static int spare_directory(const struct pods *pods, const struct pod *pod, const struct places *places,
                           struct plan_directory *directory) {
        const struct record_mount *root = shown_by(pods, pod, directory->root);
        _cleanup_(place_done) struct place place = {};
        int r = root ? place_in_root(pods, root, directory->path + 1, &place) : 0;

        if (root && r == 0)
                directory->made = spare(places, &place, directory->made);
        return r;
}

int sharing_spare(const struct pods *pods, const struct pod *pod, const char *leaving, struct plan_doomed *doomed, size_t n_doomed,
                  struct plan_directory *directories, size_t n_directories) {
        _cleanup_(places_done) struct places places = {};
        int r = pod ? list_places(pods, pod, leaving, &places) : 0;

        if (r < 0 || places.n == 0)
                return r;
        for (size_t i = 0; i < n_doomed && r == 0; i++)
                r = spare_doomed(pods, &places, &doomed[i]);
        for (size_t i = 0; i < n_directories && r == 0; i++)
                r = spare_directory(pods, pod, &places, &directories[i]);
        return r;
}
