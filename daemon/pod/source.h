/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sources as an operation judges them before anything is opened: fds by name, and whose paths they are. */

#include "pod/operation-private.h"

/* Every fd that came is named by a source, and every one that is named came: else FAILURE_INVALID_ARGS. */
int source_check_fds(const struct operation *operation, char *const *named, struct failure *f);
/* FAILURE_SOURCE_DENIED for a path of a caller for whom it means another file than for the host. */
int source_check_paths(const struct operation *operation, const struct wanted *wanted, struct failure *f);
/* Finds out which images are block devices, as far as fds tell. */
void source_mark_devices(const struct operation *operation, struct wanted *wanted);
/* "dev:ino" of each fd that the mount names, joined by ','; NULL when it names none. By this a retry is known. */
int source_key(const struct operation *operation, const struct spec_mount *mount, char **ret);
