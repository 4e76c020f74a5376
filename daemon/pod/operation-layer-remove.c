/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a layer. What nobody holds and could not be unmounted before is unmounted now. Then the record says that it is
 * being removed, then its directory loses its name, and from then on it is gone for everybody and its id is free. What is left
 * on the disk is removed after that, in portions, by an operation that nobody waits for; what a stop or a crash leaves of it,
 * by the next daemon.
 */

#include <errno.h>
#include <string.h>

#include "layer/holders.h"
#include "layer/uses.h"
#include "pod/layer-mount.h"
#include "pod/layer-turn.h"
#include "pod/operation-layer-private.h"
#include "util/event.h"
#include "util/log.h"

struct removal {
        struct operation operation;
        char *id;
        struct layer *layer; /* with its turn, once it is had; in a purge without it */
        bool unmounting;     /* first of all */
        bool finish;         /* it is on record as being removed already, or was never made */
        bool turn;           /* it was begun with the layer's turn, and has not come to its intent */
};

static struct removal *removal_of(struct operation *operation) {
        return (struct removal *) operation;
}

static void release(struct operation *operation) {
        struct removal *removal = removal_of(operation);

        layer_turn_leave(operation);
        if (removal->turn)
                layer_turn_end(operation->pods, removal->layer);
        free(removal->id);
}

static void purge(struct pods *pods, struct layer *layer);

static int validate(struct operation *operation, struct failure *f) {
        struct removal *removal = removal_of(operation);
        struct layers *layers = operation->pods->layers;
        struct layer *layer;
        int r = layers_check(layers, f);

        if (r != 0 || removal->layer)
                return r;
        layer = map_get(layers->by_id, removal->id);
        if (!layer || !layers_may_see(layer, &operation->caller))
                return OPERATION_FINISHED;
        if (layer->store)
                return layers_in_store_refuse(layer, f);
        if (layer->busy)
                return layer_turn_take(operation, layer);
        removal->finish = layer->record->state != RECORD_LAYER_READY; /* an earlier removal could not go on */
        if (layer->n_children == 0 && layer->n_holders == 0) /* else it is refused, whoever reads it */
                r = layer_turn_after_readers(operation, layer);
        if (r == 0)
                r = layer_check_idle(layer, f);
        return r == 0 ? layers_check_unused(layers, layer, f) : r;
}

static int plan(struct operation *operation, struct failure *f) {
        struct removal *removal = removal_of(operation);
        int r;

        if (!removal->layer)
                removal->layer = map_get(operation->pods->layers->by_id, removal->id); /* as validate() saw it in this turn of the loop */
        if (!removal->layer)
                return layers_no_such(removal->id, f);
        r = layer_look(operation->pods, removal->layer);
        if (r < 0)
                return r;
        if (removal->unmounting && !removal->layer->mounted)
                return 0; /* it went before this retry: there is nothing to execute */
        removal->unmounting = removal->layer->mounted;
        if (removal->unmounting)
                return layer_plan_unmount(operation, removal->layer);
        return layer_plan(operation, STEP_LAYER_RETIRE, removal->id, removal->layer->record->number);
}

/* A child may have come, or a holder, while the layer was unmounted. */
static int intend(struct operation *operation, struct failure *f) {
        struct removal *removal = removal_of(operation);
        struct layers *layers = operation->pods->layers;
        int r = 0;

        if (!removal->unmounting && !removal->finish)
                r = layers_check_unused(layers, removal->layer, f);
        if (r == 0 && !removal->finish)
                r = layer_check_idle(removal->layer, f);
        if (r == 0 && !removal->unmounting) {
                r = layers_retire(layers, removal->layer);
                /* What was never made is removed by the next start, too: on a full disk this makes the room that the record needs. */
                if (r == -ENOSPC && removal->finish)
                        r = 0;
                r = r < 0 ? layer_not_recorded(r, removal->id, f) : 0;
        }
        if (r != 0)
                return r;
        removal->turn = false;
        removal->layer->busy = true;
        return 0;
}

