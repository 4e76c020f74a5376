/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a layer changes, as a tar archive, as a list for people, and as a number. With `changes->layer` it is what the layer's own directory has;
 * with another tree to compare it with, what differs; without one, everything. A layer with a directory that a redirect has moved, and that brings
 * one of several names of a file, is compared as a tree: its own directory does not say where the other names are.
 *
 * An archive has every directory on the way to what it has, and the tree's own as ".", for without them it would say nothing of their
 * modes. If one name of a file is in it, all are.
 */

#include "content/tar.h"

/* Writes all but the archive's end. */
int diff_write(const struct changes *changes, void *userdata, struct tar *tar, struct failure *f);

/* Called with "added", "modified" or "deleted", the path and what differs ("type,mode", NODE_* in words; "" for a file of a layer that is as
 * it was). 0 to go on. */
typedef int (*diff_fn)(const char *kind, const char *path, const char *detail, void *userdata, struct failure *f);
int diff_list(const struct changes *changes, void *userdata, diff_fn fn, struct failure *f);

/* The bytes of the files that diff_write() would write, each counted once, holes, too. */
int diff_size(const struct changes *changes, void *userdata, uint64_t *ret, struct failure *f);
