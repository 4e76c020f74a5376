/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What drift consists of, in the few words that `podmountctl show` and the journal have for it. Pure. */

#include "table/table.h"

/* Appends "rw -> ro", "suid -> nosuid" and the like for what differs; `recorded` and `now` are MOUNT_ATTR_*. A file
 * system that became read-only below a mount that is not is told as that: statvfs(3), which made the record, shows no
 * difference. -ENOMEM. */
int words_append_attributes(char ***words, uint64_t recorded, uint64_t now, bool superblock_readonly);

/* Whether the kernel shows the root of a mount as deleted (proc_pid_mountinfo(5)). */
bool words_is_deleted(const char *root);

/* A mount that no record names: made here by somebody else, or come by propagation from another mount of this
 * namespace, which is named then. (What was made in another mount namespace and came from there looks as if it had been
 * made here.) The text is the caller's. -ENOMEM. */
int words_extra(const struct table *table, const struct entry *entry, char **ret);
