/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a tar has made goes over what a layer has, in a worker: the new tree, out of sight, gets what the old one has and the new one does not
 * hide, as overlayfs would show the one on the other. Files are linked, not copied, and nothing of the old tree changes, so that it
 * is what it was for as long as nobody adopts the new one. 0; a negative errno; or a positive enum failure_kind of a worker_fail().
 */

#include "executor/worker.h"

struct merge_setup {
        int old, new;  /* directories, in one mount… */
        int opaque;    /* …the names of new ones that hide what is below (executor/extract.h)… */
        int notes;     /* …and what else the extraction has written down: all the caller's */
        bool base;     /* nothing lies below both: the result has no whiteouts and no opaque directories */
        uint64_t bytes_max, inodes_max; /* of the old tree */
        size_t bytes_figure, inodes_figure; /* which of the worker's figures count them */
};

/*
 * Notes are texts with their NULs, the first byte of which says what they are: MERGE_WHITEOUT and the name of one that was made, MERGE_GHOST if it hides
 * nothing but what the old tree may have,
 * MERGE_LINK and the name of a hard link to a file that the old tree may have, whose name follows as another text.
 */
enum { MERGE_WHITEOUT = 'w', MERGE_GHOST = 'g', MERGE_LINK = 'l' };

/* Both trees as they are to be, on the disk. */
int merge_trees(struct worker *worker, const struct merge_setup *setup);
