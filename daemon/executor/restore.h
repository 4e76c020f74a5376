/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Unmounting all or nothing: a detached clone of each mount is kept before it goes. Such a clone makes nothing busy and
 * keeps the file system alive, so that it can be mounted again, under a new id, when a later step fails.
 */

#include "executor/run.h"

/* For a STEP_RESTORE, before its mount, `name` in the working directory, is unmounted. 0 or a negative errno, logged. */
int restore_keep(struct run *run, size_t step, const char *name);

/* The end of a job: after a failure everything is mounted again where it was, the last first, and the results have the
 * new ids; after success the mount points that had been made are removed. */
void restore_end(struct run *run, bool success);
