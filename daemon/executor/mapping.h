/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Id mappings of mounts. Anyone but root maps its own uid and gid and the ranges that /etc/subuid and /etc/subgid give
 * it, on both sides of the mapping and whatever the front says: who maps an id of somebody else's becomes that one for
 * the files of a file system, or lets that one's files be its own. The configuration's ForeignIDs= lets the front allow
 * more.
 *
 * One user namespace is made for each mapping of a job and kept until the job ends.
 */

#include "executor/run.h"

/* Maps the ids of a detached mount that no other was mapped to, made of `source`. `recursive`: others are mounted
 * below it, which are mapped if the step says so. 0 where the step has no mapping. */
int mapping_apply(struct run *run, size_t step, const struct step_source *source, int mount, bool recursive);

/* A clone of a layer with its ids mapped, detached, or in the staging directory for kernels that want layers attached
 * (*ret_staged: to be detached when the overlay is made). */
int mapping_layer(
        struct run *run, size_t step, const struct step_source *source, int layer, int *ret_mount, bool *ret_staged);

/* Gives the namespaces back. */
void mapping_end(struct run *run);
