/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A layer is put back: the last holder goes from the record first, and then the mount; if that stays, the holder comes back, so
 * that a layer in use stays held, and whoever put it back can do so again. A crash between the two leaves a mount and no holder, which
 * the next start lets go by the same operation: put back it is either way.
 */

#include <string.h>

#include "layer/holders.h"
#include "pod/layer-mount.h"
#include "pod/layer-turn.h"
#include "pod/operation-layer-private.h"
#include "util/log.h"

struct put {
        struct operation operation;
        char *id, *holder; /* holder NULL: what nobody holds is let go */
        uid_t owner;       /* whom the holder is for */
        uint64_t connection;
        bool all;
        bool unmounted;      /* a cleanup has done something */
        uint32_t dropped;    /* how often the holder held it that went before the mount */
        struct layer *layer; /* from its intent on, with its turn */
};

static struct put *put_of(struct operation *operation) {
        return (struct put *) operation;
}

static void release(struct operation *operation) {
        layer_turn_leave(operation);
        free(put_of(operation)->id);
        free(put_of(operation)->holder);
}

static const struct holder *find_holder(const struct put *put, const struct layer *layer) {
        return put->holder ? holder_find(layer, put->owner, put->holder, put->connection) : NULL;
}

/* Whether nobody holds the layer when this has been put back. */
static bool is_last(const struct put *put, const struct layer *layer) {
        const struct holder *holder = find_holder(put, layer);

        if (put->dropped > 0)
                return holders_of_mount(layer) == 0;
        return put->holder ? holders_of_mount(layer) == 1 && holder && (put->all || holder->count == 1) : holders_of_mount(layer) == 0;
}

static int validate(struct operation *operation, struct failure *f) {
        struct put *put = put_of(operation);
        struct layers *layers = operation->pods->layers;
        struct layer *layer;
        int r = layers_check(layers, f);

        if (r == 0 && put->holder)
                r = holder_check_name(put->holder, f);
        if (r != 0)
                return r;
        layer = layers_find(layers, put->id, &operation->caller);
        if (!layer)
                return put->holder ? layers_no_such(put->id, f) : OPERATION_FINISHED;
        if (layer->busy)
                return layer_turn_take(operation, layer);
        if (put->holder ? !find_holder(put, layer) : holders_of_mount(layer) > 0)
                return OPERATION_FINISHED; /* a retry; or somebody has got it meanwhile */
        return pods_check_runtime(operation->pods, f);
}

static int plan(struct operation *operation, struct failure *f) {
        struct put *put = put_of(operation);
        struct layer *layer = put->layer ? put->layer : layers_find(operation->pods->layers, put->id, &operation->caller);
        int r;

        if (!layer)
                return layers_no_such(put->id, f);
        if (operation->job_id == 0)
                operation->job_id = store_next_job(operation->pods->store);
        if (!is_last(put, layer))
                return 0;
        r = layer_look(operation->pods, layer);
        if (r < 0)
                return r;
        if (!layer->mounted && !put->layer)
                return put->holder ? 0 : OPERATION_FINISHED;
        return layer_plan_unmount(operation, layer); /* in a retry it may be gone, and its place may not */
}

static int intend(struct operation *operation, struct failure *f) {
        struct put *put = put_of(operation);
        struct layers *layers = operation->pods->layers;
        const struct holder *holder;
        uint32_t count;
        int r;

        put->layer = layers_find(layers, put->id, &operation->caller);
        holder = find_holder(put, put->layer);
        count = holder && holder->connection == 0 ? holder->count : 0; /* the others die with us */
        if (operation->job && count > 0) {
                r = holder_drop(layers, put->layer, put->owner, put->holder, put->connection, UINT32_MAX);
                if (r < 0)
                        return layer_not_recorded(r, put->id, f);
                put->dropped = count;
        }
        put->layer->busy = true;
        return 0;
}

