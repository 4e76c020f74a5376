/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Overlays (Documentation/filesystems/overlayfs.rst), for STEP_OVERLAY and for roots that must not be modified. */

#include <stddef.h>

#include "executor/run.h"

struct overlay {
        const int *layers; /* O_PATH, topmost first */
        size_t n_layers;
        bool stubs; /* the last one has empty mount points of ours alone, and restricts nothing */
        int upper, work; /* or -1 */
        bool own_upper;  /* they are on a tmpfs of ours, which restricts nothing either: the layers below say what the overlay allows */
};

/* A detached overlay with the options and attributes of the step. The caller's fds stay its own. Layers restrict what
 * the overlay allows, as they would a clone: nosuid, nodev, noexec. */
int overlay_mount(struct run *run, size_t step, const struct overlay *overlay, int *ret_mount);
