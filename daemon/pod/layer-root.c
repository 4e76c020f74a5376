/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whatever changes what a pod holds says all that it is to hold; what differs goes to the disk in one transaction.
 */

#include "pod/layer-root.h"

#include <errno.h>
#include <string.h>

#include "layer/holders.h"
#include "layer/uses.h"
#include "pod/layer-mount.h"
#include "pod/layer-turn.h"
#include "util/array.h"
#include "util/log.h"
#include "util/text.h"

static const char PREFIX[] = "layer:";

void layer_roots_done(struct layer_roots *roots) {
        for (size_t i = 0; i < roots->n; i++) {
                free(roots->below[i]);
                idmap_done(&roots->idmaps[i]);
        }
        free(roots->layers);
        free(roots->below);
        free(roots->idmaps);
        *roots = (struct layer_roots) {};
}

static int in_use(const struct spec_container *container, const struct layer *layer, const char *by, struct failure *f) {
        return failure_set(f, FAILURE_LAYER_IN_USE,
                           "%s/root/layer: Layer %s is read-write and belongs to one container alone, and %s has it; make another one on what "
                           "it stands on (podmountctl layer create --read-write)",
                           container->pointer, layer->record->id, by);
}

static int check_layer(const struct layers *layers, const struct spec_container *container, const struct layer *layer, struct failure *f) {
        _cleanup_failure_ struct failure inner = FAILURE_INIT;
        int r = layer_check_whole(layer, &inner);

        if (r == 0)
                r = layer_check_written(layer, &inner);
        if (r == 0)
                r = layers_check_overlay(layers, layer, &inner);
        return r > 0 ? failure_set(f, inner.kind, "%s/root/layer: %s", container->pointer, inner.text) : r;
}

/* A read-write layer has one user at a time, whoever it is. */
static int check_alone(struct pods *pods, const struct spec *spec, size_t i, struct layer *layer, struct failure *f) {
        const struct spec_container *container = &spec->containers[i];
        int r;

        if (!layer->record->read_write)
                return 0;
        for (size_t j = 0; j < i; j++)
                if (spec->containers[j].root.kind == SOURCE_LAYER && strcmp(spec->containers[j].root.text, container->root.text) == 0)
                        return in_use(container, layer, spec->containers[j].name, f);
        if (layer->n_holders > 0)
                return in_use(container, layer, layer->holders[0].name, f);
        r = layer_look(pods, layer);
        if (r < 0 || !layer->mounted)
                return r;
        return failure_set(f, FAILURE_LAYER_IN_USE, "%s/root/layer: Layer %s is still mounted, and nobody holds it; podmountctl layer cleanup unmounts it",
                           container->pointer, layer->record->id);
}

static int describe(const struct layer *layer, struct layer_roots *roots) {
        struct wanted_layer *ret = &roots->layers[roots->n];
        const struct record_layer *record = layer->record;
        const char **below = calloc(layer->depth, sizeof(*below));
        size_t n = 0;

        if (!below)
                return log_oom();
        roots->below[roots->n] = below;
        for (const struct layer *parent = layer->parent; parent; parent = parent->parent)
                below[n++] = layer_reference(parent);
        *ret = (struct wanted_layer) {.id = record->id, .reference = layer->reference, .number = record->number, .read_write = record->read_write, .below = below,
                                      .n_below = n, .label = record->label};
        if (record->uid_map)
                ret->idmap = &roots->idmaps[roots->n];
        roots->n++;
        return record->uid_map ? layer_read_map(record, &roots->idmaps[roots->n - 1]) : 0;
}

