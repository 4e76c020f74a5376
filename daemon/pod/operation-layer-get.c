/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A layer is got: it is mounted if nobody has it yet, and then its holder is put on record, in this order: what a crash leaves
 * mounted without a holder is unmounted by the next daemon. Whoever lets its call end before the answer comes, and is no
 * connection that it goes with, holds the layer all the same, and can put it back by its name.
 */

#include <string.h>

#include "layer/holders.h"
#include "layer/uses.h"
#include "pod/layer-mount.h"
#include "pod/layer-turn.h"
#include "pod/operation-layer-private.h"
#include "util/log.h"

struct get {
        struct operation operation;
        char *id, *holder, *path;
        uint64_t connection;
        struct layer *layer; /* from its intent on, with its turn */
};

static struct get *get_of(struct operation *operation) {
        return (struct get *) operation;
}

static void release(struct operation *operation) {
        struct get *get = get_of(operation);

        layer_turn_leave(operation);
        free(get->id);
        free(get->holder);
        free(get->path);
}

static int validate(struct operation *operation, struct failure *f) {
        struct get *get = get_of(operation);
        struct layers *layers = operation->pods->layers;
        struct layer *layer;
        int r = layers_check(layers, f);

        if (r == 0)
                r = holder_check_name(get->holder, f);
        if (r != 0)
                return r;
        layer = layers_find(layers, get->id, &operation->caller);
        if (!layer)
                return layers_no_such(get->id, f);
        if (layer->busy)
                return layer_turn_take(operation, layer);
        r = layer_check_whole(layer, f);
        if (r == 0)
                r = layer_check_written(layer, f);
        if (r == 0)
                r = holder_check_free(layer, f);
        if (r == 0)
                r = holder_check_room(layer, operation->caller.uid, get->holder, get->connection, f);
        return r == 0 ? pods_check_runtime(operation->pods, f) : r;
}

static int plan(struct operation *operation, struct failure *f) {
        struct get *get = get_of(operation);
        struct layer *layer = get->layer ? get->layer : layers_find(operation->pods->layers, get->id, &operation->caller);
        int r;

        if (!layer)
                return layers_no_such(get->id, f);
        r = layer_look(operation->pods, layer);
        if (r < 0)
                return r;
        free(get->path);
        get->path = layer_path(operation->pods, layer);
        if (!get->path)
                return log_oom();
        if (operation->job_id == 0)
                operation->job_id = store_next_job(operation->pods->store);
        if (layer->covered)
                return failure_set(f, FAILURE_TARGET_IN_USE, "Another mount covers layers/%s in the runtime directory; unmount that first", layer->record->id);
        if (layer->mounted)
                return 0; /* there is nothing to execute */
        r = layer->parent ? layers_check_overlay(operation->pods->layers, layer, f) : 0;
        if (r == 0)
                r = layer_check_mounts(operation, layer, f);
        return r == 0 ? layer_plan_mount(operation, layer) : r;
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        struct get *get = get_of(operation);

        get->layer = layers_find(operation->pods->layers, get->id, &operation->caller);
        get->layer->busy = true;
        get->layer->mounting = operation->job != NULL;
        return 0;
}

static void take_back(struct operation *operation) {
        struct layer *layer = get_of(operation)->layer;

        layer->mounting = false;
        layer_turn_end(operation->pods, layer);
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct get *get = get_of(operation);
        struct pods *pods = operation->pods;
        struct layer *layer = get->layer;
        struct failure f = FAILURE_INIT;
        /* Whoever it goes with has left, or has stopped waiting. */
        bool nobody = get->connection != 0 && operation->internal;
        int r;

        if (answer && answer->lost && operation_retry(operation, answer))
                return;
        layer->mounting = false;
        if (answer && (answer->lost || answer->failure != FAILURE_NONE))
                (void) layer_failure(answer, get->id, &f);
        else {
                if (answer)
                        layer_set_mounted(layer, &answer->steps[0]);
                r = nobody ? 0 : holder_add(pods->layers, layer, operation->caller.uid, get->holder, get->connection, 1);
                if (r < 0)
                        (void) layer_not_recorded(r, get->id, &f);
        }
        layer_turn_end(pods, layer);
        if (holders_of_mount(layer) == 0 && (nobody || f.kind != FAILURE_NONE))
                layer_let_go(pods, layer);
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_LAYER_GET,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

int operation_new_layer_get(struct pods *pods, const struct caller *caller, const char *id, const char *holder, uint64_t connection,
                            struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        int r = operation_new(&class, sizeof(struct get), pods, caller, NULL, "", NULL, &operation, f);

        if (r != 0)
                return r;
        get_of(operation)->id = strdup(id);
        operation->layer = get_of(operation)->id;
        get_of(operation)->holder = strdup(holder);
        get_of(operation)->connection = connection;
        if (!get_of(operation)->id || !get_of(operation)->holder)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

const char *operation_layer_path(const struct operation *operation) {
        return operation->class == &class ? ((const struct get *) operation)->path : NULL;
}
