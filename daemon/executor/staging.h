/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where kernels that cannot mount onto a detached tree build: a private tmpfs of this executor's at
 * <runtime>/staging/<slot>, made when first needed, with one directory for the tree and one for overlay layers.
 */

#include "executor/run.h"

/* Attaches a detached mount at `name` ("tree", "layer" or "mapped", where several are stacked) of the staging directory. Its fd stays good. */
int staging_attach(struct run *run, int mount, const char *name);

/* Detaches it from there again, once more where that may help; that it stays until this executor ends is logged. */
void staging_leave(int mount);

/* At the start of an executor: detaches what one before it left in its slot. */
void staging_clean(const struct executor *executor);
