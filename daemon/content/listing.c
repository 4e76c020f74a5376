/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two trees compared as wholes. */

#include "content/listing.h"

#include <errno.h>
#include <string.h>

#include "util/array.h"
#include "util/log.h"

void listing_done(struct listing *listing) {
        for (size_t i = 0; i < listing->n; i++)
                free(listing->list[i].path);
        free(listing->list);
        *listing = LISTING_INIT;
}

struct gathering {
        const struct changes *changes;
        void *userdata;
        struct listing *listing;
};

static bool has_names(const struct stat *status) {
        return !S_ISDIR(status->st_mode) && status->st_nlink > 1;
}

static int gather(const struct change *change, void *userdata, struct failure *f) {
        struct gathering *gathering = userdata;
        const struct stat *now = change->node ? &change->node->status : NULL;
        bool links = now && (has_names(now) || (change->then && has_names(change->then)));
        struct listed *listed;
        int r = gathering->changes->pulse ? gathering->changes->pulse(gathering->changes->pulse_userdata, f) : 0;

        if (r != 0)
                return r;
        if (change->kind == CHANGE_SAME && !links && !S_ISDIR(now->st_mode))
                return 0;
        if (gathering->listing->n >= LISTING_MAX)
                return failure_set(f, FAILURE_NOT_SUPPORTED, "the two trees have more than %d entries that differ", LISTING_MAX);
        listed = array_append(&gathering->listing->list, &gathering->listing->n);
        if (!listed)
                return log_oom();
        *listed = (struct listed) {
                .path = strdup(change->path),
                .name = strlen(change->path) - strlen(change->name),
                .kind = change->kind,
                .differences = change->differences,
                .directory = now && S_ISDIR(now->st_mode),
                .told = change->kind != CHANGE_SAME,
                .size = now && S_ISREG(now->st_mode) ? now->st_size : 0,
        };
        if (links) {
                listed->now_device = now->st_dev;
                listed->now_inode = now->st_ino;
                listed->then_device = change->then ? change->then->st_dev : 0;
                listed->then_inode = change->then ? change->then->st_ino : 0;
        }
        return listed->path ? 0 : log_oom();
}

static int compare_numbers(uint64_t a, uint64_t b) {
        return (a > b) - (a < b);
}

static int compare_now(const void *a, const void *b) {
        const struct listed *x = *(struct listed *const *) a, *y = *(struct listed *const *) b;
        int r = compare_numbers(x->now_device, y->now_device);

        return r != 0 ? r : compare_numbers(x->now_inode, y->now_inode);
}

static int compare_then(const void *a, const void *b) {
        const struct listed *x = *(struct listed *const *) a, *y = *(struct listed *const *) b;
        int r = compare_numbers(x->then_device, y->then_device);

        return r != 0 ? r : compare_numbers(x->then_inode, y->then_inode);
}

static bool tell_all(struct listed **list, size_t n) {
        bool changed = false;

        for (size_t i = 0; i < n; i++)
                if (!list[i]->told) {
                        list[i]->told = changed = true;
                        list[i]->kind = CHANGE_MODIFIED;
                        list[i]->differences |= NODE_LINKS;
                }
        return changed;
}

/* The names of one file now: all are told, or none, in which case they were one file before. */
static bool settle_now(struct listed **list, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (list[i]->told || compare_then(&list[0], &list[i]) != 0)
                        return tell_all(list, n);
        return false;
}

/* Those of one file before that would stay, and are several now. */
static bool settle_then(struct listed **list, size_t n) {
        const struct listed *first = NULL;

        if (list[0]->then_inode == 0)
                return false;
        for (size_t i = 0; i < n; i++) {
                if (list[i]->told)
                        continue;
                if (first && compare_now(&first, &list[i]) != 0)
                        return tell_all(list, n);
                first = list[i];
        }
        return false;
}

static bool settle(struct listed **list, size_t n, int (*compare)(const void *, const void *), bool (*fn)(struct listed **, size_t)) {
        bool changed = false;

        qsort(list, n, sizeof(*list), compare);
        for (size_t i = 0, end; i < n; i = end) {
                for (end = i + 1; end < n && compare(&list[i], &list[end]) == 0;)
                        end++;
                changed |= fn(list + i, end - i);
        }
        return changed;
}

static int settle_links(struct listing *listing) {
        _cleanup_free_ struct listed **list = calloc(listing->n + 1, sizeof(*list));
        size_t n = 0;

        if (!list)
                return log_oom();
        for (size_t i = 0; i < listing->n; i++)
                if (listing->list[i].now_inode != 0)
                        list[n++] = &listing->list[i];
        while (n > 0 && (settle(list, n, compare_now, settle_now) || settle(list, n, compare_then, settle_then)))
                ; /* each round tells more, so that it ends */
        return 0;
}