/* An executor that was lost may have taken the directory's name away: then the layer is removed, by an operation that nobody waits for. */
static void take_back(struct operation *operation) {
        struct removal *removal = removal_of(operation);

        if (!removal->finish && !removal->unmounting && operation->n_lost > 0) {
                layer_abolish(operation->pods, removal->layer);
                return;
        }
        if (!removal->finish && !removal->unmounting && layers_keep(operation->pods->layers, removal->layer) < 0)
                log_error("Layer %s is on record as being removed; the next start removes it", removal->id);
        layer_turn_end(operation->pods, removal->layer);
}

static void end(struct operation *operation, struct failure *f) {
        if (operation->internal && f->kind != FAILURE_NONE) {
                log_warning("What is left of layer %s could not be removed: %s", removal_of(operation)->id, f->text);
                failure_clear(f);
        }
        operation_end(operation, f);
}

/* It is unmounted: now for the rest. */
static void result_unmount(struct operation *operation, const struct job_result *answer) {
        struct removal *removal = removal_of(operation);
        struct failure f = FAILURE_INIT;
        int r;

        if (answer && answer->failure == FAILURE_BUSY && operation_retry(operation, answer))
                return;
        if (answer && (answer->lost || answer->failure != FAILURE_NONE))
                (void) layer_failure(answer, removal->id, &f);
        else {
                removal->layer->mounted = removal->unmounting = false;
                r = operation_next(operation, &f);
                if (r == 0)
                        return;
                if (r < 0)
                        (void) failure_from_errno(&f, r);
        }
        layer_turn_end(operation->pods, removal->layer);
        end(operation, &f);
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct removal *removal = removal_of(operation);
        struct layer *layer = removal->layer;
        struct pods *pods = operation->pods;
        struct failure f = FAILURE_INIT;

        if (answer && answer->lost && operation_retry(operation, answer))
                return;
        if (removal->unmounting) {
                result_unmount(operation, answer);
                return;
        }
        if (!answer || answer->lost || answer->failure != FAILURE_NONE) {
                (void) layer_failure(answer, removal->id, &f);
                take_back(operation);
        } else if (layers_detach(pods->layers, layer) < 0) {
                (void) failure_from_errno(&f, -ENOMEM);
                layer_turn_end(pods, layer);
        } else {
                event_log(EVENT_LAYER_CHANGED, EVENT_OF_LAYER(removal->id), "Removed layer %s of user %u", removal->id, (unsigned) layer->record->owner);
                layer_turn_end(pods, layer);
                purge(pods, layer);
        }
        end(operation, &f);
}

