/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Finds the mount that a path lies on. One question is answered by walking back over the mounts; a job of thousands
 * asks as often as it has mounts, so then there is an index by target for each container and a question costs a
 * look-up for each component of the path.
 */

#include "plan/cover.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "util/array.h"
#include "util/map.h"
#include "util/path.h"

enum { COVERS_INDEX_FROM = 16 /* questions, from which the index pays */ };

struct cover {
        const char *container;
        const char *target;
};

/* The targets of one container: target → number + 1 of the last mount there. */
struct cover_index {
        const char *container;
        struct map *by_target;
};

struct covers {
        bool indexed;
        struct cover *items;
        size_t n_items;
        struct cover_index *indexes;
        size_t n_indexes;
};

struct covers *covers_new(size_t n_queries) {
        struct covers *covers = calloc(1, sizeof(*covers));

        if (covers)
                covers->indexed = n_queries >= COVERS_INDEX_FROM;
        return covers;
}

struct covers *covers_free(struct covers *covers) {
        if (!covers)
                return NULL;
        for (size_t i = 0; i < covers->n_indexes; i++)
                map_free(covers->indexes[i].by_target);
        free(covers->indexes);
        free(covers->items);
        free(covers);
        return NULL;
}

static struct cover_index *find_index(const struct covers *covers, const char *container) {
        for (size_t i = 0; i < covers->n_indexes; i++)
                if (strcmp(covers->indexes[i].container, container) == 0)
                        return &covers->indexes[i];
        return NULL;
}

static int add_to_index(struct covers *covers, const char *container, const char *target, size_t number) {
        struct cover_index *index = find_index(covers, container);

        if (!index) {
                _cleanup_(map_freep) struct map *by_target = map_new(MAP_KEY_STRING);

                if (!by_target)
                        return -ENOMEM;
                index = array_append(&covers->indexes, &covers->n_indexes);
                if (!index)
                        return -ENOMEM;
                *index = (struct cover_index) {.container = container, .by_target = TAKE_PTR(by_target)};
        }
        (void) map_remove(index->by_target, target); /* a stacked mount takes the place of the one below */
        return map_put(index->by_target, target, (void *) (uintptr_t) (number + 1));
}

int covers_add(struct covers *covers, const char *container, const char *target) {
        size_t number = covers->n_items;
        struct cover *cover = array_append(&covers->items, &covers->n_items);

        if (!cover)
                return -ENOMEM;
        *cover = (struct cover) {.container = container, .target = target};
        return covers->indexed ? add_to_index(covers, container, target, number) : 0;
}

static size_t find_walking(const struct covers *covers, const char *container, const char *path) {
        for (size_t i = covers->n_items; i-- > 0;)
                if (path_is_below(path, covers->items[i].target) && strcmp(covers->items[i].container, container) == 0)
                        return i;
        return COVER_NONE;
}

/* Looks up the path, then each directory above it; the greatest number is the mount made last. */
static int find_indexed(const struct covers *covers, const char *container, const char *path, size_t *ret) {
        const struct cover_index *index = find_index(covers, container);
        _cleanup_free_ char *prefix = NULL;
        uintptr_t last = 0;

        if (!index) {
                *ret = COVER_NONE;
                return 0;
        }
        prefix = strdup(path);
        if (!prefix)
                return -ENOMEM;
        for (;;) {
                uintptr_t found = (uintptr_t) map_get(index->by_target, prefix);
                char *slash;

                if (found > last)
                        last = found;
                if (prefix[1] == 0)
                        break;
                slash = strrchr(prefix, '/');
                slash[slash == prefix ? 1 : 0] = 0;
        }
        *ret = last > 0 ? last - 1 : COVER_NONE;
        return 0;
}

int covers_find(const struct covers *covers, const char *container, const char *path, size_t *ret) {
        if (path[0] != '/')
                return -EINVAL;
        if (covers->indexed)
                return find_indexed(covers, container, path, ret);
        *ret = find_walking(covers, container, path);
        return 0;
}
