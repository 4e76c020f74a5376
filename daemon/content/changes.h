/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a layer changes: all entries of a tree in the order of their names' bytes, directories before what is in them, each with what it is
 * beside another tree. Two ways:
 *
 * - A layer beside what it stands on (`layer`): its own directory alone is read, and what is hidden by it. Everything in it is told, also a
 *   file that is as it was below, for the layer has a copy of it; directories as they were below are told as the same.
 * - Two trees: everything in both is looked at. Files with the same attributes, sizes and times are the same if they are
 *   one inode with one time of its last change, else their contents decide.
 *
 * Sockets count as nothing, for a tar has none: what one took the place of was deleted.
 *
 * A directory that a redirect has moved brings files that were there: that one of them has another name elsewhere is not told of a layer
 * beside what it stands on (content/moved.h).
 *
 * Trees should not be written to meanwhile: each entry is then told as it was when it was looked at. Fds are open for each directory on the way
 * down, two to four of them.
 */

#include "content/place.h"
#include "util/failure.h"

enum { CHANGES_DEPTH_MAX = 2048 /* directories within each other: as many as a path that the kernel takes can name */ };

enum change_kind { CHANGE_SAME, CHANGE_ADDED, CHANGE_MODIFIED, CHANGE_DELETED };

struct change {
        enum change_kind kind;
        const char *path;        /* without a slash at the beginning; "" for the tree itself */
        const char *name;        /* the last part of it */
        const struct node *node; /* NULL for what was deleted */
        uint32_t differences;    /* NODE_*, of what was modified */
        const struct stat *then; /* of what was there before; NULL if nothing was */
        bool opaque;             /* a directory of a layer that hides all that is below it… */
        bool covered;            /* …and what is in such a one, also if it was deleted or is the same */
        const struct view *view; /* where, with place_open(), a file's contents are */
        const struct place *place;
        enum place_part part;
};

/* 0 to go on; anything else ends the walk, which returns it. */
typedef int (*change_fn)(const struct change *change, void *userdata, struct failure *f);

struct changes {
        struct view now;
        const struct view *then; /* NULL: everything is added */
        bool layer;              /* `then` is what the layer stands on, and so is now.root.base */
        bool brief;              /* of a layer: `kind`, `differences` and `then` of what it has need not be right, which saves looking at what it hides */
        /* Is called for each entry that is told and while contents are compared, and ends the walk likewise; may be NULL. */
        int (*pulse)(void *userdata, struct failure *f);
        void *pulse_userdata;
};

/* Calls `change` for each entry, beginning with the tree itself. FAILURE_MOUNT_FAILED for what cannot be read, FAILURE_NOT_SUPPORTED for
 * what a layer cannot be told as, both with the path. The working directory is somewhere afterwards. */
int changes_walk(const struct changes *changes, change_fn change, void *userdata, struct failure *f);