static int find(struct operation *operation, const struct spec *spec, size_t i, bool wait, struct layer_roots *roots, struct failure *f) {
        const struct spec_container *container = &spec->containers[i];
        struct layers *layers = operation->pods->layers;
        struct layer *layer;
        int r;

        if (container->root.kind != SOURCE_LAYER)
                return 0;
        if (!layers)
                return failure_set(f, FAILURE_NOT_SUPPORTED, "%s/root/layer: This podmountd keeps no layers", container->pointer);
        r = layers_check(layers, f);
        if (r != 0)
                return r;
        layer = layers_find(layers, container->root.text, &operation->caller);
        if (!layer)
                return failure_set(f, FAILURE_NO_SUCH_LAYER, "%s/root/layer: No layer \"%.140s\" is known; podmountctl layer list shows those there are",
                                   container->pointer, container->root.text);
        if (layer->busy && wait)
                return layer_turn_take(operation, layer);
        r = check_layer(layers, container, layer, f);
        if (r == 0)
                r = check_alone(operation->pods, spec, i, layer, f);
        return r == 0 ? describe(layer, roots) : r;
}

int layer_roots_find(struct operation *operation, const struct spec *spec, bool wait, struct wanted_facts *facts, struct layer_roots *ret,
                     struct failure *f) {
        size_t n = spec->n_containers + 1;
        int r = 0;

        *ret = (struct layer_roots) {
                .layers = calloc(n, sizeof(*ret->layers)), .below = calloc(n, sizeof(*ret->below)), .idmaps = calloc(n, sizeof(*ret->idmaps))};
        if (!ret->layers || !ret->below || !ret->idmaps)
                return log_oom();
        for (size_t i = 0; i < spec->n_containers && r == 0; i++)
                r = find(operation, spec, i, wait, ret, f);
        facts->layers = ret->layers;
        facts->n_layers = ret->n;
        return r;
}

/* The layer that a recorded root is of, or NULL. */
static const char *id_of(const struct record_mount *mount) {
        bool root = mount->container[0] && !mount->request && !mount->nested && strcmp(mount->target, "/") == 0;

        return root && mount->source && strncmp(mount->source, PREFIX, strlen(PREFIX)) == 0 ? mount->source + strlen(PREFIX) : NULL;
}

static int list_recorded(const struct record_pod *record, char ***ids) {
        int r = 0;

        for (size_t i = 0; i < record->n_mounts && r == 0; i++)
                if (id_of(&record->mounts[i]))
                        r = strv_append(ids, id_of(&record->mounts[i]));
        return r < 0 ? log_oom() : 0;
}

static uint32_t count(char *const *ids, const char *id) {
        uint32_t n = 0;

        for (; ids && *ids; ids++)
                n += strcmp(*ids, id) == 0;
        return n;
}

/* What is different for the layers among `ids` from the i-th on, each told once. */
static int compare(struct pods *pods, const struct pod *pod, char *const *ids, char *const *wanted, const char *name,
                   struct holder_change **changes, size_t *n) {
        for (char *const *id = ids; id && *id; id++) {
                struct layer *layer = map_get(pods->layers->by_id, *id);
                struct holder_change *change;

                if (count(wanted, *id) == count(pod->layers, *id) || count(id, *id) != 1 || (ids == wanted && count(pod->layers, *id) > 0))
                        continue;
                if (!layer) {
                        log_warning("Pod %s stands on layer %s, which is on no record", pod->record->uuid, *id);
                        continue;
                }
                change = array_append(changes, n);
                if (!change)
                        return log_oom();
                *change = (struct holder_change) {.layer = layer, .owner = pod->record->owner, .name = name, .count = count(wanted, *id)};
        }
        return 0;
}

/* The ids are taken over on success. */
static int apply(struct pods *pods, struct pod *pod, char **ids) {
        _cleanup_free_ char *name = text_format(HOLDER_POD "%s", pod->record->uuid);
        _cleanup_free_ struct holder_change *changes = NULL;
        size_t n = 0;
        int r;

        if (!name)
                return log_oom();
        r = compare(pods, pod, pod->layers, ids, name, &changes, &n);
        if (r == 0)
                r = compare(pods, pod, ids, ids, name, &changes, &n);
        if (r == 0 && n > 0)
                r = holders_set(pods->layers, changes, n);
        if (r < 0)
                return r;
        strv_free(pod->layers);
        pod->layers = ids;
        return 0;
}

