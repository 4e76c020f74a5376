/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the steps on layers share. plan/layer.h says how their directories are called. */

#include "executor/run.h"

/* FAILURE_NOT_SUPPORTED without a directory for layers. */
int layer_check(struct run *run);

/* Where the layer of a reference (plan/layer.h) lies: an fd of the executor's own, and the name there. FAILURE_INVALID_ARGS for a store that is not
 * on the executor's list; FAILURE_NO_SUCH_LAYER for a layer in one that has another number there. */
int layer_locate(struct run *run, const char *reference, int *ret_layers, const char **ret_id);

/* fsync(2) of something in a directory, or of the directory itself for "". A negative errno, not logged. */
int layer_sync(int directory, const char *name);

/* renameat2(2) with RENAME_NOREPLACE of something of ours, also where the file system knows no flags (ecryptfs, FUSE, NFS) and says EINVAL to them:
 * then by a look beforehand, which is enough in a directory that nobody else makes names in; where somebody does all the same, a directory still
 * takes the place of nothing but an empty one. A negative errno, not logged: -EEXIST for a name that is taken. */
int layer_rename(int from_directory, const char *from, int to_directory, const char *to);

/* Removes a directory and all that is in it, however deep and whatever it is, without following anything out of it or into
 * a mount. The directory must be root's alone. `*budget`: entries that it may take, counted down. 0; 1: there is more; a
 * negative errno, not logged, -EBUSY for a mount point. -ENOENT is 0. */
int layer_clear(int directory, const char *name, size_t *budget);

/* A directory below another one, by a name that is a stranger's, opened for reading: through directories alone. It is written to, and as it was
 * afterwards. -ENOENT, also for what is none. */
int layer_walk(int root, char *name, int *ret_fd);
/* Makes the directories of these names, each with a NUL behind it, opaque, or takes that away. *ret_some (may be NULL) is set if there are any.
 * A negative errno, not logged. */
int layer_mark_opaque(int root, int names, bool opaque, bool *ret_some);

/* Whether the directory of this name is that of the layer with this number: 1, 0 (also if there is none), or a negative errno,
 * not logged. */
int layer_is_of(int layers, const char *name, uint64_t number);

/* A detached mount of the layer that a STEP_ROOT has as its source. *ret_mapped: its own ids are mapped, not those of layers of it. */
int layer_root(struct run *run, size_t step, int *ret_mount, bool *ret_mapped);

/* How long an executor waits for the next job, in ms, before it does the next: after a Diff its worker, the front and the client have the machine first. */
int layer_read_pause(void);
/* Between two jobs, in an executor that has read a layer: a worker is made that waits for the next one (executor/spare.h). */
void layer_read_prepare(void);

/* What the hands have in common to say of a negative errno about layer `id`. */
int layer_failed(struct run *run, const char *what, const char *id, int r);

/* The directory of the layer that a step is about, by its reference: FAILURE_NO_SUCH_LAYER if it is not there, or another's. */
int layer_open(struct run *run, const struct step *step, int *ret);
