/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One operation at a time changes a layer; the others wait, all in one list, and look again whenever one has ended. */

#include "pod/operation-private.h"

/* OPERATION_GO_ON with the layer's turn, or OPERATION_WAIT: it is resumed later. */
int layer_turn_take(struct operation *operation, struct layer *layer);
/* Gives the turn back. */
void layer_turn_end(struct pods *pods, struct layer *layer);
/* An operation that is about to be freed waits no more. */
void layer_turn_leave(struct operation *operation);
