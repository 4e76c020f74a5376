/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Directories that are made for a pod beside mount points: the upper and work directories of overlays, on the host, and
 * those that a spec wants in a container. Each is made with the caller's rights, and noted in the intent file before.
 */

#include <stddef.h>

#include "executor/run.h"

/* Opens the upper or work directory of a STEP_MAKE_LAYERS O_PATH, and makes what is missing of it. Like any hand. */
int prepare_open(struct run *run, size_t step, const struct step_source *source, enum intent_directory which, int *ret_fd);

/* Removes what was made for the step, the latest first, as far as it is empty. */
void prepare_undo(struct run *run, size_t step);
/* Carries out the STEP_UNMAKEs that come after STEP_RESTOREs: nothing comes back any more. */
void prepare_unmake(struct run *run);
/* Forgets all of it. */
void prepare_end(struct run *run);
