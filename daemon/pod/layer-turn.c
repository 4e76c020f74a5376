/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose turn it is on a layer. Layers are changed seldom, so that everybody looks again. */

#include "pod/layer-turn.h"

#include "layer/uses.h"
#include "pod/turn.h"
#include "util/log.h"

enum { READERS_WAIT_US = 500 * 1000 }; /* as long as what is EBUSY is tried */

static int wait_in_list(struct operation *operation) {
        struct operation **end = &operation->pods->layer_waiting;

        while (*end)
                end = &(*end)->next;
        operation->next = NULL;
        *end = operation;
        operation->stage = OPERATION_WAITING;
        return OPERATION_WAIT;
}

int layer_turn_take(struct operation *operation, struct layer *layer) {
        if (layer->busy)
                return wait_in_list(operation);
        layer->busy = true;
        return OPERATION_GO_ON;
}

/* It stays until it is looked at, disabled: that is how the wait is known to be over. */
static int on_patience(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct operation *operation = userdata;

        if (operation->stage != OPERATION_WAITING) /* woken already, or past it */
                return 0;
        layer_turn_leave(operation);
        turn_wake(operation->pods, operation);
        return 0;
}

/* After a stall of the loop, what the workers have said meanwhile is heard first. */
static int arm_patience(struct operation *operation) {
        int r = sd_event_add_time_relative(operation->pods->event, &operation->timer, CLOCK_MONOTONIC, READERS_WAIT_US, 1000,
                                           on_patience, operation);

        if (r >= 0)
                r = sd_event_source_set_priority(operation->timer, SD_EVENT_PRIORITY_NORMAL + 1);
        if (r < 0)
                operation->timer = sd_event_source_disable_unref(operation->timer);
        return r < 0 ? log_errno(LOG_ERR, r, "arm the timer of what waits for readers") : 0;
}

int layer_turn_after_readers(struct operation *operation, const struct layer *layer) {
        const bool read = layer_is_read(operation->pods->layers, layer);

        if (read && !operation->timer) {
                int r = arm_patience(operation);

                return r < 0 ? r : wait_in_list(operation);
        }
        if (read && sd_event_source_get_enabled(operation->timer, NULL) > 0)
                return wait_in_list(operation);
        operation->timer = sd_event_source_disable_unref(operation->timer);
        return OPERATION_GO_ON;
}

void layer_turn_end(struct pods *pods, struct layer *layer) {
        layer->busy = false;
        layer_turn_look_again(pods);
}

void layer_turn_look_again(struct pods *pods) {
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
