/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A clone of a root or of a bind that gets an overlay, because its source must not be modified. */

#include "executor/run.h"

struct layered {
        struct run *run;
        size_t index;
        const struct step *step;
        int source; /* the hand's */
        int clone;  /* detached, the caller's of these functions to take; closed by layered_done() */
        bool recursive;
        bool made_stub;
        int tmpfs;   /* of the stubs or the writes, or -1 */
        bool staged; /* …attached in the staging directory, for kernels that want layers attached… */
        bool clone_staged; /* …and so is the clone, if its ids are mapped */
};

#define LAYERED_INIT(r, i) \
        ((struct layered){.run = (r), .index = (i), .step = &(r)->job->steps[i], .source = -1, .clone = -1, .tmpfs = -1})

/* The overlay of a directory, detached and with the step's attributes; *ret_mount stays -1 where none is needed: the
 * clone has all stubs. */
int layered_make(struct layered *on, int *ret_mount);
/* The same for a regular file: a copy in a tmpfs, cut from the source. FAILURE_MOUNT_FAILED if it is too big. */
int layered_file(struct layered *on, int *ret_mount);
/* Makes what the clone lacks of the step's stubs in the tmpfs, which becomes one if there is any: on->made_stub. *ret_needed: one
 * of them has to be, and is not for a mount that can be done without. */
int layered_stubs(struct layered *on, bool *ret_needed);
/* Makes those that a new tmpfs, `mount`, lacks in it: it is writable yet. Leaves the fd alone. */
int layered_fill(struct run *run, size_t i, int mount);
/* An upper and a work directory in a tmpfs of the step's size, the former as the root of the clone is. */
int layered_upper(struct layered *on, int *ret_upper, int *ret_work);
void layered_done(struct layered *on);
