/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record of a mount says what of its mount point was made, that of what it lies on, where that is on the host. (As long as
 * a mount is there, its mount point is removed by where it is: executor/unmount.c.)
 */

#include "pod/own-table.h"
#include "pod/points.h"

#include <string.h>

#include "pod/drift.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

/* What the mount was put on: the latest one before it, at or above its target. */
static const struct record_mount *ground_of(const struct record_pod *record, const struct record_mount *mount) {
        for (const struct record_mount *ground = mount; ground-- > record->mounts;)
                if (strcmp(ground->container, mount->container) == 0 && path_is_below(mount->target, ground->target))
                        return ground;
        return NULL;
}

/* The directory of the host in which the ground keeps what is made on it; NULL when that has no path. */
static const char *place_of(const struct record_mount *ground) {
        static const char upper[] = "upperdir=";

        if (strcmp(ground->type, "overlay") != 0)
                return ground->source && ground->source[0] == '/' ? ground->source : NULL;
        for (char **option = ground->options; option && *option; option++)
                if (strncmp(*option, upper, strlen(upper)) == 0 && (*option)[strlen(upper)] == '/')
                        return *option + strlen(upper);
        return NULL;
}

/* What lay behind a symlink that led nowhere has more components than its name. */
static bool can_be_found(const char *path, uint32_t made) {
        uint32_t n = 0;

        for (const char *c = path; *c; c++)
                n += *c == '/';
        return made <= n;
}

static bool is_meant(const struct record_mount *mount, struct points_which which) {
        if (mount->made == 0 || mount->deferred)
                return false;
        if (which.row != 0)
                return mount->row == which.row;
        return !which.container || strcmp(mount->container, which.container) == 0;
}

/* What goes with the file system that it is on is left out. */
static int append(struct plan_directory **list, size_t *n, const struct record_mount *ground, const char *target, uint32_t made, bool file) {
        struct plan_directory *directory;
        const char *path;

        if (!ground || !ground->ground_caller || !place_of(ground))
                return 0;
        path = target + (strcmp(ground->target, "/") == 0 ? 0 : strlen(ground->target));
        if (!can_be_found(path, made))
                return 0;
        directory = array_append(list, n);
        if (!directory)
                return log_oom();
        *directory = (struct plan_directory) {.root = place_of(ground), .path = path, .made = made, .file = file};
        return 0;
}

int points_doom(const struct pods *pods, const struct record_pod *record, struct points_which which,
                struct plan_directory **list, size_t *n) {
        for (size_t i = record ? record->n_mounts : 0; i > 0; i--) { /* the last one made goes first */
                const struct record_mount *mount = &record->mounts[i - 1], *ground;
                int r;

                if (!is_meant(mount, which) || drift_find_entry(pods_table(pods, record), mount))
                        continue;
                ground = ground_of(record, mount);
                r = append(list, n, ground, mount->target, mount->made, mount->made_file);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The last mount at or above the target. */
static const struct record_mount *last_ground(const struct record_pod *record, const char *container, size_t length, const char *target) {
        for (size_t i = record->n_mounts; i > 0; i--) {
                const struct record_mount *ground = &record->mounts[i - 1];

                if (strlen(ground->container) == length && strncmp(ground->container, container, length) == 0 && path_is_below(target, ground->target))
                        return ground;
        }
        return NULL;
}

int points_doom_made(const struct record_pod *record, const struct made *made, struct plan_directory **list, size_t *n) {
        for (size_t i = made->n_points; i > 0; i--) {
                const struct made_point *point = &made->points[i - 1];
                size_t length = strcspn(point->place, "/");
                const char *target = point->place + length;
                int r = append(list, n, last_ground(record, point->place, length, target), target, point->made, point->file);

                if (r < 0)
                        return r;
        }
        return 0;
}
