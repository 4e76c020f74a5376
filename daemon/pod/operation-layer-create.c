/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A new layer: on record first, then its directory is made beside the others and gets its name in one step. What is on
 * record as being made when a daemon starts is removed. */

#include <string.h>

#include "admit/own-ids.h"
#include "pod/layer-turn.h"
#include "pod/operation-layer-private.h"
#include "plan/layer.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/log.h"
#include "util/text.h"

struct create {
        struct operation operation;
        struct layer_asked asked; /* its texts are these: */
        char *texts[5], **metadata;
        char *id;                 /* as asked for, or the one that was chosen */
        bool abolished;           /* what was left of another layer of this id was removed once more */
        struct layer *layer;      /* from its intent on, with its turn */
};

static struct create *create_of(struct operation *operation) {
        return (struct create *) operation;
}

static void release(struct operation *operation) {
        struct create *create = create_of(operation);

        layer_turn_leave(operation);
        for (size_t i = 0; i < ELEMENTSOF(create->texts); i++)
                free(create->texts[i]);
        strv_free(create->metadata);
        free(create->id);
}

static int exists(const struct layer *layer, const struct caller *caller, struct failure *f) {
        bool known = layers_may_see(layer, caller);

        if (layer->record->state != RECORD_LAYER_READY)
                return failure_set(f, FAILURE_LAYER_EXISTS,
                                   "What is left of a layer %s that is no more is in the way, and cannot be removed (the journal says why); choose another id",
                                   layer->record->id);
        return failure_set(f, FAILURE_LAYER_EXISTS, "There is a layer %s already%s; choose another id", layer->record->id,
                           known ? ", made with other arguments" : ", of another user");
}

/* One that is there already, wholly or in part. */
static int validate_other(struct operation *operation, struct layer *other, struct failure *f) {
        struct create *create = create_of(operation);

        if (!other->busy && other->record->state != RECORD_LAYER_READY && !create->abolished) {
                create->abolished = true;
                layer_abolish(operation->pods, other);
        }
        if (other->busy)
                return layer_turn_take(operation, other);
        if (other->record->state == RECORD_LAYER_READY && other->record->owner == operation->caller.uid &&
            layer_asked_is(&create->asked, other->record, other->parent ? other->parent->record->id : ""))
                return OPERATION_FINISHED;
        return exists(other, &operation->caller, f);
}

/* -EINVAL for what layer_asked_check() would not have let through. */
static int read_map(const struct create *create, struct idmap *ret) {
        _cleanup_free_ char *text = text_format("uids=%s;gids=%s", create->asked.uid_map, create->asked.gid_map);
        const char *must;
        int r = text ? idmap_parse(text, ret, &must) : -ENOMEM;

        return r > 0 ? -EINVAL : r;
}

/* Anyone but root has files be its own and those of its ranges; what is on the disk of a layer is nobody's on the host. An
 * executor judges again. */
static int check_map(const struct create *create, const struct caller *caller, struct failure *f) {
        _cleanup_idmap_ struct idmap idmap = {};
        int r;

        if (!create->asked.uid_map || caller_is_root(caller))
                return 0;
        r = read_map(create, &idmap);
        if (r < 0)
                return r;
        if (own_ids_of_layer(caller, &idmap))
                return 0;
        return failure_set(f, FAILURE_SOURCE_DENIED,
                           "uid-map or gid-map has files seen as those of ids that are neither the caller's nor in its ranges of /etc/subuid and /etc/subgid");
}

static uint32_t host_id_of_root(const struct id_mapping *list, size_t n, uint32_t otherwise) {
        for (size_t i = 0; i < n; i++)
                if (list[i].container_id == 0)
                        return list[i].host_id;
        return otherwise;
}

/* Whose the root directory of the layer is. What is written to is not mapped: there it is whom the container has
 * for root, or whoever asks. */
static int set_owner(const struct create *create, struct job *job) {
        _cleanup_idmap_ struct idmap idmap = {};
        int r;

        if (!create->asked.read_write)
                return 0;
        if (!create->asked.uid_map) {
                job->owner = create->operation.caller.uid;
                job->owner_group = create->operation.caller.gid;
                return 0;
        }
        r = read_map(create, &idmap);
        if (r == 0) {
                job->owner = host_id_of_root(idmap.uids, idmap.n_uids, create->operation.caller.uid);
                job->owner_group = host_id_of_root(idmap.gids, idmap.n_gids, create->operation.caller.gid);
        }
        return r;
}

static int validate(struct operation *operation, struct failure *f) {
        struct create *create = create_of(operation);
        struct layers *layers = operation->pods->layers;
        struct layer *parent, *other;
        int r = layers_check_backing(layers, f);

        if (r == 0)
                r = layer_asked_check(&create->asked, f);
        if (r == 0 && create->asked.label && !caller_is_root(&operation->caller))
                r = failure_set(f, FAILURE_SOURCE_DENIED, "A label is for root: whatever is written through the layer would carry it");
        if (r == 0)
                r = check_map(create, &operation->caller, f);
        if (r != 0)
                return r;
        other = *create->asked.id ? map_get(layers->by_id, create->asked.id) : NULL;
        if (other && other->store)
                r = layers_check_shadow(other, &operation->caller, f);
        else if (other)
                return validate_other(operation, other, f);
        if (r == 0 && *create->asked.parent)
                r = layers_find_parent(layers, create->asked.parent, &operation->caller, create->asked.read_write, &parent, f);
        if (r == 0 && *create->asked.parent && parent->busy) /* it may be about to go */
                return layer_turn_take(operation, parent);
        return r == 0 ? layers_check_quota(layers, operation->pods->settings, &operation->caller, 1, f) : r;
}

