/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In the order of their mount points, in which a slash comes before all else, what lies at or below a mount point follows it at once. So the mounts
 * at directories above the one that is looked at are always few, and at hand.
 */

#include "table/hidden.h"

#include <errno.h>
#include <string.h>

#include "util/array.h"
#include "util/path.h"

struct pass {
        const struct table *table;
        const char *path;
        struct entry **sorted, **way; /* all of them; those at the mount point of the last one, and at directories above */
        size_t n, depth;
        struct map *covered, *blocked; /* by id: on whose root another one sits; which another one at a directory above keeps walks from */
};

static void pass_done(struct pass *pass) {
        free(pass->sorted);
        free(pass->way);
        map_free(pass->covered);
        map_free(pass->blocked);
}

static int gather(struct entry *entry, void *userdata) {
        struct pass *pass = userdata;
        struct entry **place = array_append(&pass->sorted, &pass->n);

        if (!place)
                return -ENOMEM;
        *place = entry;
        return 0;
}

static int put(struct map *map, struct entry *entry) {
        int r = map_put_u64(map, entry->id, entry);

        return r == -EEXIST ? 0 : r;
}

static bool sits_on_root(const struct entry *entry) {
        return entry->parent && strcmp(entry->point, entry->parent->point) == 0;
}

/* Whether another child of its parent is mounted at a directory above it. */
static bool has_sibling_above(const struct pass *pass, const struct entry *entry) {
        for (size_t i = entry->parent ? pass->depth : 0; i-- > 0;)
                if (pass->way[i]->parent == entry->parent && strcmp(pass->way[i]->point, entry->point) != 0)
                        return true;
        return false;
}

/* The first on the way down from `path`: what is above it is not among them. */
static bool is_top(const struct pass *pass, const struct entry *entry) {
        return entry->parent && !path_is_below(entry->parent->point, pass->path);
}

static int look(struct pass *pass, struct entry *entry) {
        int r = sits_on_root(entry) ? put(pass->covered, entry->parent) : 0;

        while (pass->depth > 0 && !path_is_below(entry->point, pass->way[pass->depth - 1]->point))
                pass->depth--;
        if (r == 0 && (has_sibling_above(pass, entry) || (is_top(pass, entry) && !table_is_reached(pass->table, entry))))
                r = put(pass->blocked, entry);
        pass->way[pass->depth++] = entry;
        return r;
}

static bool is_blocked(const struct pass *pass, const struct entry *entry) {
        if (map_size(pass->blocked) == 0)
                return false;
        while (entry && !map_get_u64(pass->blocked, entry->id))
                entry = entry->parent;
        return entry != NULL;
}

/* Of several that nothing hides at one mount point a walk ends on the first. */
static int choose(const struct pass *pass, struct map *hidden) {
        const struct entry *last = NULL;
        int r = 0;

        for (size_t i = 0; i < pass->n && r == 0; i++) {
                struct entry *entry = pass->sorted[i];

                if (map_get_u64(pass->covered, entry->id) || is_blocked(pass, entry) || (last && strcmp(last->point, entry->point) == 0))
                        r = put(hidden, entry);
                else
                        last = entry;
        }
        return r;
}

int hidden_below(const struct table *table, const char *path, struct map **ret) {
        _cleanup_(pass_done) struct pass pass = {.table = table, .path = path, .covered = map_new(MAP_KEY_U64), .blocked = map_new(MAP_KEY_U64)};
        _cleanup_(map_freep) struct map *hidden = map_new(MAP_KEY_U64);
        int r = pass.covered && pass.blocked && hidden ? table_each_below(table, path, gather, &pass) : -ENOMEM;

        if (r == 0) {
                pass.way = calloc(pass.n + 1, sizeof(struct entry *));
                r = pass.way ? 0 : -ENOMEM;
        }
        for (size_t i = 0; i < pass.n && r == 0; i++)
                r = look(&pass, pass.sorted[i]);
        if (r == 0)
                r = choose(&pass, hidden);
        if (r == 0)
                *ret = TAKE_PTR(hidden);
        return r;
}
