/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sources: paths opened as the caller, fds that the caller sent. Being able to open is not owning: see source_clone()
 * and source_check_layer().
 */

#include <sys/types.h>

#include "executor/run.h"

/* Opens a source. The fd is the caller's of this function (a duplicate of one that came with the job). */
int source_open(struct run *run, const struct step_source *source, int *ret_fd);

/* Opens a path as the caller in the root directory `root`: resolve_in_root(). A negative errno, not logged. */
int source_open_in(struct run *run, int root, const char *path);

/* source_open() for reading, or for writing, too: a file or block device. An fd that came with the job must be open
 * so. */
int source_open_data(struct run *run, const struct step_source *source, bool write, int *ret_fd);

/* The step's own source, opened once and kept in its hand. */
int source_of_step(struct run *run, size_t step, int *ret_fd);

/* Whether it is a directory. */
int source_is_directory(struct run *run, size_t step, bool *ret);

/* A detached mount of the step's source: a clone, or the very mount if the fd is a detached one that cannot be cloned.
 * For anyone but root a clone that is not recursive of a directory with mounts below it is FAILURE_SOURCE_DENIED.
 * *ret_recursive: mounts below came along. */
int source_clone(struct run *run, size_t step, int *ret_mount, bool *ret_recursive);

/* Counts what detached mounts have brought along, now that they are attached with `top`, an fd of theirs or of the tree
 * that has `own` mounts of the job's besides. FAILURE_QUOTA_EXCEEDED past the caller's limit. */
int source_count(struct run *run, int top, size_t own);

/* Whether the caller may have this directory as a layer of an overlay, which shows nothing of what is mounted
 * below it. */
int source_check_layer(struct run *run, const struct step_source *source, int fd);

/* How people call a source: its path, or "fd <index>". Valid until the next call. */
const char *source_name(const struct run *run, const struct step_source *source);
/* The same of an fd of the job: `fd "NAME"`, by the client's name. */
const char *source_fd_name(const struct run *run, uint32_t fd);
