/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Operations on layers. They go through the stations like those on pods (pod/operation.h) and have no pod. */

#include "layer/asked.h"
#include "pod/operation.h"

/* A new layer, or, as a retry, the one that is there and the same. What the arguments point to is copied. */
int operation_new_layer_create(struct pods *pods, const struct caller *caller, const struct layer_asked *asked,
                               struct operation **ret, struct failure *f);
/* The end of a layer that nothing stands on; one that is not there is gone already. It is over when nobody sees the layer
 * any more; what it had on the disk is removed after that. */
int operation_new_layer_remove(struct pods *pods, const struct caller *caller, const char *id, struct operation **ret,
                               struct failure *f);

/* The id of the layer; the operation's, NULL before an id was chosen. */
const char *operation_layer(const struct operation *operation);

/* Ends what a crash left half made or half removed. Asynchronous; whoever wants a layer of the same id waits. */
void layers_recover(struct pods *pods);
