/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Unmounting all or nothing: a detached clone of each mount, or of the pod's whole tree (STEP_OF_TREE), is kept before it goes.
 * Such a clone makes nothing busy and keeps the file system alive, so that it can be mounted again, under a new id, when a
 * later step fails.
 */

#include "executor/run.h"
#include "kernel/identity.h"

/* For a STEP_RESTORE, before its mount, `name` in the working directory, is unmounted. 0, a negative errno, logged, or a failure:
 * what cannot be kept does not go. */
int restore_keep(struct run *run, size_t step, const char *name, const struct identity *identity);

/* Whether the pod's whole tree is kept, from now on if it was not: then what is unmounted together needs no clone of its own. */
bool restore_keep_tree(struct run *run);
/* Notes what restore_keep() would have, of one STEP_OF_TREE that is unmounted already while the tree was kept. */
void restore_note(struct run *run, size_t step, const struct identity *identity);

/* The end of a job: after a failure everything is mounted again where it was, the last first, and the results have the
 * new ids, while the failure tells what could not be; after success the clones are let go of, and the mount points that had
 * been made are removed. */
void restore_end(struct run *run, bool success);