static int plan(struct operation *operation, struct failure *f _unused_) {
        struct create *create = create_of(operation);
        int r;

        if (!*create->id) {
                free(create->id);
                operation->layer = create->id = layers_new_id(operation->pods->layers);
        }
        if (!create->id)
                return log_oom();
        r = layer_plan(operation, STEP_LAYER_MAKE, create->id, create->layer ? create->layer->record->number : 0);
        return r < 0 ? r : set_owner(create, operation->job);
}

static int intend(struct operation *operation, struct failure *f) {
        struct create *create = create_of(operation);
        struct layers *layers = operation->pods->layers;
        _cleanup_(record_layer_freep) struct record_layer *record = NULL;
        struct layer *parent = *create->asked.parent ? layers_find(layers, create->asked.parent, &operation->caller) : NULL;
        int r = layer_asked_record(&create->asked, create->id, &record);

        if (r < 0)
                return r;
        record->owner = operation->caller.uid;
        record->owner_group = operation->caller.gid;
        record->created_us = clock_us(CLOCK_REALTIME);
        r = layers_add(layers, record, parent, &create->layer);
        if (r < 0)
                return layer_not_recorded(r, create->id, f);
        record = NULL; /* the layer's */
        create->layer->busy = true;
        operation->job->steps[0].serial = create->layer->record->number;
        return 0;
}

/* Nothing was made, unless an executor was lost that may have. */
static void take_back(struct operation *operation) {
        struct create *create = create_of(operation);
        struct layer *layer = TAKE_PTR(create->layer);

        if (operation->n_lost > 0) {
                layer_abolish(operation->pods, layer);
                return;
        }
        layer_turn_end(operation->pods, layer);
        if (layers_forget(operation->pods->layers, layer) < 0)
                log_error("Layer %s is on record as being made; the next start forgets it", create->id);
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct create *create = create_of(operation);
        struct layer *layer = create->layer;
        struct failure f = FAILURE_INIT;
        int r;

        if (answer && answer->lost && operation_retry(operation, answer))
                return;
        if (!answer || answer->lost || answer->failure != FAILURE_NONE)
                (void) layer_failure(answer, create->id, &f);
        else {
                r = layers_ready(operation->pods->layers, layer);
                if (r < 0)
                        (void) layer_not_recorded(r, create->id, &f);
        }
        create->layer = NULL;
        if (f.kind != FAILURE_NONE)
                layer_abolish(operation->pods, layer);
        else {
                event_log(EVENT_LAYER_CHANGED, EVENT_OF_LAYER(create->id), "Created layer %s of user %u", create->id, (unsigned) layer->record->owner);
                layer_turn_end(operation->pods, layer);
        }
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_LAYER_CREATE,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

static int copy(struct create *create, size_t i, const char *text, const char **ret) {
        if (!text)
                return 0;
        create->texts[i] = strdup(text);
        *ret = create->texts[i];
        return *ret ? 0 : log_oom();
}

int operation_new_layer_create(struct pods *pods, const struct caller *caller, const struct layer_asked *asked,
                               struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        struct create *create;
        int r = operation_new(&class, sizeof(struct create), pods, caller, NULL, "", NULL, &operation, f);

        if (r != 0)
                return r;
        create = create_of(operation);
        create->id = strdup(asked->id);
        operation->layer = create->id;
        if (!create->id || copy(create, 0, asked->id, &create->asked.id) < 0 || copy(create, 1, asked->parent, &create->asked.parent) < 0 ||
            copy(create, 2, asked->label, &create->asked.label) < 0 || copy(create, 3, asked->uid_map, &create->asked.uid_map) < 0 ||
            copy(create, 4, asked->gid_map, &create->asked.gid_map) < 0)
                return log_oom();
        if (asked->metadata && strv_copy(asked->metadata, &create->metadata) < 0)
                return log_oom();
        create->asked.metadata = create->metadata;
        create->asked.read_write = asked->read_write;
        *ret = TAKE_PTR(operation);
        return 0;
}

const char *operation_layer(const struct operation *operation) {
        const struct create *create = (const struct create *) operation;

        return operation->class == &class && *create->id ? create->id : NULL;
}

int layer_plan(struct operation *operation, enum step_kind kind, const char *id, uint64_t number) {
        if (operation->job_id == 0)
                operation->job_id = store_next_job(operation->pods->store);
        return plan_layer(operation->job_id, kind, id, number, &operation->job);
}

int layer_failure(const struct job_result *answer, const char *id, struct failure *f) {
        if (answer && !answer->lost)
                return failure_set(f, answer->failure, "%s", answer->text ?: "The executor gave no reason; see the journal of podmountd.");
        if (answer && answer->failure == FAILURE_TIMED_OUT)
                return failure_set(f, FAILURE_TIMED_OUT, "The work on layer %s took too long (JobTimeoutSec=)", id);
        return failure_set(f, FAILURE_MOUNT_FAILED, "The executor died while it worked on layer %s; try again", id);
}

int layer_not_recorded(int r, const char *id, struct failure *f) {
        if (r == -ENOSPC)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED, "Layer %s cannot be put on record: the file system of the state directory is full", id);
        return failure_from_errno(f, r);
}
