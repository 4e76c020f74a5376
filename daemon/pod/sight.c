/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Most mounts are first seen at <container>/rootfs/<target>, where nothing has to be written down.
 */

#include "pod/sight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pod/drift-words.h"
#include "pod/fs-options.h"
#include "spec/spec.h"
#include "util/path.h"
#include "util/text.h"

/* Where it lies below the pod's tree if no link led elsewhere; NULL when memory is short. */
static char *plain_place(const struct record_mount *mount) {
        if (mount->container[0] == '\0')
                return strdup(mount->target);
        return text_format("%s/rootfs%s", mount->container, strcmp(mount->target, "/") == 0 ? "" : mount->target);
}

static bool is_plain(const struct record_mount *mount, const char *place) {
        const char *below;

        if (mount->container[0] == '\0')
                return strcmp(place, mount->target) == 0;
        below = path_below(place, mount->container);
        below = below ? path_below(below, "rootfs") : NULL;
        return below && strcmp(below, mount->target + 1) == 0;
}

bool sight_is_at(const struct record_mount *mount, const struct entry *entry, const char *base) {
        const char *place = path_below(entry->point, base);

        if (!place)
                return false;
        return mount->point ? strcmp(place, mount->point) == 0 : is_plain(mount, place);
}

/* Bytes of the path without the mark of one that was deleted. */
static size_t root_length(const char *root) {
        return strlen(root) - (words_is_deleted(root) ? strlen("//deleted") : 0);
}

static bool ends_with_place(const char *point, const struct record_mount *mount) {
        _cleanup_free_ char *plain = mount->point ? NULL : plain_place(mount);
        const char *place = mount->point ?: plain;
        size_t length = strlen(point), n = place ? strlen(place) : 0;

        return place && length > n && point[length - n - 1] == '/' && strcmp(point + length - n, place) == 0;
}

bool sight_shows(const struct record_mount *mount, const struct entry *entry) {
        size_t n = mount->root ? root_length(mount->root) : 0;

        /* The paths of control groups are told as seen from the reader's own. */
        if (!mount->root || (entry->type && strncmp(entry->type, "cgroup", strlen("cgroup")) == 0))
                return true;
        return n == root_length(entry->root) && strncmp(mount->root, entry->root, n) == 0;
}

bool sight_fits(const struct record_mount *mount, const struct entry *entry) {
        /* Of one that a crash left on the host nothing is known but where it was to be. */
        if (strcmp(mount->container, SPEC_HOST) == 0)
                return (mount->device != 0 && sight_shows(mount, entry)) || strcmp(entry->point, mount->target) == 0;
        return mount->container[0] == '\0' || sight_shows(mount, entry) || ends_with_place(entry->point, mount);
}

int sight_take(struct record_mount *mount, const struct entry *entry, const char *base) {
        const char *place = path_below(entry->point, base);
        _cleanup_free_ char *point = NULL, *root = NULL;
        bool wants_root = entry->unique_id == 0 && !mount->root;

        if (mount->seen || !place)
                return 0;
        if (!mount->point && !is_plain(mount, place)) {
                point = strdup(place);
                if (!point)
                        return -ENOMEM;
        }
        if (wants_root) {
                root = strdup(entry->root);
                if (!root)
                        return -ENOMEM;
        }
        mount->seen = true;
        if (point)
                mount->point = TAKE_PTR(point);
        else if (!root)
                return 0;
        if (root)
                mount->root = TAKE_PTR(root);
        mount->unsaved = true;
        return 1;
}

int sight_take_options(struct record_mount *mount, const struct entry *entry) {
        if (mount->fs_options || !fs_options_count(mount, entry))
                return 0;
        mount->fs_options = strdup(entry->options);
        if (!mount->fs_options)
                return -ENOMEM;
        mount->unsaved = true;
        return 1;
}

int sight_take_root(struct record_mount *mount, const struct entry *entry) {
        if (entry->unique_id != 0 || mount->root)
                return 0;
        mount->root = strdup(entry->root);
        if (!mount->root)
                return -ENOMEM;
        mount->unsaved = true;
        return 1;
}

int sight_pin(struct record_mount *mount) {
        if (mount->point)
                return 0;
        mount->point = plain_place(mount);
        if (!mount->point)
                return -ENOMEM;
        mount->unsaved = true;
        return 1;
}
