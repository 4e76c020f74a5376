/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the operations on layers do for each other. */

#include "pod/operation-layer.h"
#include "pod/operation-private.h"

/* Removes a layer that is not to be, whose turn is the caller's and is handed over: what came of its making is not known. */
void layer_abolish(struct pods *pods, struct layer *layer);

/* Unmounts a layer that nobody holds, if it can be; nobody waits for it. */
void layer_let_go(struct pods *pods, struct layer *layer);

/* Brings what a crash left beside a layer to its end; nobody waits for it. */
void layer_apply_again(struct pods *pods, struct layer *layer);

/* A job about a layer for this operation, which gets a number if it has none. */
int layer_plan(struct operation *operation, enum step_kind kind, const char *id, uint64_t number);
/* The ids of a chain from a layer down, topmost first; the array is the caller's, what it names the layers'. -ENOMEM. */
int layer_chain(const struct layer *top, const char ***ret, size_t *ret_n);

/* A job that has a worker make of a tar what a layer is to have, beside what it has, within what the caller may have: FAILURE_QUOTA_EXCEEDED.
 * `digest`, `diff_id`: as struct plan_apply has them, or NULL. `mine`: what the layer has on its account goes. */
int layer_plan_apply(struct operation *operation, const struct layer *layer, const char *digest, const char *diff_id, bool mine, struct failure *f);

/* Why the executors did not do it, from an answer that is not a success. */
int layer_failure(const struct job_result *answer, const char *id, struct failure *f);
/* What the store said, `r`, of a change of the layer's record: FAILURE_QUOTA_EXCEEDED on a full disk. */
int layer_not_recorded(int r, const char *id, struct failure *f);
