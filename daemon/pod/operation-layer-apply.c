/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tar is added to what a layer has. A worker makes all of it beside that, waiting for whoever writes the tar as long as it takes;
 * then both change places by one rename, and the old is removed. The record says how far it is, so that a crash leaves nothing
 * but what the next daemon removes, or, when all was there, brings to its end.
 */

#include <inttypes.h>
#include <string.h>

#include "layer/uses.h"
#include "plan/layer.h"
#include "pod/layer-mount.h"
#include "pod/layer-stream.h"
#include "pod/layer-turn.h"
#include "pod/operation-layer-private.h"
#include "util/event.h"
#include "util/log.h"

enum phase {
        PHASE_CLEAR_FIRST, /* what an earlier one could not remove */
        PHASE_APPLY,
        PHASE_MERGE, /* if the layer has content */
        PHASE_ADOPT,
        PHASE_CLEAR,
};

struct apply {
        struct operation operation;
        struct layer_stream stream;
        char *id;
        struct layer *layer;
        enum phase phase;
        bool again;             /* it goes on with what a crash, or another operation, left */
        uint64_t content;       /* bytes, for the answer */
        bool over;              /* the layer has content */
        uint64_t bytes, inodes; /* of what the tar has made */
        uint64_t old_bytes, old_inodes;
        struct failure failure; /* why it did not come to adopting */
};

static struct apply *apply_of(struct operation *operation) {
        return (struct apply *) operation;
}

static void release(struct operation *operation) {
        struct apply *apply = apply_of(operation);

        layer_turn_leave(operation);
        layer_stream_end(&apply->stream);
        failure_clear(&apply->failure);
        free(apply->id);
}

/* Somebody is about to mount it, or what stands on it, or to remove it. */
static struct layer *find_busy(const struct layers *layers, const struct layer *layer) {
        struct layer *other;

        MAP_FOREACH(other, layers->by_id)
                for (const struct layer *at = other; other->busy && at; at = at->parent)
                        if (at == layer)
                                return other;
        return NULL;
}

/* What is in use is not exchanged: it stays on record as it is. */
static int validate_again(const struct apply *apply) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r;

        if (apply->phase != PHASE_ADOPT)
                return 0;
        if (!apply->layer->adopting)
                return OPERATION_FINISHED; /* another one was faster */
        r = layer_check_unseen(apply->operation.pods->layers, apply->layer, &f);
        if (r > 0)
                log_warning("The new content of layer %s does not take the place of what it has until a cleanup or the next start: %s", apply->id, f.text);
        return r > 0 ? OPERATION_FINISHED : r;
}

static int validate(struct operation *operation, struct failure *f) {
        struct apply *apply = apply_of(operation);
        struct layers *layers = operation->pods->layers;
        struct layer *layer, *busy;
        int r = layers_check_backing(layers, f);

        if (r != 0)
                return r;
        layer = apply->layer ? apply->layer : layers_find(layers, apply->id, &operation->caller);
        if (!layer)
                return layers_no_such(apply->id, f);
        if (layer->store)
                return layers_in_store_refuse(layer, f);
        busy = find_busy(layers, layer);
        if (busy)
                return layer_turn_take(operation, busy);
        if (apply->layer)
                return apply->again && !apply->stream.begun ? validate_again(apply) : 0;
        if (layer->record->chain)
                return failure_set(f, FAILURE_NOT_SUPPORTED, "Layer %s is a layer of an image, and is what its digest says: make a layer on it for what is to be added",
                                   apply->id);
        r = layer_check_whole(layer, f);
        if (r == 0)
                r = layer_check_written(layer, f);
        if (r == 0)
                r = layer_check_unheld(layers, layer, f);
        if (r == 0)
                r = layer_turn_after_readers(operation, layer);
        if (r == 0)
                r = layer_check_unseen(layers, layer, f);
        return r == 0 ? layer_stream_check(operation, f) : r;
}

