/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What two trees do not have in common, gathered before any of it is told: only then is it known which names of a file have to be told
 * together, and which directories on the way. Memory for each entry that differs, each directory and each file with several names.
 */

#include "content/changes.h"

enum { LISTING_MAX = 8 * 1024 * 1024 };

struct listed {
        char *path;
        size_t name;            /* where its last part begins */
        enum change_kind kind;
        uint32_t differences;
        bool directory;         /* of the tree that is told */
        bool told;              /* it differs… */
        bool on_the_way;        /* …or is a directory that holds what does */
        dev_t now_device, then_device; /* of a file with several names in one of the trees: */
        ino_t now_inode, then_inode;   /* 0 where there is none, or it has one name in both */
        off_t size;             /* of a file, if it differs */
};

struct listing {
        struct listed *list; /* in the order of changes_walk() */
        size_t n;
};
#define LISTING_INIT ((struct listing) {})
void listing_done(struct listing *listing);
#define _cleanup_listing_ _cleanup_(listing_done)

/* Compares two trees (not a layer with what it stands on). As changes_walk(); FAILURE_NOT_SUPPORTED past LISTING_MAX. */
int listing_make(const struct changes *changes, void *userdata, struct listing *ret, struct failure *f);

/* Calls `change` for all that is told or on the way, read once more: what has gone meanwhile is a FAILURE_MOUNT_FAILED. */
int listing_walk(const struct listing *listing, const struct changes *changes, change_fn change, void *userdata, struct failure *f);
