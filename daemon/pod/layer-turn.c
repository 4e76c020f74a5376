/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose turn it is on a layer. Layers are changed seldom, so that everybody looks again. */

#include "pod/layer-turn.h"

#include "pod/turn.h"

int layer_turn_take(struct operation *operation, struct layer *layer) {
        struct operation **end = &operation->pods->layer_waiting;

        if (!layer->busy) {
                layer->busy = true;
                return OPERATION_GO_ON;
        }
        while (*end)
                end = &(*end)->next;
        operation->next = NULL;
        *end = operation;
        operation->stage = OPERATION_WAITING;
        return OPERATION_WAIT;
}

void layer_turn_end(struct pods *pods, struct layer *layer) {
        layer->busy = false;
        while (pods->layer_waiting) {
                struct operation *operation = pods->layer_waiting;

                pods->layer_waiting = operation->next;
                turn_wake(pods, operation);
        }
}

void layer_turn_leave(struct operation *operation) {
        for (struct operation **at = &operation->pods->layer_waiting; *at; at = &(*at)->next)
                if (*at == operation) {
                        *at = operation->next;
                        operation->next = NULL;
                        return;
                }
}