static bool has_store(const struct pods *pods) {
        return pods->layers && pods->layers->store;
}

int layer_roots_hold(struct pods *pods, struct pod *pod, const struct wanted *wanted, struct failure *f) {
        _cleanup_strv_ char **ids = NULL;
        int r = list_recorded(pod->record, &ids);

        for (size_t i = 0; wanted && i < wanted->n_mounts && r == 0; i++)
                if (wanted->mounts[i].kind == WANTED_ROOT && wanted->mounts[i].source.kind == SOURCE_LAYER)
                        r = strv_append(&ids, wanted->mounts[i].source.text) < 0 ? log_oom() : 0;
        if (r < 0 || (!ids && !pod->layers) || !has_store(pods))
                return r;
        r = apply(pods, pod, ids);
        if (r == 0)
                ids = NULL; /* the pod's */
        if (r == -ENOSPC)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                                   "That the pod holds its layers cannot be put on record: the file system of the state directory is full");
        return r;
}

void layer_roots_settle(struct pods *pods, struct pod *pod) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (layer_roots_hold(pods, pod, NULL, &f) != 0)
                log_error("Pod %s is a holder of other layers than it stands on; the next start mends that", pod->record->uuid);
}

void layer_roots_release(struct pods *pods, struct pod *pod) {
        if (pod->layers && has_store(pods) && apply(pods, pod, NULL) < 0)
                log_error("Layers that pod %s stood on are still held for it; the next start lets them go", pod->record->uuid);
}

/* Adds what the holder holds to its pod; a holder without one is to go. */
static int meet(struct pods *pods, struct layer *layer, const struct holder *holder, struct holder_change **gone, size_t *n) {
        struct pod *pod = map_get(pods->by_uuid, holder->name + strlen(HOLDER_POD));
        struct holder_change *change;
        int r = 0;

        if (pod && pod->record->owner == holder->owner) {
                for (uint32_t i = 0; i < holder->count && i < SPEC_CONTAINERS_MAX && r == 0; i++)
                        r = strv_append(&pod->layers, layer->record->id);
                return r < 0 ? log_oom() : 0;
        }
        change = array_append(gone, n);
        if (!change)
                return log_oom();
        *change = (struct holder_change) {.layer = layer, .owner = holder->owner, .name = holder->name};
        return 0;
}

void layer_roots_recover(struct pods *pods) {
        _cleanup_free_ struct holder_change *gone = NULL;
        struct layer *layer;
        size_t n = 0;
        int r = 0;

        if (!has_store(pods))
                return;
        MAP_FOREACH(layer, pods->layers->by_id)
                for (size_t i = 0; i < layer->n_holders && r == 0; i++)
                        if (holder_is_pod(&layer->holders[i]))
                                r = meet(pods, layer, &layer->holders[i], &gone, &n);
        if (r == 0 && n > 0)
                r = holders_set(pods->layers, gone, n);
        if (r < 0)
                log_error("Layers of pods that are no more may still be held; the next start tries again");
        else if (n > 0)
                log_notice("Let go %zu layers that pods held which are no more", n);
}

void layer_roots_compare(struct pods *pods, struct pod *pod, const struct record_intent *intents, size_t n_intents) {
        if (pod->record->state != RECORD_READY)
                return; /* it goes as a whole */
        for (size_t i = 0; i < n_intents; i++)
                if ((intents[i].verb == RECORD_VERB_ADD_CONTAINER || intents[i].verb == RECORD_VERB_REMOVE_CONTAINER) &&
                    strcmp(intents[i].uuid, pod->record->uuid) == 0)
                        return; /* that operation does it when it has ended */
        layer_roots_settle(pods, pod);
}
