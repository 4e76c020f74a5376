/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a recorded mount was when the table first had it. Pure. Symbolic links in a container may have led its target
 * elsewhere, so that the record alone does not say it; and a kernel without unique ids says no more of who a mount is.
 */

#include "store/store.h"
#include "table/entry.h"

/* Whether the entry is where the record has it, below `base`, the mount point of the pod's tree. */
bool sight_is_at(const struct record_mount *mount, const struct entry *entry, const char *base);
/* Whether the entry's path in its file system is the one that was seen; true where none is on record. */
bool sight_shows(const struct record_mount *mount, const struct entry *entry);
/* Whether what the entry shows can be what the record has: the path in its file system, which changes when somebody
 * renames the source, is the one that was seen, or the mount point is. True for what was not seen yet. */
bool sight_fits(const struct record_mount *mount, const struct entry *entry);

/* Takes the first sight of a mount down, as far as the record does not say it already. 1 when there is something to
 * store (mount->unsaved), 0, -ENOMEM. */
int sight_take(struct record_mount *mount, const struct entry *entry, const char *base);
/* Of a mount on the host, which has its place on record: the path in its file system. As above. */
int sight_take_root(struct record_mount *mount, const struct entry *entry);
/* The same for the options of a file system of the pod's own, which a remount of the pod's makes unseen again. */
int sight_take_options(struct record_mount *mount, const struct entry *entry);
/* The mount is not where it was: has the record say where, so that a restart does not take what it finds for the first
 * sight. As above. */
int sight_pin(struct record_mount *mount);
