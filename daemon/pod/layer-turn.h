/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One operation at a time changes a layer; the others wait, all in one list, and look again whenever one has ended. Whoever changes
 * what a worker reads waits there, too, a little. */

#include "pod/operation-private.h"

/* OPERATION_GO_ON with the layer's turn, or OPERATION_WAIT: it is resumed later. */
int layer_turn_take(struct operation *operation, struct layer *layer);
/* Before layer_check_idle() and layer_check_unseen(): OPERATION_WAIT while the layer, or what stands on it, is being read; but
 * OPERATION_GO_ON, to be refused by them, once that has taken half a second. Whoever has read a tar to its end may be heard before the
 * worker that wrote it. */
int layer_turn_after_readers(struct operation *operation, const struct layer *layer);
/* All that wait look again: a layer's turn has ended, or its last reader. */
void layer_turn_look_again(struct pods *pods);
/* Gives the turn back. */
void layer_turn_end(struct pods *pods, struct layer *layer);
/* An operation that is about to be freed waits no more. */
void layer_turn_leave(struct operation *operation);
