/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What differs between two sights of mounts: pure, used by the table alone. */

#include "table/table.h"

/* Whether both are the same mount: by the unique id where both have one, else by recycled id, device and root. */
bool diff_same_mount(const struct entry *before, const struct entry *after);
/* Whether the mount hangs elsewhere now: another parent or another mount point. */
bool diff_moved(const struct entry *before, const struct entry *after);
/* Whether its attributes, its file system's options or its propagation are others now. */
bool diff_remounted(const struct entry *before, const struct entry *after);

/* Appends one change; -ENOMEM. The entry stays who it belongs to. */
int changes_add(struct changes *changes, enum change_kind kind, struct entry *entry);
/* Appends CHANGE_UNMOUNTED and takes the entry over, to be freed with the changes; -ENOMEM. */
int changes_drop(struct changes *changes, struct entry *entry);
