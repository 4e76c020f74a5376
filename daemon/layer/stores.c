/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Layers of additional stores, as the records there have them. They are read once, into memory. What is not whole there, and what
 * is read-write, and so belongs to a container of that daemon, is left out, with all that stands on it.
 */

#include <errno.h>
#include <string.h>

#include "layer/layers-private.h"
#include "plan/layer.h"
#include "store/store.h"
#include "util/array.h"
#include "util/event.h"
#include "util/log.h"
#include "util/text.h"
#include "util/path.h"

enum { NUMBER_MAX_BITS = 48 /* of a number in a store, so that it can be told from those in others: layer_list_number() */ };

static bool is_text(const char *text) {
        return !text || text_is_utf8(text, strlen(text));
}

/* What another daemon's front has written, messages could not carry. */
static bool has_text(const struct record_layer *record) {
        bool is = is_text(record->label) && is_text(record->uid_map) && is_text(record->gid_map) && is_text(record->chain);

        for (char **word = record->metadata; is && word && *word; word++)
                is = is_text(*word);
        return is;
}

static bool is_offered(const struct record_layer *record) {
        return has_text(record) && record->state == RECORD_LAYER_READY && record->work == RECORD_LAYER_IDLE && !record->read_write && !record->store &&
               layer_id_is_valid(record->id) && record->number > 0 && record->number >> NUMBER_MAX_BITS == 0;
}

static int show(struct layers *layers, struct layer *layer) {
        return map_get(layers->by_id, layer->record->id) ? layers_shadow(layers, layer) : map_put(layers->by_id, layer->record->id, layer);
}

/* The record is taken over on success. */
static int enter(struct layers *layers, size_t i, struct record_layer *record, struct layer *parent, struct layer **ret) {
        _cleanup_(layer_freep) struct layer *layer = calloc(1, sizeof(*layer));
        int r;

        if (!layer)
                return log_oom();
        layer->store = layers->stores[i].path;
        layer->store_index = (uint32_t) i + 1;
        layer->reference = layer_reference_text(layer->store_index, record->number, record->id);
        if (!layer->reference)
                return log_oom();
        layer->record = record;
        r = show(layers, layer);
        if (r < 0) {
                layer->record = NULL; /* still the list's */
                return r;
        }
        layer_adopt(layer, parent);
        layers->stores[i].n_layers++;
        *ret = TAKE_PTR(layer);
        return 0;
}

static int enter_all(struct layers *layers, size_t i, struct record_layer **records, size_t n) {
        _cleanup_free_ struct layer **loaded = calloc(n + 1, sizeof(struct layer *));
        _cleanup_free_ uint64_t *numbers = calloc(n + 1, sizeof(*numbers));
        int r = loaded && numbers ? 0 : log_oom();

        for (size_t j = 0; j < n && r == 0; j++) {
                struct layer *parent = layer_at_number(numbers, loaded, j, records[j]->parent);

                numbers[j] = records[j]->number;
                if (!is_offered(records[j]) || (records[j]->parent != 0 && !parent))
                        continue;
                r = enter(layers, i, records[j], parent, &loaded[j]);
                if (r == 0)
                        records[j] = NULL; /* the layer's */
        }
        return r;
}

/* A phrase, or NULL. */
static const char *reason_of(int r) {
        switch (r) {
        case 0:
                return NULL;
        case STORE_NEWER:
                return "its records/layers.db was written by a newer podmountd; use that one here, too";
        case -EFBIG:
                return "its records/layers.db is too big to be read";
        case STORE_DAMAGED:
        case -EBADMSG:
                return "its records/layers.db is damaged, or none of podmount's; start its own podmountd to see";
        default:
                return "its records/layers.db cannot be read; the log says why";
        }
}

