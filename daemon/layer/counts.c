/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many layers users and groups have, and may have. */

#include "admit/quota.h"
#include "layer/layers.h"

/* Of a user, or of a group. */
struct whose {
        bool by_group;
        uid_t owner;
        gid_t group;
};

static bool is_of(const struct record_layer *record, const struct whose *whose) {
        return whose->by_group ? record->owner != 0 && record->owner_group == whose->group : record->owner == whose->owner;
}

static uint32_t count(const struct layers *layers, const struct whose *whose) {
        const struct layer *layer;
        uint32_t n = 0;

        MAP_FOREACH(layer, layers->by_id)
                n += !layer->store && is_of(layer->record, whose);
        for (size_t i = 0; i < layers->n_removing; i++)
                n += is_of(layers->removing[i]->record, whose);
        return n;
}

static uint32_t count_mounted(const struct layers *layers, const struct whose *whose) {
        const struct layer *layer;
        uint32_t n = 0;

        MAP_FOREACH(layer, layers->by_id)
                n += (layer->mounted || layer->mounting) && !layer->store && is_of(layer->record, whose);
        return n;
}

uint32_t layers_count_of(const struct layers *layers, uid_t owner) {
        return count(layers, &(struct whose) {.owner = owner});
}

uint32_t layers_count_of_group(const struct layers *layers, gid_t group) {
        return count(layers, &(struct whose) {.by_group = true, .group = group});
}

uint32_t layers_mounted_of(const struct layers *layers, uid_t owner) {
        return count_mounted(layers, &(struct whose) {.owner = owner});
}

uint32_t layers_mounted_of_group(const struct layers *layers, gid_t group) {
        return count_mounted(layers, &(struct whose) {.by_group = true, .group = group});
}

int layers_check_quota(const struct layers *layers, const struct settings *settings, const struct caller *caller, uint32_t more, struct failure *f) {
        int r;

        if (caller_is_root(caller))
                return 0;
        r = quota_exceeds(QUOTA_LAYERS_OF_USER, layers_count_of(layers, caller->uid), settings->layers_per_user, more, f);
        if (r != 0)
                return r;
        return quota_exceeds(QUOTA_LAYERS_OF_GROUP, layers_count_of_group(layers, caller->gid), settings->layers_per_group, more, f);
}
