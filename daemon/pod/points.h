/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mount points that were made on a writable root, or on an overlay with an upper directory, for mounts that are gone: whoever
 * unmounted them did not come to remove what was made, or was somebody else.
 */

#include "plan/plan.h"
#include "pod/made.h"
#include "pod/pods.h"

/* Directories that were made on the way to a mount point are those of every mount since whose own was made in them: whichever of
 * them goes last removes them. Puts that on the records from `from` on, which are new. -ENOMEM, logged,
 * when nothing has changed. */
int points_share(struct record_pod *record, size_t from);

/* Which mounts are meant: those of a container, or all where it is NULL; or only the one with the row, unless 0. */
struct points_which {
        const char *container;
        int64_t row;
};

/* Appends what is to be removed for those that the table has no more: *list is the caller's, what it points to the record's.
 * What came as an fd stays. -ENOMEM. */
int points_doom(const struct pods *pods, const struct record_pod *record, struct points_which which,
                struct plan_directory **list, size_t *n);
/* The same for mounts that will never be on the record, in the pod that stands. Its strings are the record's and those of `made`. */
int points_doom_made(const struct record_pod *record, const struct made *made, struct plan_directory **list, size_t *n);
