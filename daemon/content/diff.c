/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Three ways to tell what a layer changes. */

#include "content/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
        struct { /* what was not handed on yet: each entry as three texts */
                char *texts;
                size_t size;
        } held;
        bool wary;  /* whether something has been moved may still turn out… */
        bool moved; /* …and has: what was told is forgotten */
        int result; /* of finding out, where libarchive is in between */
        struct failure *failure;
};

enum { HELD_SIZE = 64 * 1024 };

/* For good: before what is told can be forgotten no more. 1 ends the walk. */
static int find_out(struct telling *telling) {
        int r;

        if (!telling->wary)
                return 0;
        telling->wary = false;
        r = moved_links(telling->changes, &telling->moved, telling->failure);
        return r == 0 && telling->moved ? 1 : r;
}

static int find_out_before(void *userdata) {
        struct telling *telling = userdata;

        telling->result = find_out(telling);
        return telling->result == 0 ? 0 : -ECANCELED;
}

/* For each entry, before it is told. */
static int look(struct telling *telling, const struct change *change, struct failure *f) {
        int r = telling->changes->pulse ? telling->changes->pulse(telling->changes->pulse_userdata, f) : 0;

        return r == 0 && change->node && change->node->redirect ? find_out(telling) : r;
}

static int forget(struct telling *telling) {
        telling->moved = false;
        telling->held.size = 0;
        telling->size = 0;
        links_done(&telling->links);
        return telling->tar ? tar_again(telling->tar) : 0;
}

/* A layer is told as it is walked through, as if nothing in it had been moved, which is seldom: only as soon as that may not be so, or as what was told
 * would be handed on, all of it is looked through for that. */
static int walk_layer(struct telling *telling, change_fn fn, bool brief) {
        struct changes changes = *telling->changes;
        int r;

        changes.brief = brief;
        telling->wary = true;
        if (telling->tar)
                tar_before(telling->tar, find_out_before, telling);
        r = changes_walk(&changes, fn, telling, telling->failure);
        telling->wary = false;
        if (telling->tar)
                tar_before(telling->tar, NULL, NULL);
        return telling->result != 0 ? telling->result : r;
}

static int walk(struct telling *telling, change_fn fn, bool brief, struct failure *f) {
        _cleanup_listing_ struct listing listing = LISTING_INIT;
        struct changes changes = *telling->changes;
        int r;

        telling->failure = f;
        if (!changes.then)
                return changes_walk(&changes, fn, telling, f);
        if (changes.layer) {
                r = walk_layer(telling, fn, brief);
                if (!telling->moved)
                        return r;
                r = forget(telling);
                if (r < 0)
                        return r;
        }
        changes.layer = false;
        r = listing_make(&changes, telling->userdata, &listing, f);
        return r == 0 ? listing_walk(&listing, &changes, fn, telling, f) : r;
}

/* In an opaque directory nothing has to be deleted. */
static bool is_written(const struct change *change) {
        return change->node || !change->covered;
}

static int write_change(const struct change *change, void *userdata, struct failure *f) {
        struct telling *telling = userdata;
        int r = look(telling, change, f);

        return r == 0 && is_written(change) ? tar_change(telling->tar, change, f) : r;
}

int diff_write(const struct changes *changes, void *userdata, struct tar *tar, struct failure *f) {
        struct telling telling = {.changes = changes, .userdata = userdata, .tar = tar};

        return walk(&telling, write_change, true, f);
}

static int hand_on(struct telling *telling) {
        const char *kind = telling->held.texts, *end = kind + telling->held.size;
        int r = 0;

        while (kind < end && r == 0) {
                const char *path = kind + strlen(kind) + 1, *detail = path + strlen(path) + 1;

                r = telling->fn(kind, path, detail, telling->userdata, telling->failure);
                kind = detail + strlen(detail) + 1;
        }
        telling->held.size = 0;
        return r;
}

static int hold(struct telling *telling, const char *kind, const char *path, const char *detail) {
        const char *const texts[] = {kind, path, detail};
        size_t size = strlen(kind) + strlen(path) + strlen(detail) + ELEMENTSOF(texts);
        int r = 0;

        if (telling->held.size + size > HELD_SIZE)
                r = find_out(telling);
        if (r == 0 && telling->held.size + size > HELD_SIZE)
                r = hand_on(telling);
        if (r == 0 && size > HELD_SIZE)
                return telling->fn(kind, path, detail, telling->userdata, telling->failure);
        for (size_t i = 0; i < ELEMENTSOF(texts) && r == 0; i++) {
                memcpy(telling->held.texts + telling->held.size, texts[i], strlen(texts[i]) + 1);
                telling->held.size += strlen(texts[i]) + 1;
        }
        return r;
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
        int r = look(telling, change, f);

        if (r != 0 || !kinds[change->kind])
                return r;
        words = node_words(change->differences);
        if (!words)
                return log_oom();
        return hold(telling, kinds[change->kind], change->path, words);
}

int diff_list(const struct changes *changes, void *userdata, diff_fn fn, struct failure *f) {
        _cleanup_free_ char *texts = malloc(HELD_SIZE);
        struct telling telling = {.changes = changes, .userdata = userdata, .fn = fn, .held.texts = texts};
        int r = texts ? walk(&telling, list_change, false, f) : log_oom();

        return r == 0 ? hand_on(&telling) : r;
}

static int count_change(const struct change *change, void *userdata, struct failure *f) {
        struct telling *telling = userdata;
        const char *first = NULL;
        int r = look(telling, change, f);

        if (r != 0 || !change->node || !S_ISREG(change->node->status.st_mode))
                return r;
        if (links_matter(&change->node->status) && links_note(&telling->links, &change->node->status, change->path, &first) < 0)
                return log_oom();
        if (!first && __builtin_add_overflow(telling->size, (uint64_t) change->node->status.st_size, &telling->size))
                telling->size = UINT64_MAX;
        return 0;
}

int diff_size(const struct changes *changes, void *userdata, uint64_t *ret, struct failure *f) {
        struct telling telling = {.changes = changes, .userdata = userdata};
        int r = walk(&telling, count_change, true, f);

        if (r == 0)
                *ret = telling.size;
        links_done(&telling.links);
        return r;
}
