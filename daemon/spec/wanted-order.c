/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The order in which mounts are made: as given, but a mount that was listed after one below it comes before that, since
 * it would hide it otherwise. By the words of the destinations: what a symlink in the container leads to is not known
 * here.
 */

#include <stdlib.h>
#include <string.h>

#include "spec/wanted.h"
#include "util/array.h"
#include "util/map.h"

struct ordering {
        struct map *by_target; /* destination → index + 1 of the first mount there */
        bool *done;
        size_t *order;
        size_t n;
};

static void ordering_done(struct ordering *o) {
        map_free(o->by_target);
        free(o->done);
        free(o->order);
}

static void take(struct ordering *o, size_t i) {
        if (!o->done[i])
                o->order[o->n++] = i;
        o->done[i] = true;
}

/* The mounts above it, the topmost first, then itself. */
static int take_with_parents(struct ordering *o, const struct spec_mount *mounts, size_t i) {
        _cleanup_free_ char *path = strdup(mounts[i].destination);

        if (!path)
                return -ENOMEM;
        for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                uintptr_t found;

                *slash = '\0';
                found = (uintptr_t) map_get(o->by_target, path);
                *slash = '/';
                if (found > 0)
                        take(o, found - 1);
        }
        take(o, i);
        return 0;
}

int wanted_order(const struct spec_mount *mounts, size_t n, size_t **ret) {
        _cleanup_(ordering_done) struct ordering o = {
                .by_target = map_new(MAP_KEY_STRING),
                .done = calloc(n + 1, sizeof(*o.done)),
                .order = calloc(n + 1, sizeof(*o.order)),
        };
        int r = o.by_target && o.done && o.order ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < n; i++) {
                r = map_put(o.by_target, mounts[i].destination, (void *) (uintptr_t) (i + 1));
                if (r == -EEXIST) /* stacked on purpose */
                        r = 0;
        }
        for (size_t i = 0; r == 0 && i < n; i++)
                r = take_with_parents(&o, mounts, i);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o.order);
        return 0;
}
