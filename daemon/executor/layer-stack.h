/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A layer with all that it stands on, opened as the layers of an overlay, and that overlay. */

#include "executor/run.h"

struct layer_stack {
        int *fds;          /* lower layers, topmost first… */
        bool *staged;      /* …and which of them are attached in the staging directory */
        size_t n;
        int upper, work;   /* or -1 */
};
#define LAYER_STACK_INIT ((struct layer_stack){.upper = -1, .work = -1})
void layer_stack_done(struct layer_stack *stack);

/* Whether the layer of the step is there: it has to be the one with the step's number. FAILURE_NO_SUCH_LAYER. */
int layer_stack_check(struct run *run, size_t step);
/* Opens the layer of the step, STEP_LAYER_MOUNT, or a STEP_ROOT of a layer, after that check. With STEP_LAYER_WRITABLE it
 * is the upper directory. Lower layers have the step's id mapping. There is room for one more. */
int layer_stack_open(struct run *run, size_t step, struct layer_stack *ret);

/* A detached overlay with these attributes and the step's label, of the lower layers and, if it is not -1, the upper directory.
 * Its source names the layer's number. */
int layer_stack_mount(struct run *run, size_t step, const int *lower, size_t n, int upper, int work, uint64_t attributes, int *ret_mount);

/* What some layers show together, topmost first, opened for reading; the mount that shows it lives as long as the fd. */
int layer_merge(struct run *run, size_t step, const char *const *ids, size_t n, int *ret_fd);

/* What the layer shows of a step that has what it stands on as its layers, with (`own`) or without what it has itself; opened for reading,
 * and by nobody to be written to or left upwards. Lower layers have the step's id mapping. There must be one of all. The
 * layer itself must be mounted nowhere. */
int layer_show(struct run *run, size_t step, bool own, int *ret_fd);
/* In the same way what the step's layer has itself, and nothing else. */
int layer_show_own(struct run *run, size_t step, int *ret_fd);

/* A detached clone of the step's layer, which stands on none: with these attributes, and, unless it is written to, the step's id
 * mapping. */
int layer_bind(struct run *run, size_t step, uint64_t attributes, int *ret_mount);
