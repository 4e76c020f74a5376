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

static uint32_t count_between(const char *path, size_t from, size_t to) {
        uint32_t n = 0;

        for (size_t i = from; i < to; i++)
                n += path[i] == '/';
        return n;
}

/* Takes a share in what was made on the way to the `other` mount, if what was made for this one begins there. */
static void share(const struct record_pod *record, const struct record_mount *other, struct record_mount *mount) {
        size_t begin = path_length_without(mount->target, mount->made), way = path_length_without(other->target, other->made);

        if (mount == other || begin <= way || strncmp(other->target, mount->target, begin) != 0 || other->target[begin] != '/')
                return;
        if (strcmp(other->container, mount->container) == 0 && ground_of(record, other) == ground_of(record, mount))
                mount->made += count_between(mount->target, way, begin);
}

void points_share(struct record_pod *record, size_t from) {
        for (size_t i = from; i < record->n_mounts; i++)
                for (size_t j = 0; record->mounts[i].made > 0 && j < record->n_mounts; j++)
                        if (record->mounts[j].made > 1)
                                share(record, &record->mounts[j], &record->mounts[i]);
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