static const struct operation_class removal_class = {
        .verb = OPERATION_LAYER_REMOVE,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

static int new_removal(const struct operation_class *class, struct pods *pods, const struct caller *caller, const char *id,
                       struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        int r = operation_new(class, sizeof(struct removal), pods, caller, NULL, "", NULL, &operation, f);

        if (r != 0)
                return r;
        removal_of(operation)->id = strdup(id);
        operation->layer = removal_of(operation)->id;
        if (!removal_of(operation)->id)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

int operation_new_layer_remove(struct pods *pods, const struct caller *caller, const char *id, struct operation **ret, struct failure *f) {
        return new_removal(&removal_class, pods, caller, id, ret, f);
}

void layer_abolish(struct pods *pods, struct layer *layer) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;

        layer->busy = true;
        if (new_removal(&removal_class, pods, &caller_house, layer->record->id, &operation, &f) != 0) {
                log_error("What is left of layer %s is removed at the next start", layer->record->id);
                layer_turn_end(pods, layer);
                return;
        }
        removal_of(operation)->layer = layer;
        removal_of(operation)->finish = removal_of(operation)->turn = true;
        operation_run_internal(operation);
}

static void tell_left(const struct removal *removal) {
        log_warning("What is left of layer %s stays until a cleanup or the next start", removal->id);
}

static int validate_purge(struct operation *operation _unused_, struct failure *f _unused_) {
        return 0;
}

static int plan_purge(struct operation *operation, struct failure *f _unused_) {
        const struct record_layer *record = removal_of(operation)->layer->record;

        return layer_plan(operation, STEP_LAYER_PURGE, record->id, record->number);
}

static int intend_purge(struct operation *operation, struct failure *f _unused_) {
        removal_of(operation)->turn = false;
        return 0; /* the record says it */
}

static void release_purge(struct operation *operation) {
        if (removal_of(operation)->turn) /* it was not even planned */
                tell_left(removal_of(operation));
        release(operation);
}

static void take_back_purge(struct operation *operation) {
        tell_left(removal_of(operation));
        layer_turn_end(operation->pods, removal_of(operation)->layer);
}

static void result_purge(struct operation *operation, const struct job_result *answer) {
        struct removal *removal = removal_of(operation);
        struct pods *pods = operation->pods;
        struct failure f = FAILURE_INIT;
        bool gone = false;
        int r = 0;

        if (answer && (answer->lost || answer->failure == FAILURE_BUSY) && operation_retry(operation, answer))
                return;
        if (!answer || answer->lost || answer->failure != FAILURE_NONE) {
                (void) layer_failure(answer, removal->id, &f);
                log_warning("What is left of layer %s stays until a cleanup or the next start: %s", removal->id, f.text);
        } else if (answer->steps[0].attributes == PURGE_MORE) {
                r = pods->stopping ? 0 : operation_next(operation, &f);
                if (r == 0 && !pods->stopping)
                        return;
        } else {
                r = layers_forget(pods->layers, removal->layer);
                gone = r == 0;
        }
        if (r != 0)
                tell_left(removal);
        if (!gone)
                layer_turn_end(pods, removal->layer);
        failure_clear(&f);
        operation_end(operation, &f);
}

static const struct operation_class purge_class = {
        .verb = OPERATION_LAYER_PURGE,
        .validate = validate_purge,
        .plan = plan_purge,
        .intend = intend_purge,
        .take_back = take_back_purge,
        .result = result_purge,
        .release = release_purge,
};

/* Removes what is left of a layer that has lost its name. */
static void purge(struct pods *pods, struct layer *layer) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;

        if (new_removal(&purge_class, pods, &caller_house, layer->record->id, &operation, &f) != 0) {
                log_error("What is left of layer %s is removed at the next start", layer->record->id);
                return;
        }
        removal_of(operation)->layer = layer;
        removal_of(operation)->turn = layer->busy = true;
        operation_run_internal(operation);
}

uint32_t layers_purge_again(struct pods *pods, const struct caller *caller) {
        struct layers *layers = pods->layers;
        struct layer *layer;
        uint32_t n = 0;

        MAP_FOREACH(layer, layers->by_id)
                if (layer->adopting && !layer->writer && layers_may_see(layer, caller))
                        layer_apply_again(pods, layer);
        for (size_t i = 0; i < layers->n_removing; i++)
                if (!layers->removing[i]->busy && layers_may_see(layers->removing[i], caller)) {
                        purge(pods, layers->removing[i]);
                        n++;
                }
        return n;
}

/* A mount outlives a daemon: it is found again where it was, and goes if nobody holds its layer any more. */
static void find_mount(struct pods *pods, struct layer *layer) {
        if (layer_look(pods, layer) >= 0 && layer->mounted && holders_of_mount(layer) == 0)
                layer_let_go(pods, layer);
}

void layers_recover(struct pods *pods) {
        struct layers *layers = pods->layers;
        struct layer *layer;

        if (!layers || !layers->store)
                return;
        for (size_t i = 0; i < layers->n_removing; i++)
                purge(pods, layers->removing[i]);
        MAP_FOREACH(layer, layers->by_id) {
                if (layer->record->state != RECORD_LAYER_READY) {
                        layer_abolish(pods, layer);
                        continue;
                }
                find_mount(pods, layer);
                if (layer->record->work != RECORD_LAYER_IDLE)
                        layer_apply_again(pods, layer);
        }
}