/* The mount stays, and so does who held it. */
static void hold_again(struct put *put) {
        struct layers *layers = put->operation.pods->layers;
        int r = 0;

        if (put->dropped > 0)
                r = holder_add(layers, put->layer, put->owner, put->holder, put->connection, put->dropped);
        if (r < 0)
                log_error("Layer %s stays mounted, and %s holds it no more; podmountctl layer cleanup unmounts it", put->id, put->holder);
        put->dropped = 0;
}

static void take_back(struct operation *operation) {
        hold_again(put_of(operation));
        layer_turn_end(operation->pods, put_of(operation)->layer);
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct put *put = put_of(operation);
        struct pods *pods = operation->pods;
        struct layer *layer = put->layer;
        struct failure f = FAILURE_INIT;
        int r = 0;

        if (answer && (answer->lost || answer->failure == FAILURE_BUSY) && operation_retry(operation, answer))
                return;
        if (answer && (answer->lost || answer->failure != FAILURE_NONE))
                (void) layer_failure(answer, put->id, &f);
        else if (answer) {
                layer->mounted = false;
                put->unmounted = true;
        }
        if (f.kind != FAILURE_NONE)
                hold_again(put);
        else if (put->holder && put->dropped == 0)
                r = holder_drop(pods->layers, layer, put->owner, put->holder, put->connection, put->all ? UINT32_MAX : 1);
        if (r < 0)
                (void) layer_not_recorded(r, put->id, &f);
        layer_turn_end(pods, layer);
        /* The others went meanwhile with their connections. */
        if (f.kind == FAILURE_NONE && put->holder && layer->mounted && holders_of_mount(layer) == 0)
                layer_let_go(pods, layer);
        if (operation->internal && f.kind != FAILURE_NONE) {
                log_warning("Layer %s stays mounted: %s; podmountctl layer cleanup tries again", put->id, f.text);
                failure_clear(&f);
        }
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_LAYER_PUT,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

static int new_put(struct pods *pods, const struct caller *caller, const char *id, const char *holder, struct operation **ret,
                   struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        int r = operation_new(&class, sizeof(struct put), pods, caller, NULL, "", NULL, &operation, f);

        if (r != 0)
                return r;
        put_of(operation)->id = strdup(id);
        operation->layer = put_of(operation)->id;
        put_of(operation)->owner = caller->uid;
        put_of(operation)->holder = holder ? strdup(holder) : NULL;
        if (!put_of(operation)->id || (holder && !put_of(operation)->holder))
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

int operation_new_layer_put(struct pods *pods, const struct caller *caller, const char *id, const char *holder, uid_t owner, uint64_t connection, bool all,
                            struct operation **ret, struct failure *f) {
        int r = new_put(pods, caller, id, holder, ret, f);

        if (r == 0) {
                put_of(*ret)->owner = owner;
                put_of(*ret)->connection = connection;
                put_of(*ret)->all = all;
        }
        return r;
}

int operation_new_layer_let_go(struct pods *pods, const struct caller *caller, const char *id, struct operation **ret, struct failure *f) {
        return new_put(pods, caller, id, NULL, ret, f);
}

bool operation_layer_unmounted(const struct operation *operation) {
        return operation->class == &class && ((const struct put *) operation)->unmounted;
}

void layer_let_go(struct pods *pods, struct layer *layer) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;

        if (new_put(pods, &caller_house, layer->record->id, NULL, &operation, &f) != 0)
                log_error("Layer %s stays mounted; podmountctl layer cleanup tries again", layer->record->id);
        else
                operation_run_internal(operation);
}

void layers_disconnect(struct pods *pods, uint64_t connection) {
        struct layer *layer;

        if (!pods->layers || !pods->layers->by_id || pods->stopping)
                return;
        MAP_FOREACH(layer, pods->layers->by_id) {
                size_t before = holders_of_mount(layer);

                holder_drop_connection(layer, connection);
                if (before > 0 && holders_of_mount(layer) == 0)
                        layer_let_go(pods, layer);
        }
}
