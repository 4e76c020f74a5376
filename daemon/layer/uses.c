/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is in the way of whom. The look-ups walk chains and lists: nothing here is asked often. */

#include "layer/uses.h"

static const struct layer *find_missing(const struct layer *layer) {
        while (layer && !layer->missing)
                layer = layer->parent;
        return layer;
}

int layer_check_whole(const struct layer *layer, struct failure *f) {
        const struct layer *missing = find_missing(layer);

        if (!missing)
                return 0;
        return failure_set(f, FAILURE_NOT_SUPPORTED, "Layer %s %s%s%s the additional store %s, which cannot be had: %s", layer->record->id,
                           missing == layer ? "lies in" : "stands on layer ", missing == layer ? "" : missing->record->id, missing == layer ? "" : " of",
                           missing->store, missing->missing);
}

const char *layer_problem(const struct layer *layer) {
        const struct layer *missing = find_missing(layer);

        return missing ? missing->missing : "";
}

static int check_writer(const struct layer *layer, struct failure *f) {
        for (const struct layer *at = layer; at; at = at->parent)
                if (at->writer)
                        return failure_set(f, FAILURE_LAYER_IN_USE, "Layer %s is being written by %s; try again when that is done", at->record->id,
                                           at->writer);
        return 0;
}

int layer_check_written(const struct layer *layer, struct failure *f) {
        int r = check_writer(layer, f);

        for (const struct layer *at = layer; at && r == 0; at = at->parent)
                if (at->adopting)
                        r = failure_set(f, FAILURE_LAYER_IN_USE,
                                        "The new content of layer %s could not take the place of what it has yet; podmountctl layer cleanup tries again, once nobody holds it",
                                        at->record->id);
        return r;
}

int layer_check_idle(const struct layer *layer, struct failure *f) {
        int r = check_writer(layer, f);

        if (r != 0 || layer->n_readers == 0)
                return r;
        return failure_set(f, FAILURE_LAYER_IN_USE, "Layer %s is being read by %s; try again when that is done", layer->record->id, layer->reader);
}

static bool stands_on(const struct layer *layer, const struct layer *other) {
        while (layer && layer != other)
                layer = layer->parent;
        return layer != NULL;
}

bool layer_is_read(const struct layers *layers, const struct layer *layer) {
        const struct layer *other;

        MAP_FOREACH(other, layers->by_id)
                if (other->n_readers > 0 && stands_on(other, layer))
                        return true;
        return false;
}

int layer_check_unheld(const struct layers *layers, const struct layer *layer, struct failure *f) {
        const struct layer *other;

        MAP_FOREACH(other, layers->by_id) {
                const char *id = other->record->id;

                if (!stands_on(other, layer))
                        continue;
                if (other->n_holders > 0)
                        return failure_set(f, FAILURE_LAYER_IN_USE, "Layer %s is held by %s%s; let it be put back first (podmountctl layer put)", id,
                                           other->holders[0].name, other == layer ? "" : ", and stands on this one");
                if (other->mounted)
                        return failure_set(f, FAILURE_LAYER_IN_USE, "Layer %s is mounted%s; unmount it first (podmountctl layer cleanup)", id,
                                           other == layer ? "" : ", and stands on this one");
        }
        return 0;
}

int layer_check_unseen(const struct layers *layers, const struct layer *layer, struct failure *f) {
        const struct layer *other;
        int r = layer_check_idle(layer, f);

        if (r == 0)
                r = layer_check_unheld(layers, layer, f);
        MAP_FOREACH(other, layers->by_id)
                if (r == 0 && stands_on(other, layer))
                        r = layer_check_idle(other, f);
        return r;
}

void layers_written_of(const struct layers *layers, uid_t owner, uint64_t *ret_bytes, uint64_t *ret_inodes) {
        const struct layer *layer;

        *ret_bytes = *ret_inodes = 0;
        MAP_FOREACH(layer, layers->by_id)
                if (!layer->store && layer->record->owner == owner) {
                        *ret_bytes += layer->record->bytes;
                        *ret_inodes += layer->record->inodes;
                }
        for (size_t i = 0; i < layers->n_removing; i++)
                if (layers->removing[i]->record->owner == owner) {
                        *ret_bytes += layers->removing[i]->record->bytes;
                        *ret_inodes += layers->removing[i]->record->inodes;
                }
}
