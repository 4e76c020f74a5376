/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Three ways to tell what a layer changes. */

#include "content/diff.h"

#include <errno.h>

#include "content/links.h"
#include "content/listing.h"
#include "content/moved.h"
#include "util/log.h"

struct telling {
        const struct changes *changes;
        void *userdata;
        struct tar *tar;
        struct links links;
        diff_fn fn;
        uint64_t size;
};

static int pulse(const struct telling *telling, struct failure *f) {
        return telling->changes->pulse ? telling->changes->pulse(telling->changes->pulse_userdata, f) : 0;
}

static int walk(struct telling *telling, change_fn fn, struct failure *f) {
        _cleanup_listing_ struct listing listing = LISTING_INIT;
        struct changes changes = *telling->changes;
        bool moved = false;
        int r = changes.layer && changes.then ? moved_links(&changes, &moved, f) : 0;

        if (r != 0)
                return r;
        changes.layer = changes.layer && !moved;
        if (!changes.then || changes.layer)
                return changes_walk(&changes, fn, telling, f);
        r = listing_make(&changes, telling->userdata, &listing, f);
        return r == 0 ? listing_walk(&listing, &changes, fn, telling, f) : r;
}

/* In an opaque directory nothing has to be deleted. */
static bool is_written(const struct change *change) {
        return change->node || !change->covered;
}

static int write_change(const struct change *change, void *userdata, struct failure *f) {
        struct telling *telling = userdata;
        int r = pulse(telling, f);

        return r == 0 && is_written(change) ? tar_change(telling->tar, change, f) : r;
}

int diff_write(const struct changes *changes, void *userdata, struct tar *tar, struct failure *f) {
        struct telling telling = {.changes = changes, .userdata = userdata, .tar = tar};

        return walk(&telling, write_change, f);
}

static int list_change(const struct change *change, void *userdata, struct failure *f) {
        static const char *const kinds[] = {
                [CHANGE_SAME] = NULL,
                [CHANGE_ADDED] = "added",
                [CHANGE_MODIFIED] = "modified",
                [CHANGE_DELETED] = "deleted",
        };
        struct telling *telling = userdata;
        _cleanup_free_ char *words = NULL;
        int r = pulse(telling, f);

        if (r != 0 || !kinds[change->kind] || (change->node && S_ISSOCK(change->node->status.st_mode)))
                return r;
        words = node_words(change->differences);
        if (!words)
                return log_oom();
        return telling->fn(kinds[change->kind], change->path, words, telling->userdata, f);
}

int diff_list(const struct changes *changes, void *userdata, diff_fn fn, struct failure *f) {
        struct telling telling = {.changes = changes, .userdata = userdata, .fn = fn};

        return walk(&telling, list_change, f);
}

static int count_change(const struct change *change, void *userdata, struct failure *f) {
        struct telling *telling = userdata;
        const char *first = NULL;
        int r = pulse(telling, f);

        if (r != 0 || !change->node || !S_ISREG(change->node->status.st_mode))
                return r;
        if (links_matter(&change->node->status) && links_note(&telling->links, &change->node->status, change->path, &first) < 0)
                return log_oom();
        if (!first)
                telling->size += (uint64_t) change->node->status.st_size;
        return 0;
}

int diff_size(const struct changes *changes, void *userdata, uint64_t *ret, struct failure *f) {
        struct telling telling = {.changes = changes, .userdata = userdata};
        int r = walk(&telling, count_change, f);

        if (r == 0)
                *ret = telling.size;
        links_done(&telling.links);
        return r;
}
