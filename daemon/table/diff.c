/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What differs between two sights of a mount, and the list of changes that comes of it. */

#include <string.h>

#include "table/diff.h"
#include "util/array.h"

/* Like strcmp(3) == 0 for strings that may be NULL. */
static bool same_text(const char *a, const char *b) {
        if (!a || !b)
                return a == b;
        return strcmp(a, b) == 0;
}

bool diff_same_mount(const struct entry *before, const struct entry *after) {
        if (before->unique_id != 0 && after->unique_id != 0)
                return before->unique_id == after->unique_id;
        return before->id == after->id && before->device == after->device && same_text(before->root, after->root) &&
               same_text(before->type, after->type);
}

bool diff_moved(const struct entry *before, const struct entry *after) {
        return before->parent_id != after->parent_id || before->parent_unique != after->parent_unique ||
               !same_text(before->point, after->point);
}

bool diff_remounted(const struct entry *before, const struct entry *after) {
        return before->attributes != after->attributes || before->superblock_readonly != after->superblock_readonly ||
               before->propagation != after->propagation || before->peer_group != after->peer_group ||
               before->master_group != after->master_group || !same_text(before->options, after->options) ||
               !same_text(before->source, after->source) || !same_text(before->root, after->root);
}

int changes_drop(struct changes *changes, struct entry *entry) {
        struct entry **slot = array_append(&changes->dropped, &changes->n_dropped);
        int r;

        if (!slot)
                return -ENOMEM;
        r = changes_add(changes, CHANGE_UNMOUNTED, entry);
        if (r < 0) {
                changes->n_dropped--;
                return r;
        }
        *slot = entry;
        return 0;
}

int changes_add(struct changes *changes, enum change_kind kind, struct entry *entry) {
        struct change *change = array_append(&changes->items, &changes->n_items);

        if (!change)
                return -ENOMEM;
        *change = (struct change){.kind = kind, .entry = entry};
        return 0;
}

void changes_done(struct changes *changes) {
        if (!changes)
                return;
        for (size_t i = 0; i < changes->n_dropped; i++)
                (void) entry_free(changes->dropped[i]);
        free(changes->dropped);
        free(changes->items);
        *changes = (struct changes){};
}
