/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In the order of their targets, in which what is at or below one follows it at once, the mounts at and above the one that is looked at are
 * few, and at hand: one pass tells the grounds of thousands.
 */

#include "pod/grounds.h"

#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "util/path.h"

/* A mount, or a mount point that was made for one. */
struct stand {
        const char *container;
        size_t length; /* of the container's name */
        const char *target;
        const struct record_mount *mount; /* NULL for a mount point */
        const struct record_mount **ground;
};

const struct record_mount *ground_find(const struct record_pod *record, const struct record_mount *mount) {
        for (const struct record_mount *ground = mount; ground-- > record->mounts;)
                if (strcmp(ground->container, mount->container) == 0 && path_is_below(mount->target, ground->target))
                        return ground;
        return NULL;
}

static int compare_containers(const struct stand *a, const struct stand *b) {
        int order = memcmp(a->container, b->container, a->length < b->length ? a->length : b->length);

        return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* Those at one place as they were put there. */
static int compare(const void *a, const void *b) {
        const struct stand *x = a, *y = b;
        int order = compare_containers(x, y);

        if (order == 0)
                order = path_compare(x->target, y->target);
        if (order == 0 && x->mount && y->mount)
                return (x->mount > y->mount) - (x->mount < y->mount);
        return order != 0 ? order : !x->mount - !y->mount;
}

static bool is_below(const struct stand *stand, const struct stand *above) {
        return compare_containers(stand, above) == 0 && path_is_below(stand->target, above->target);
}

/* The latest of those at and above it that was there before. */
static const struct record_mount *choose(const struct stand *stand, const struct stand *const *way, size_t depth) {
        const struct record_mount *ground = NULL;

        for (size_t i = 0; i < depth; i++)
                if ((!stand->mount || way[i]->mount < stand->mount) && (!ground || way[i]->mount > ground))
                        ground = way[i]->mount;
        return ground;
}

static int find(struct stand *stands, size_t n, bool (*counts)(const struct record_mount *mount)) {
        _cleanup_free_ const struct stand **way = calloc(n + 1, sizeof(*way));
        size_t depth = 0;

        if (!way)
                return log_oom();
        qsort(stands, n, sizeof(*stands), compare);
        for (size_t i = 0; i < n; i++) {
                while (depth > 0 && !is_below(&stands[i], way[depth - 1]))
                        depth--;
                if (stands[i].ground)
                        *stands[i].ground = choose(&stands[i], way, depth);
                if (stands[i].mount && (!counts || counts(stands[i].mount)))
                        way[depth++] = &stands[i];
        }
        return 0;
}

static struct stand stand_of(const struct record_mount *mount, const struct record_mount **ground) {
        return (struct stand) {
                .container = mount->container, .length = strlen(mount->container), .target = mount->target, .mount = mount, .ground = ground};
}

int grounds_find_all(const struct record_pod *record, bool (*counts)(const struct record_mount *mount), const struct record_mount ***ret) {
        _cleanup_free_ const struct record_mount **grounds = calloc(record->n_mounts + 1, sizeof(*grounds));
        _cleanup_free_ struct stand *stands = calloc(record->n_mounts + 1, sizeof(*stands));
        int r;

        if (!grounds || !stands)
                return log_oom();
        for (size_t i = 0; i < record->n_mounts; i++)
                stands[i] = stand_of(&record->mounts[i], &grounds[i]);
        r = find(stands, record->n_mounts, counts);
        if (r == 0)
                *ret = TAKE_PTR(grounds);
        return r;
}

int grounds_find_points(const struct record_pod *record, const struct made_point *points, size_t n_points, const struct record_mount ***ret) {
        _cleanup_free_ const struct record_mount **grounds = calloc(n_points + 1, sizeof(*grounds));
        _cleanup_free_ struct stand *stands = calloc(record->n_mounts + n_points + 1, sizeof(*stands));
        int r;

        if (!grounds || !stands)
                return log_oom();
        for (size_t i = 0; i < record->n_mounts; i++)
                stands[i] = stand_of(&record->mounts[i], NULL);
        for (size_t i = 0; i < n_points; i++) {
                size_t length = strcspn(points[i].place, "/");

                stands[record->n_mounts + i] = (struct stand) {
                        .container = points[i].place, .length = length, .target = points[i].place + length, .ground = &grounds[i]};
        }
        r = find(stands, record->n_mounts + n_points, NULL);
        if (r == 0)
                *ret = TAKE_PTR(grounds);
        return r;
}
