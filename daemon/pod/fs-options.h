/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The options of a file system that was made for a pod, against those that it has: someone may remount it. Pure. A bind's
 * file system is not the pod's, and what is done to it is no drift.
 */

#include <stdbool.h>

#include "store/store.h"
#include "table/entry.h"

/* Whether the mount's file system is one whose options are compared at all. */
bool fs_options_count(const struct record_mount *mount, const struct entry *entry);

/* Appends "size=64k -> size=128k", "no sync -> sync" and their like for what is other than mount->fs_options say; nothing
 * where they were not seen yet. A negative errno. */
int fs_options_compare(const struct record_mount *mount, const struct entry *entry, char ***details);
