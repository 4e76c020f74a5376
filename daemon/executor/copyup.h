/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * tmpcopyup: a tmpfs begins with a copy of the directory that it is about to cover. The directory is hostile: its owner
 * may be renaming, linking and swapping all the while. The tmpfs is detached and nobody else's.
 */

#include "executor/run.h"

/* Copies what is in the directory `from` (O_PATH) into `mount`, a detached tmpfs of the step that is writable: files
 * with their holes, links among each other, modes, owners, times and extended attributes, directories, symlinks as they
 * are, FIFOs, sockets, and for root, where the mount has them, device nodes. Nothing is followed, and no other mount
 * entered. The root directory gets mode and owner of `from` unless the step's options say another.
 * FAILURE_QUOTA_EXCEEDED for what does not fit into the tmpfs, FAILURE_INVALID_TARGET for a tree that is too deep. */
int copyup_copy(struct run *run, size_t step, int mount, int from);