static bool is_in(const struct listed *directory, const struct listed *listed) {
        size_t size = strlen(directory->path);

        return size == 0 || (strncmp(directory->path, listed->path, size) == 0 && listed->path[size] == '/');
}

/* A directory on the way is told with what is in it, for a tar that has the one without the other says nothing of its mode. */
static int settle_ways(struct listing *listing) {
        _cleanup_free_ struct listed **way = NULL;
        size_t depth = 0;

        way = calloc(CHANGES_DEPTH_MAX + 1, sizeof(*way));
        if (!way)
                return log_oom();
        for (size_t i = 0; i < listing->n; i++) {
                struct listed *listed = &listing->list[i];

                while (depth > 0 && !is_in(way[depth - 1], listed))
                        depth--;
                for (size_t j = depth; listed->told && j > 0 && !way[j - 1]->on_the_way; j--)
                        way[j - 1]->on_the_way = true;
                if (listed->directory)
                        way[depth++] = listed;
        }
        return 0;
}

int listing_make(const struct changes *changes, void *userdata, struct listing *ret, struct failure *f) {
        struct gathering gathering = {.changes = changes, .userdata = userdata, .listing = ret};
        int r;

        *ret = LISTING_INIT;
        r = changes_walk(changes, gather, &gathering, f);
        if (r == 0)
                r = settle_links(ret);
        if (r == 0)
                r = settle_ways(ret);
        if (r == 0 && ret->n > 0)
                ret->list[0].on_the_way = true; /* the tree's own directory */
        return r;
}

/* Where the way to an entry has been gone already. */
struct way {
        struct place place;
        size_t size; /* of its path, with a slash behind it */
};

struct return_walk {
        const struct changes *changes;
        struct way *ways;
        size_t n;
};

static void return_done(struct return_walk *walk) {
        for (size_t i = 1; i < walk->n; i++) /* the first is the caller's */
                place_done(&walk->ways[i].place);
        free(walk->ways);
}

static int gone(const struct listed *listed, int r, uint32_t foreign, struct failure *f) {
        if (r == -ENOMEM)
                return log_oom();
        if (r == -ERANGE)
                return failure_set(f, FAILURE_NOT_SUPPORTED, "/%s is of the id %u, which the mappings of the layer do not name", listed->path, foreign);
        return failure_set(f, FAILURE_MOUNT_FAILED, "/%s cannot be read any more: %s", listed->path, strerror(-r));
}

/* The directory that it is in is the deepest one that was entered: all on the way to it are in the list. */
static int tell(struct return_walk *walk, const struct listed *listed, change_fn fn, void *userdata, struct failure *f) {
        _cleanup_node_ struct node node = NODE_INIT;
        struct change change = {.kind = listed->kind, .path = listed->path, .name = listed->path + listed->name, .differences = listed->differences};
        struct way *way, *into;
        uint32_t foreign = 0;
        int r = 0;

        while (walk->n > 1 && walk->ways[walk->n - 1].size > listed->name) {
                walk->n--;
                place_done(&walk->ways[walk->n].place);
        }
        way = &walk->ways[walk->n - 1];
        change.view = &walk->changes->now;
        change.place = &way->place;
        if (listed->kind != CHANGE_DELETED) {
                change.node = &node;
                r = place_read(change.view, &way->place, change.name, &node, &change.part, &foreign);
                if (r == 0 && (change.part == PLACE_NOWHERE || S_ISDIR(node.status.st_mode) != listed->directory))
                        r = -ESTALE;
        }
        if (r < 0)
                return gone(listed, r, foreign, f);
        r = fn(&change, userdata, f);
        if (r != 0 || !listed->directory || !listed->on_the_way || *listed->path == '\0')
                return r;
        into = array_append(&walk->ways, &walk->n);
        if (!into)
                return log_oom();
        *into = (struct way) {.place = PLACE_INIT, .size = strlen(listed->path) + 1};
        r = place_enter(&walk->changes->now, &walk->ways[walk->n - 2].place, change.name, &node, change.part, &into->place);
        return r < 0 ? gone(listed, r, 0, f) : 0;
}

int listing_walk(const struct listing *listing, const struct changes *changes, change_fn change, void *userdata, struct failure *f) {
        _cleanup_(return_done) struct return_walk walk = {.changes = changes};
        struct way *root = array_append(&walk.ways, &walk.n);
        int r = 0;

        if (!root)
                return log_oom();
        root->place = changes->now.root;
        for (size_t i = 0; i < listing->n && r == 0; i++)
                if (listing->list[i].told || listing->list[i].on_the_way)
                        r = tell(&walk, &listing->list[i], change, userdata, f);
        return r;
}