/* What is written into a layer that is written to has the ids that its files have on the host. */
static int plan_content(const struct layer *layer, struct plan_apply *plan, struct idmap *idmap, const char ***ret_below) {
        const struct record_layer *record = layer->record;
        int r = layer_chain(layer->parent, ret_below, &plan->n_below);

        if (r == 0 && record->read_write && record->uid_map) {
                r = layer_read_map(record, idmap);
                plan->idmap = idmap;
        }
        plan->below = *ret_below;
        return r;
}

int layer_plan_apply(struct operation *operation, const struct layer *layer, const char *digest, const char *diff_id, bool mine, struct failure *f) {
        const struct record_layer *record = layer->record;
        _cleanup_free_ const char **below = NULL;
        _cleanup_idmap_ struct idmap idmap = {};
        const struct job_caller caller = {
                .root = caller_is_root(&operation->caller), .uid = operation->caller.uid, .gid = operation->caller.gid};
        struct plan_apply plan = {
                .id = record->id,
                .number = record->number,
                .writable = record->read_write,
                .base = layer->parent == NULL,
                .digest = digest,
                .diff_id = diff_id,
        };
        int r = plan_content(layer, &plan, &idmap, &below);

        if (r < 0)
                return r;
        layer_stream_room(operation, &plan.bytes_max, &plan.inodes_max);
        if (mine && !caller.root) {
                plan.bytes_max += record->bytes; /* which go */
                plan.inodes_max += record->inodes;
        }
        if (plan.bytes_max == 0 || plan.inodes_max == 0)
                return layer_stream_full(operation, plan.bytes_max == 0 ? QUOTA_LAYER_BYTES_OF_USER : QUOTA_LAYER_INODES_OF_USER, f);
        if (operation->job_id == 0)
                operation->job_id = store_next_job(operation->pods->store);
        return plan_layer_apply(operation->job_id, &caller, &plan, &operation->job);
}

/* What the layer has may take what the tar has left. */
static int plan_merge(struct apply *apply) {
        const struct layer *layer = apply->layer;
        uint64_t bytes, inodes;

        layer_stream_room(&apply->operation, &bytes, &inodes);
        return plan_layer_merge(apply->operation.job_id, layer->record->id, layer->record->number, layer->parent == NULL, bytes, inodes, &apply->operation.job);
}

static int plan(struct operation *operation, struct failure *f) {
        struct apply *apply = apply_of(operation);

        if (!apply->layer) {
                apply->layer = layers_find(operation->pods->layers, apply->id, &operation->caller);
                if (!apply->layer)
                        return layers_no_such(apply->id, f);
                apply->phase = apply->layer->record->work == RECORD_LAYER_IDLE ? PHASE_APPLY : PHASE_CLEAR_FIRST;
        }
        switch (apply->phase) {
        case PHASE_APPLY:
                return layer_plan_apply(operation, apply->layer, NULL, NULL, !apply->stream.begun, f);
        case PHASE_MERGE:
                return plan_merge(apply);
        case PHASE_ADOPT:
                return layer_plan(operation, STEP_LAYER_ADOPT, apply->id, apply->layer->record->number);
        case PHASE_CLEAR_FIRST:
        case PHASE_CLEAR:
                break;
        }
        return layer_plan(operation, STEP_LAYER_CLEAR, apply->id, apply->layer->record->number);
}

static int set_work(struct apply *apply, enum record_layer_work work, uint64_t bytes, uint64_t inodes) {
        return layers_set_work(apply->operation.pods->layers, apply->layer, work, bytes, inodes);
}

static int intend(struct operation *operation, struct failure *f) {
        struct apply *apply = apply_of(operation);
        int r;

        if (!apply->stream.begun) {
                apply->old_bytes = apply->layer->record->bytes;
                apply->old_inodes = apply->layer->record->inodes;
                layer_stream_begin(&apply->stream, operation, "ApplyDiff", true);
                layer_stream_hold(&apply->stream, apply->layer);
        }
        r = apply->phase == PHASE_APPLY ? set_work(apply, RECORD_LAYER_APPLYING, apply->old_bytes, apply->old_inodes) : 0;
        return r < 0 ? layer_not_recorded(r, apply->id, f) : 0;
}

