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
        dev_t device;
        char *path;
};

struct places {
        struct place *list;
        size_t n;
};

static void places_done(struct places *places) {
        for (size_t i = 0; i < places->n; i++)
                free(places->list[i].path);
        free(places->list);
}

static const struct entry *root_entry(const struct pods *pods, const struct pod *pod, const char *container) {
        const struct record_mount *root = pod_find_mount(pod, container, "/");

        return root ? drift_find_entry(pods->table, root) : NULL;
}

static int add_place(struct places *places, const struct entry *mount, const char *below) {
        struct place *place = array_append(&places->list, &places->n);

        if (!place)
                return log_oom();
        *place = (struct place) {.device = mount->device, .path = path_join(mount->root, below)};
        return place->path ? 0 : log_oom();
}

static int list_places(const struct pods *pods, const struct pod *pod, const char *leaving, struct places *places) {
        struct pod *other;

        MAP_FOREACH(other, pods->by_uuid)
                for (size_t i = 0; i < other->record->n_inside; i++) {
                        const struct record_mount *mount = &other->record->inside[i];
                        const struct entry *root;

                        if (mount->nested || mount->lost)
                                continue;
                        if (other == pod && (!leaving || strcmp(mount->container, leaving) == 0))
                                continue;
                        root = root_entry(pods, other, mount->container);
                        if (root && add_place(places, root, mount->target + 1) < 0)
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

/* How many trailing components may go, of `made` that were made. */
static uint32_t spare(const struct places *places, const struct place *place, uint32_t made) {
        for (size_t i = 0; i < places->n; i++) {
                const struct place *used = &places->list[i];

                if (used->device == place->device && path_is_below(place->path, used->path) &&
                    count(place->path) - count(used->path) < made)
                        made = count(place->path) - count(used->path);
        }
        return made;
}

static int spare_below(const struct places *places, const struct entry *mount, const char *below, uint32_t *made) {
        _cleanup_free_ char *path = path_join(mount->root, below);

        if (!path)
                return log_oom();
        *made = spare(places, &(const struct place) {.device = mount->device, .path = path}, *made);
        return 0;
}

/* The mount that shows this directory of the host as the root of one of the pod's containers. */
static const struct entry *shown_by(const struct pods *pods, const struct pod *pod, const char *source) {
        for (size_t i = 0; i < pod->record->n_mounts; i++) {
                const struct record_mount *mount = &pod->record->mounts[i];

                if (mount->ground_caller && strcmp(mount->target, "/") == 0 && mount->source && strcmp(mount->source, source) == 0)
                        return drift_find_entry(pods->table, mount);
        }
        return NULL;
}

int sharing_spare(const struct pods *pods, const struct pod *pod, const char *leaving, struct plan_doomed *doomed, size_t n_doomed,
                  struct plan_directory *directories, size_t n_directories) {
        _cleanup_(places_done) struct places places = {};
        int r = pod ? list_places(pods, pod, leaving, &places) : 0;

        if (r < 0 || places.n == 0)
                return r;
        for (size_t i = 0; i < n_doomed && r == 0; i++) {
                const struct entry *mount = doomed[i].made > 0 ? table_get(pods->table, doomed[i].mount_id) : NULL;
                const char *below = mount && mount->parent ? path_below(mount->point, mount->parent->point) : NULL;

                if (below)
                        r = spare_below(&places, mount->parent, below, &doomed[i].made);
        }
        for (size_t i = 0; i < n_directories && r == 0; i++) {
                const struct entry *mount = shown_by(pods, pod, directories[i].root);

                if (mount)
                        r = spare_below(&places, mount, directories[i].path + 1, &directories[i].made);
        }
        return r;
}
