/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record of a mount says what of its mount point was made, that of what it lies on, where that is on the host. (As long as
 * a mount is there, its mount point is removed by where it is: executor/unmount.c.)
 */

#include "pod/own-table.h"
#include "pod/points.h"

#include <stdlib.h>
#include <string.h>

#include "pod/drift.h"
#include "pod/grounds.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

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

/* The directory in which what was made for a mount begins, as the length of its path, is one on the way to the other mount. */
static bool leads_to(const struct record_mount *mount, size_t begin, const struct record_mount *other) {
        return strncmp(other->target, mount->target, begin) == 0 && other->target[begin] == '/' && strcmp(other->container, mount->container) == 0;
}

/* Those of all, where they are asked for often; NULL: they are looked for one by one. */
static const struct record_mount *ground_of(const struct record_pod *record, const struct record_mount **grounds, size_t i) {
        return grounds ? grounds[i] : ground_find(record, &record->mounts[i]);
}

/* Takes its shares in what was made on the ways to others. `ways`: where that begins for each, SIZE_MAX for nothing. */
static void share(struct record_pod *record, const struct record_mount **grounds, size_t *ways, size_t i) {
        struct record_mount *mount = &record->mounts[i];
        size_t begin = path_length_without(mount->target, mount->made);

        for (size_t j = 0; j < record->n_mounts && begin > 0; j++) {
                if (ways[j] >= begin || j == i || !leads_to(mount, begin, &record->mounts[j]) ||
                    ground_of(record, grounds, i) != ground_of(record, grounds, j))
                        continue;
                mount->made += count_between(mount->target, ways[j], begin);
                begin = ways[j];
        }
        if (mount->made > 1)
                ways[i] = begin;
}

/* The front serves nobody meanwhile: with thousands of new mounts in a pod of thousands, each pair of them is a comparison of two numbers
 * at most, but for those that have to do with each other. */
int points_share(struct record_pod *record, size_t from) {
        enum { FEW = 16 };
        _cleanup_free_ const struct record_mount **grounds = NULL;
        _cleanup_free_ size_t *ways = NULL;
        size_t n = 0;
        int r;

        for (size_t i = from; i < record->n_mounts; i++)
                n += record->mounts[i].made > 0;
        if (n == 0)
                return 0;
        ways = calloc(record->n_mounts, sizeof(*ways));
        if (!ways)
                return log_oom();
        r = n > FEW ? grounds_find_all(record, NULL, &grounds) : 0;
        if (r < 0)
                return r;
        for (size_t i = 0; i < record->n_mounts; i++)
                ways[i] = record->mounts[i].made > 1 ? path_length_without(record->mounts[i].target, record->mounts[i].made) : SIZE_MAX;
        for (size_t i = from; i < record->n_mounts; i++)
                if (record->mounts[i].made > 0)
                        share(record, grounds, ways, i);
        return 0;
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
        _cleanup_free_ const struct record_mount **grounds = NULL;
        int r = record && which.row == 0 ? grounds_find_all(record, NULL, &grounds) : 0;

        for (size_t i = record ? record->n_mounts : 0; i > 0 && r == 0; i--) { /* the last one made goes first */
                const struct record_mount *mount = &record->mounts[i - 1];

                if (is_meant(mount, which) && !drift_find_entry(pods_table(pods, record), mount))
                        r = append(list, n, ground_of(record, grounds, i - 1), mount->target, mount->made, mount->made_file);
        }
        return r;
}

int points_doom_made(const struct record_pod *record, const struct made *made, struct plan_directory **list, size_t *n) {
        _cleanup_free_ const struct record_mount **grounds = NULL;
        int r = made->n_points > 0 ? grounds_find_points(record, made->points, made->n_points, &grounds) : 0;

        for (size_t i = made->n_points; i > 0 && r == 0; i--) {
                const struct made_point *point = &made->points[i - 1];

                r = append(list, n, grounds[i - 1], point->place + strcspn(point->place, "/"), point->made, point->file);
        }
        return r;
}
