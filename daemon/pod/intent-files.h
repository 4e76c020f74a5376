/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The intent files of all executors together, as a start reads them. More than one can be about the same job: that of an
 * executor that gave up or died, and that of the next one, which tried it again or undid it.
 */

#include "executor/intent.h"
#include "pod/pods.h"

/* All that they say of this job, one after the other; nothing when none is about it. An fd below 0 is none, and a damaged file is
 * logged. What is noted need not be there: it was about to be made, or is taken back already. The array is the caller's. -ENOMEM. */
int intent_files_read(const int *fds, size_t n_fds, uint64_t job, struct intent_mount **ret, size_t *ret_n);
/* The mounts among that alone. */
int intent_files_read_mounts(const int *fds, size_t n_fds, uint64_t job, struct intent_mount **ret, size_t *ret_n);

/* Of what several tries have made of one mount of this pod, the one that is there, first of all at its place in the pod's directory
 * (NULL: that is not known); or any. NULL for none. */
const struct intent_mount *intent_files_choose(const struct pods *pods, const char *uuid, const char *place, const struct intent_mount *mounts, size_t n);