static int load(struct layers *layers, size_t i) {
        _cleanup_(layer_store_freep) struct layer_store *copy = NULL;
        struct layers_store *store = &layers->stores[i];
        struct record_layer **records = NULL;
        size_t n = 0;
        int version = 0, r = store->reason ? 0 : layer_store_open_copy(store->records_fd, &copy, &version);

        if (store->reason)
                return 0;
        if (r == STORE_OPENED)
                r = layer_store_load(copy, &records, &n);
        store->reason = reason_of(r);
        if (store->reason && r != -ENOMEM)
                event_log(EVENT_LAYERS_UNAVAILABLE, NULL, "the additional store %s cannot be used: %s", store->path, store->reason);
        if (r == 0)
                r = enter_all(layers, i, records, n);
        for (size_t j = 0; j < n; j++)
                record_layer_free(records[j]);
        free(records);
        return r == -ENOMEM ? r : 0;
}

int layers_load_stores(struct layers *layers) {
        int r = 0;

        for (size_t i = 0; i < layers->n_stores && r == 0; i++)
                r = load(layers, i);
        return r;
}

static bool is_of(const struct layer *layer, const struct record_layer *record) {
        return layer && layer->store_index > 0 && strcmp(layer->store, record->store) == 0 && strcmp(layer->record->id, record->id) == 0 &&
               layer->record->created_us == record->created_us;
}

struct layer *layers_in_store(const struct layers *layers, const struct record_layer *record) {
        struct layer *layer = map_get(layers->by_id, record->id);

        if (is_of(layer, record))
                return layer;
        for (size_t i = 0; i < layers->n_shadowed; i++)
                if (is_of(layers->shadowed[i], record))
                        return layers->shadowed[i];
        return NULL;
}

const char *layers_missing(const struct layers *layers, const struct record_layer *record) {
        for (size_t i = 0; i < layers->n_stores; i++)
                if (strcmp(layers->stores[i].path, record->store) == 0)
                        return layers->stores[i].reason ? layers->stores[i].reason : "it has no such layer any more, or another one of this id";
        return "it is not on AdditionalStores= any more";
}

int layers_shadow(struct layers *layers, struct layer *layer) {
        struct layer **slot = array_append(&layers->shadowed, &layers->n_shadowed);

        if (!slot)
                return log_oom();
        *slot = layer;
        return 0;
}

/* Those of earlier stores come first, in the list, too, unless one was shadowed later. */
void layers_unshadow(struct layers *layers, const char *id) {
        size_t first = SIZE_MAX;

        for (size_t i = 0; i < layers->n_shadowed; i++)
                if (strcmp(layers->shadowed[i]->record->id, id) == 0 &&
                    (first == SIZE_MAX || layers->shadowed[i]->store_index < layers->shadowed[first]->store_index))
                        first = i;
        if (first == SIZE_MAX)
                return;
        if (map_put(layers->by_id, layers->shadowed[first]->record->id, layers->shadowed[first]) < 0) {
                log_error("layer %s of the additional store %s is not seen before the next start: memory is short", id, layers->shadowed[first]->store);
                return;
        }
        layers->shadowed[first] = layers->shadowed[--layers->n_shadowed];
}

int layers_stand_in(struct layers *layers, struct layer *layer) {
        const struct record_layer *record = layer->record;
        _cleanup_free_ char *store = NULL;
        struct record_layer stand_in;
        int r;

        if (layer->key != 0)
                return 0;
        store = strdup(layer->store);
        if (!store)
                return log_oom();
        stand_in = (struct record_layer) {.id = record->id, .owner = record->owner, .owner_group = record->owner_group, .state = RECORD_LAYER_READY,
                                          .created_us = record->created_us, .store = store};
        r = layer_store_add(layers->store, &stand_in);
        if (r == 0)
                layer->key = stand_in.number;
        return r;
}

const char *layer_reference(const struct layer *layer) {
        return layer->reference ? layer->reference : layer->record->id;
}

uint64_t layer_list_number(const struct layer *layer) {
        return (uint64_t) layer->store_index << NUMBER_MAX_BITS | layer->record->number;
}

int layers_in_store_refuse(const struct layer *layer, struct failure *f) {
        return failure_set(f, FAILURE_NOT_SUPPORTED,
                           "Layer %s lies in the additional store %s, where nothing is changed or removed but by the podmountd whose state directory that is",
                           layer->record->id, layer->store);
}