static void take_back(struct operation *operation) {
        struct apply *apply = apply_of(operation);

        if (apply->phase == PHASE_APPLY && set_work(apply, RECORD_LAYER_IDLE, apply->old_bytes, apply->old_inodes) < 0)
                log_error("Layer %s is on record as being written; the next start looks what there is", apply->id);
        layer_stream_end(&apply->stream);
}

static void finish(struct operation *operation) {
        struct apply *apply = apply_of(operation);
        struct failure f = FAILURE_INIT;

        failure_move(&f, &apply->failure);
        layer_stream_end(&apply->stream);
        if (f.kind == FAILURE_NONE)
                event_log(EVENT_LAYER_CHANGED, EVENT_OF_LAYER(apply->id), "Applied %" PRIu64 " bytes to layer %s", apply->content, apply->id);
        else if (operation->internal) {
                log_warning("A tar was not applied to layer %s: %s", apply->id, f.text);
                failure_clear(&f);
        }
        operation_end(operation, &f);
}

/* The next job; without one the rest is left to the next start. */
static void go_on(struct operation *operation, enum phase phase) {
        struct apply *apply = apply_of(operation);
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r;

        apply->phase = phase;
        r = operation->pods->stopping ? -ESHUTDOWN : operation_next(operation, &f);
        if (r == 0)
                return;
        if (r != -ESHUTDOWN)
                log_warning("What lies beside the content of layer %s stays until the next start", apply->id);
        if (apply->failure.kind == FAILURE_NONE && phase != PHASE_CLEAR) {
                (void) failure_from_errno(&f, r < 0 ? r : -EIO);
                failure_move(&apply->failure, &f);
        }
        finish(operation);
}

/* Nothing comes of it: what there is of it is removed. The failure is moved out. */
static void give_up(struct operation *operation, struct failure *f) {
        failure_move(&apply_of(operation)->failure, f);
        go_on(operation, PHASE_CLEAR);
}

static void told_done(struct operation *operation, const struct stream_report *report) {
        struct apply *apply = apply_of(operation);
        struct failure f = FAILURE_INIT;
        const bool merge = apply->over && apply->phase == PHASE_APPLY;
        uint64_t bytes = apply->bytes + report->figures[APPLY_WRITTEN], inodes = apply->inodes + report->figures[APPLY_INODES];
        int r = layer_stream_count(&apply->stream, bytes, inodes, &f);

        if (apply->phase == PHASE_APPLY)
                apply->content = report->figures[APPLY_CONTENT];
        apply->bytes = bytes;
        apply->inodes = inodes;
        if (r == 0 && !merge)
                r = set_work(apply, RECORD_LAYER_ADOPTING, bytes, inodes);
        if (r < 0)
                (void) layer_not_recorded(r, apply->id, &f);
        if (r != 0)
                give_up(operation, &f);
        else
                go_on(operation, merge ? PHASE_MERGE : PHASE_ADOPT);
}

static void told(struct operation *operation, const struct stream_report *report) {
        struct apply *apply = apply_of(operation);
        struct failure f = FAILURE_INIT;

        switch (report->kind) {
        case STREAM_PROGRESS:
                if (layer_stream_count(&apply->stream, apply->bytes + report->figures[APPLY_WRITTEN], apply->inodes + report->figures[APPLY_INODES], &f) != 0)
                        stream_break(apply->stream.stream, f.kind, f.text);
                failure_clear(&f);
                return;
        case STREAM_DONE:
                told_done(operation, report);
                return;
        case STREAM_FAILED:
                layer_stream_failed(&apply->stream, report, &f);
                give_up(operation, &f);
                return;
        case STREAM_PORTION: /* there are none */
        case _STREAM_KIND_MAX:
                break;
        }
}

/* Of either worker. */
static void result_apply(struct operation *operation, const struct job_result *answer) {
        struct apply *apply = apply_of(operation);
        struct failure f = FAILURE_INIT;
        int r;

        if (!answer || answer->lost || answer->failure != FAILURE_NONE)
                (void) layer_failure(answer, apply->id, &f);
        else {
                if (apply->phase == PHASE_APPLY)
                        apply->over = answer->steps[0].attributes == APPLY_OVER;
                r = layer_stream_follow(&apply->stream, answer, told);
                if (r == 0)
                        return;
                (void) failure_from_errno(&f, r);
        }
        give_up(operation, &f);
}

static void result_adopt(struct operation *operation, const struct job_result *answer) {
        struct apply *apply = apply_of(operation);
        struct failure f = FAILURE_INIT;

        if (answer && answer->lost && operation_retry(operation, answer))
                return;
        if (answer && !answer->lost && answer->failure == FAILURE_NONE) {
                apply->layer->adopting = false; /* whatever the record says until the rest is removed */
                go_on(operation, PHASE_CLEAR);
                return;
        }
        (void) layer_failure(answer, apply->id, &f);
        /* What was charged for the old content is known to the operation that made the new one alone. */
        if (answer && !answer->lost && !apply->again && set_work(apply, RECORD_LAYER_APPLYING, apply->old_bytes, apply->old_inodes) == 0) {
                give_up(operation, &f);
                return;
        }
        /* Which of the two the layer has is not known: a cleanup, or the next start, makes it the new one. */
        failure_move(&apply->failure, &f);
        finish(operation);
}

static void result_clear(struct operation *operation, const struct job_result *answer) {
        struct apply *apply = apply_of(operation);
        const struct record_layer *record = apply->layer->record;
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (answer && (answer->lost || answer->failure == FAILURE_BUSY) && operation_retry(operation, answer))
                return;
        if (!answer || answer->lost || answer->failure != FAILURE_NONE) {
                (void) layer_failure(answer, apply->id, &f);
                log_warning("What lies beside the content of layer %s stays until the next start: %s", apply->id, f.text);
                if (apply->phase == PHASE_CLEAR_FIRST)
                        failure_move(&apply->failure, &f);
                finish(operation);
        } else if (answer->steps[0].attributes == PURGE_MORE)
                go_on(operation, apply->phase);
        else if (apply->phase == PHASE_CLEAR_FIRST)
                go_on(operation, PHASE_APPLY);
        else {
                if (set_work(apply, RECORD_LAYER_IDLE, record->bytes, record->inodes) < 0)
                        log_warning("Layer %s is on record as being written; the next start looks what there is", apply->id);
                finish(operation);
        }
}

static void result(struct operation *operation, const struct job_result *answer) {
        switch (apply_of(operation)->phase) {
        case PHASE_APPLY:
        case PHASE_MERGE:
                result_apply(operation, answer);
                return;
        case PHASE_ADOPT:
                result_adopt(operation, answer);
                return;
        case PHASE_CLEAR_FIRST:
        case PHASE_CLEAR:
                result_clear(operation, answer);
                return;
        }
}

static const struct operation_class class = {
        .verb = OPERATION_LAYER_APPLY,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

int operation_new_layer_apply(struct pods *pods, const struct caller *caller, const char *id, const struct operation_fds *fds,
                              struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        int r = operation_new(&class, sizeof(struct apply), pods, caller, NULL, "", fds, &operation, f);

        if (r != 0)
                return r;
        apply_of(operation)->id = strdup(id);
        operation->layer = apply_of(operation)->id;
        if (!apply_of(operation)->id)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

uint64_t operation_layer_bytes(const struct operation *operation) {
        return operation->class == &class ? ((const struct apply *) operation)->content : 0;
}

void layer_apply_again(struct pods *pods, struct layer *layer) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;
        struct apply *apply;

        if (operation_new_layer_apply(pods, &caller_house, layer->record->id, NULL, &operation, &f) != 0) {
                log_error("What lies beside the content of layer %s stays until the next start", layer->record->id);
                return;
        }
        apply = apply_of(operation);
        apply->layer = layer;
        apply->again = true;
        apply->phase = layer->record->work == RECORD_LAYER_ADOPTING ? PHASE_ADOPT : PHASE_CLEAR;
        operation_run_internal(operation);
}
