/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The registry of layers. Parents are pointers, so that a chain is walked without a look-up. */

#include "layer/holders.h"
#include "layer/layers-private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "layer/uses.h"
#include "store/store.h"
#include "util/array.h"
#include "util/log.h"
#include "util/text.h"

enum { NAMED_MAX = 8 /* layers that a failure names */ };

struct layer *layer_free(struct layer *layer) {
        if (!layer)
                return NULL;
        record_layer_free(layer->record);
        for (size_t i = 0; i < layer->n_holders; i++)
                free(layer->holders[i].name);
        free(layer->holders);
        free(layer->reference);
        free(layer->diff_error);
        free(layer);
        return NULL;
}

static int append(struct layer ***list, size_t *n, struct layer *layer) {
        struct layer **slot = array_append(list, n);

        if (!slot)
                return log_oom();
        *slot = layer;
        return 0;
}

/* Parents have lower numbers than their children, and records come by number. */
struct layer *layer_at_number(const uint64_t *numbers, struct layer *const *loaded, size_t n, uint64_t number) {
        size_t low = 0, high = n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (numbers[middle] == number)
                        return loaded[middle];
                if (numbers[middle] < number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

void layer_adopt(struct layer *layer, struct layer *parent) {
        layer->parent = parent;
        layer->depth = parent ? parent->depth + 1 : 1;
        if (parent)
                parent->n_children++;
}

/* Of those with the same id that are being removed, the last one's directory may still have it as its name. */
static int file(struct layers *layers, struct layer *layer) {
        struct layer *other = map_get(layers->by_id, layer->record->id);
        int r = 0;

        if (other && other->store && layer->store)
                return layers_shadow(layers, layer);
        if (other && other->store) {
                r = layers_shadow(layers, other);
                (void) map_remove(layers->by_id, other->record->id);
                return r < 0 ? r : map_put(layers->by_id, layer->record->id, layer);
        }
        if (other && layer->store)
                return layers_shadow(layers, layer);
        if (other && other->record->state != RECORD_LAYER_REMOVING)
                return append(&layers->removing, &layers->n_removing, layer);
        if (other) {
                r = append(&layers->removing, &layers->n_removing, other);
                if (r == 0)
                        (void) map_remove(layers->by_id, other->record->id);
        }
        return r < 0 ? r : map_put(layers->by_id, layer->record->id, layer);
}

struct loading {
        struct layers *layers;
        struct record_layer **records; /* NULL: it is a layer's now, or was that of one in a store */
        size_t n;
        uint64_t *numbers;
        struct layer **loaded;
        bool *used; /* something stands on it, or holds it */
};

/* What stands for a layer in a store that is not there is a layer without anything but its name. */
static int enter(struct loading *loading, size_t i) {
        struct layers *layers = loading->layers;
        struct record_layer *record = loading->records[i];
        _cleanup_(layer_freep) struct layer *layer = NULL;
        int r;

        loading->loaded[i] = record->store ? layers_in_store(layers, record) : NULL;
        if (loading->loaded[i]) {
                loading->loaded[i]->key = record->number;
                loading->records[i] = record_layer_free(record);
                return 0;
        }
        layer = calloc(1, sizeof(*layer));
        if (!layer)
                return log_oom();
        layer->record = record;
        layer->key = record->number;
        layer->store = record->store;
        layer->missing = record->store ? layers_missing(layers, record) : NULL;
        layer->adopting = record->work == RECORD_LAYER_ADOPTING;
        r = file(layers, layer);
        if (r < 0) {
                layer->record = NULL; /* still the list's */
                return r;
        }
        loading->records[i] = NULL;
        loading->loaded[i] = TAKE_PTR(layer);
        return 0;
}

static int enter_child(struct loading *loading, size_t i) {
        uint64_t number = loading->records[i]->parent;
        struct layer *parent = number != 0 ? layer_at_number(loading->numbers, loading->loaded, i, number) : NULL;
        bool in_store = loading->records[i]->store;
        int r;

        loading->numbers[i] = loading->records[i]->number;
        if (number != 0 && !parent)
                return log_errno(LOG_ERR, EBADMSG, "layers.db holds a layer whose parent is not before it");
        r = enter(loading, i);
        if (r < 0 || in_store)
                return r;
        layer_adopt(loading->loaded[i], parent);
        for (size_t j = 0; parent && j < i; j++)
                loading->used[j] = loading->used[j] || loading->loaded[j] == parent;
        return 0;
}

static int load_holders(struct loading *loading) {
        struct record_holder *holders = NULL;
        size_t n_holders = 0;
        int r = layer_store_load_holders(loading->layers->store, &holders, &n_holders);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n_holders && r == 0; i++) {
                struct layer *layer = layer_at_number(loading->numbers, loading->loaded, loading->n, holders[i].layer);
                struct holder *slot = layer ? array_append(&layer->holders, &layer->n_holders) : NULL;

                if (slot)
                        *slot = (struct holder) {.owner = holders[i].owner, .name = TAKE_PTR(holders[i].name), .count = holders[i].count};
                else
                        r = layer ? log_oom() : log_errno(LOG_ERR, EBADMSG, "layers.db holds a holder of no layer");
        }
        record_holders_free(holders, n_holders);
        return r;
}

/* A layer that is held is what its id means: that of another store comes after it, whatever the order of the stores is by now. */
static int prefer_held(struct layers *layers, struct layer *layer) {
        struct layer *other = map_get(layers->by_id, layer->record->id);
        size_t i = 0;

        if (!other || other == layer || !other->store || layer->n_holders == 0 || other->n_holders > 0)
                return 0;
        while (i < layers->n_shadowed && layers->shadowed[i] != layer)
                i++;
        if (i == layers->n_shadowed)
                return 0;
        layers->shadowed[i] = other;
        (void) map_remove(layers->by_id, other->record->id);
        return map_put(layers->by_id, layer->record->id, layer);
}

static bool take_out(struct layers *layers, const struct layer *layer);

/* Records of layers in stores that nothing needs go. */
static int sweep(struct loading *loading) {
        struct layers *layers = loading->layers;
        int r = 0;

        for (size_t i = 0; i < loading->n && r == 0; i++) {
                struct layer *layer = loading->loaded[i];

                if (!layer->store)
                        continue;
                if (loading->used[i] || layer->n_holders > 0) {
                        r = prefer_held(layers, layer);
                        continue;
                }
                if (layer_store_delete(layers->store, layer->key) < 0)
                        continue; /* it is on record until another start */
                layer->key = 0;
                if (layer->missing && take_out(layers, layer))
                        loading->loaded[i] = layer_free(layer);
        }
        return r;
}

static int load(struct layers *layers) {
        struct loading loading = {.layers = layers};
        int r = layer_store_load(layers->store, &loading.records, &loading.n);

        if (r < 0)
                return r;
        loading.numbers = calloc(loading.n + 1, sizeof(*loading.numbers));
        loading.loaded = calloc(loading.n + 1, sizeof(*loading.loaded));
        loading.used = calloc(loading.n + 1, sizeof(*loading.used));
        r = loading.numbers && loading.loaded && loading.used ? 0 : log_oom();
        for (size_t i = 0; i < loading.n && r == 0; i++)
                r = enter_child(&loading, i);
        if (r == 0)
                r = load_holders(&loading);
        if (r == 0)
                r = sweep(&loading);
        for (size_t i = 0; i < loading.n; i++)
                record_layer_free(loading.records[i]);
        free(loading.records);
        free(loading.numbers);
        free(loading.loaded);
        free(loading.used);
        return r;
}

static int give_up(struct layers *layers, const char *reason) {
        layers->store = layer_store_free(layers->store);
        layers->reason = strdup(reason);
        return layers->reason ? 0 : log_oom();
}

static int open_records(struct layers *layers, int records_fd) {
        int version = 0, r = layer_store_open(records_fd, &layers->store, &version);

        if (r == STORE_OPENED)
                r = load(layers);
        if (r == 0)
                return 0;
        if (r == STORE_NEWER) {
                log_error("layers.db has version %d, written by a newer podmountd: there are no layers until that one is started again", version);
                return give_up(layers, "its records, records/layers.db, were written by a newer podmountd; start that one again");
        }
        log_error("the records of layers cannot be used: there are no layers until records/layers.db in the state directory is mended or moved away");
        return give_up(layers, "its records, records/layers.db, cannot be used; the log says why");
}

int layers_open(const struct layers_setup *setup, struct layers *ret) {
        int r = 0;

        *ret = (struct layers) {.path = setup->path, .backing = setup->backing, .by_id = map_new(MAP_KEY_STRING),
                                .stores = calloc(setup->n_stores + 1, sizeof(*ret->stores)), .n_stores = setup->n_stores};
        if (!ret->by_id || !ret->stores)
                r = log_oom();
        for (size_t i = 0; i < setup->n_stores && r == 0; i++)
                ret->stores[i] = setup->stores[i];
        if (r == 0)
                r = layers_load_stores(ret);
        if (r == 0)
                r = setup->records_fd < 0 || setup->reason ? give_up(ret, setup->reason ? setup->reason : "it has no directory for them")
                                                           : open_records(ret, setup->records_fd);
        if (r < 0)
                layers_done(ret);
        return r;
}

void layers_done(struct layers *layers) {
        struct layer *layer;

        for (size_t i = 0; i < layers->n_removing; i++)
                layer_free(layers->removing[i]);
        free(layers->removing);
        if (layers->by_id)
                MAP_FOREACH(layer, layers->by_id) {
                        (void) map_remove(layers->by_id, layer->record->id);
                        layer_free(layer);
                }
        (void) map_free(layers->by_id);
        for (size_t i = 0; i < layers->n_shadowed; i++)
                layer_free(layers->shadowed[i]);
        free(layers->shadowed);
        free(layers->stores);
        (void) layer_store_free(layers->store);
        free(layers->reason);
        *layers = (struct layers) {};
}

int layers_check(const struct layers *layers, struct failure *f) {
        if (layers->store)
                return 0;
        return failure_set(f, FAILURE_NOT_SUPPORTED, "podmountd keeps no layers in its state directory %s: %s", layers->path ? layers->path : "",
                           layers->reason ? layers->reason : "it has none");
}

int layers_check_backing(const struct layers *layers, struct failure *f) {
        int r = layers_check(layers, f);

        return r == 0 && layers->backing ? backing_judge(layers->backing, layers->path, f) : r;
}

/* Also of layers that are only read: Linux 6.1 dies of opening a file of an overlay over ecryptfs. */
int layers_check_overlay(const struct layers *layers, const struct layer *layer, struct failure *f) {
        return layer->store || !layers->backing || layers->backing->full ? 0 : layers_check_backing(layers, f);
}

bool layers_may_see(const struct layer *layer, const struct caller *caller) {
        if (layer->store) /* users there are others, of the same numbers */
                return layer->record->owner == 0 || caller_is_root(caller);
        return caller_is_root(caller) || (caller->uid != 0 && caller->uid == layer->record->owner);
}

struct layer *layers_find(const struct layers *layers, const char *id, const struct caller *caller) {
        struct layer *layer = layers->by_id ? map_get(layers->by_id, id) : NULL;

        return layer && layer->record->state == RECORD_LAYER_READY && layers_may_see(layer, caller) ? layer : NULL;
}

struct layer *layers_find_chain(const struct layers *layers, const char *chain, uid_t owner) {
        struct layer *layer;

        MAP_FOREACH(layer, layers->by_id)
                if (layer->record->chain && !layer->store && layer->record->owner == owner && strcmp(layer->record->chain, chain) == 0 &&
                    (layer->busy || layer->record->state == RECORD_LAYER_READY))
                        return layer;
        return NULL;
}

int layers_no_such(const char *id, struct failure *f) {
        return failure_set(f, FAILURE_NO_SUCH_LAYER, "No layer \"%.140s\" is known; podmountctl layer list shows those there are", id);
}

int layers_find_parent(const struct layers *layers, const char *id, const struct caller *caller, bool read_write,
                       struct layer **ret, struct failure *f) {
        struct layer *parent = layers_find(layers, id, caller);

        if (!parent)
                return layers_no_such(id, f);
        if (parent->record->read_write)
                return failure_set(f, FAILURE_INVALID_ARGS, "Layer %s is read-write and belongs to one container alone: no layer can stand on it", id);
        if (parent->depth + !read_write > LAYERS_CHAIN_MAX)
                return failure_set(f, FAILURE_NOT_SUPPORTED, "Layer %s stands on %u others, and the kernel puts at most %d below each other: make one layer of several",
                                   id, parent->depth - 1, LAYERS_CHAIN_MAX);
        *ret = parent;
        return layer_check_whole(parent, f);
}

int layers_check_shadow(const struct layer *layer, const struct caller *caller, struct failure *f) {
        const char *id = layer->record->id;

        if (!caller_is_root(caller))
                return failure_set(f, FAILURE_LAYER_EXISTS, "There is a layer %s in the additional store %s already, and only root puts another one before it; choose another id",
                                   id, layer->store);
        if (layer->n_holders > 0 || layer->mounted || layer->mounting || layer->busy)
                return failure_set(f, FAILURE_LAYER_EXISTS,
                                   "There is a layer %s in the additional store %s already, and it is held or mounted; let it be put back first (podmountctl layer put), or choose another id",
                                   id, layer->store);
        return 0;
}

static int name_children(const struct layers *layers, const struct layer *layer, struct failure *f) {
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *list = NULL;
        const struct layer *other;
        int r = 0;

        MAP_FOREACH(other, layers->by_id)
                if (other->parent == layer && r == 0 && strv_length(names) < NAMED_MAX)
                        r = strv_append(&names, other->record->id);
        list = r == 0 ? strv_join(names, ", ") : NULL;
        if (!list)
                return log_oom();
        return failure_set(f, FAILURE_LAYER_IN_USE, "%u layers stand on layer %s (%s%s); remove those first", layer->n_children,
                           layer->record->id, list, layer->n_children > strv_length(names) ? ", …" : "");
}

static int name_holders(const struct layer *layer, struct failure *f) {
        static const char put[] = "let them put it back first (podmountctl layer put)", collect[] = "collect those pods first (podmountctl gc)",
                          both[] = "collect the pods and let the others put it back first (podmountctl gc, podmountctl layer put)";
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *list = NULL;
        size_t n_pods = 0;
        int r = 0;

        for (size_t i = 0; i < layer->n_holders; i++) {
                const struct holder *holder = &layer->holders[i];

                n_pods += holder_is_pod(holder);
                if (i >= NAMED_MAX || r < 0)
                        continue;
                /* Whose it is, where that is not clear: only that user, or root for it, puts it back. */
                r = holder_is_pod(holder) || holder->owner == layer->record->owner ? strv_append(&names, holder->name) : strv_appendf(&names, "%s of UID %u", holder->name, (unsigned) holder->owner);
        }
        list = r == 0 ? strv_join(names, ", ") : NULL;
        if (!list)
                return log_oom();
        return failure_set(f, FAILURE_LAYER_IN_USE, "Layer %s is held by %s%s; %s", layer->record->id, list,
                           layer->n_holders > NAMED_MAX ? ", …" : "", n_pods == 0 ? put : n_pods == layer->n_holders ? collect : both);
}

int layers_check_unused(const struct layers *layers, const struct layer *layer, struct failure *f) {
        if (layer->n_children > 0)
                return name_children(layers, layer, f);
        return layer->n_holders > 0 ? name_holders(layer, f) : 0;
}

char *layers_new_id(const struct layers *layers) {
        for (;;) {
                _cleanup_free_ char *id = NULL;
                uint64_t bits[2];

                if (getrandom(bits, sizeof(bits), 0) != (ssize_t) sizeof(bits))
                        return NULL;
                id = text_format("%016" PRIx64 "%016" PRIx64, bits[0], bits[1]);
                if (!id || !map_get(layers->by_id, id))
                        return TAKE_PTR(id);
        }
}

static bool is_in_the_way(const struct layer *left, const struct record_layer *record) {
        const struct record_layer *is = left->record;

        return is->state == RECORD_LAYER_CREATING && !left->store &&
               (strcmp(is->id, record->id) == 0 ||
                (is->chain && record->chain && is->owner == record->owner && strcmp(is->chain, record->chain) == 0));
}

/* What was never whole, and of which a full disk has kept the record, gives up its id and its chain: its record says now that it goes. */
static int make_way(struct layers *layers, const struct record_layer *record) {
        struct layer *left;
        int r = 0;

        for (size_t i = 0; i < layers->n_removing && r == 0; i++)
                if (is_in_the_way(layers->removing[i], record))
                        r = layers_retire(layers, layers->removing[i]);
        MAP_FOREACH(left, layers->by_id)
                if (r == 0 && !left->busy && is_in_the_way(left, record))
                        r = layers_retire(layers, left);
        return r;
}

int layers_add(struct layers *layers, struct record_layer *record, struct layer *parent, struct layer **ret) {
        struct layer *layer = calloc(1, sizeof(*layer)), *hidden = map_get(layers->by_id, record->id);
        int r = layer ? 0 : log_oom();

        if (r == 0)
                r = make_way(layers, record);
        if (r == 0 && parent)
                r = layers_stand_in(layers, parent);
        if (r == 0 && hidden && hidden->store) {
                r = layers_shadow(layers, hidden);
                if (r == 0)
                        (void) map_remove(layers->by_id, record->id);
        }
        if (r < 0) {
                free(layer);
                return r;
        }
        layer->record = record;
        record->parent = parent ? parent->key : 0;
        r = map_put(layers->by_id, record->id, layer);
        if (r == 0) {
                r = layer_store_add(layers->store, record);
                if (r < 0)
                        (void) map_remove(layers->by_id, record->id);
        }
        if (r < 0) {
                layers_unshadow(layers, record->id);
                free(layer);
                return r;
        }
        layer->key = record->number;
        layer_adopt(layer, parent);
        *ret = layer;
        return 0;
}

int layers_set_metadata(struct layers *layers, struct layer *layer, char **metadata) {
        int r = layer_store_set_metadata(layers->store, layer->record->number, metadata);

        if (r < 0)
                return r;
        strv_free(layer->record->metadata);
        layer->record->metadata = metadata;
        return 0;
}

int layers_ready(struct layers *layers, struct layer *layer) {
        int r = layer_store_set_state(layers->store, layer->record->number, RECORD_LAYER_READY);

        if (r == 0)
                layer->record->state = RECORD_LAYER_READY;
        return r;
}

static void leave_parent(struct layer *layer) {
        if (layer->parent)
                layer->parent->n_children--;
        layer->parent = NULL;
}

int layers_retire(struct layers *layers, struct layer *layer) {
        int r = layer_store_set_state(layers->store, layer->record->number, RECORD_LAYER_REMOVING);

        if (r == 0)
                layer->record->state = RECORD_LAYER_REMOVING;
        return r;
}

int layers_keep(struct layers *layers, struct layer *layer) {
        int r = layer_store_keep(layers->store, layer->record->number, layer->record->parent);

        if (r == 0)
                layer->record->state = RECORD_LAYER_READY;
        return r;
}

int layers_detach(struct layers *layers, struct layer *layer) {
        int r = append(&layers->removing, &layers->n_removing, layer);

        if (r < 0)
                return r;
        (void) map_remove(layers->by_id, layer->record->id);
        layers_unshadow(layers, layer->record->id);
        leave_parent(layer);
        return 0;
}

int layers_set_work(struct layers *layers, struct layer *layer, enum record_layer_work work, uint64_t bytes, uint64_t inodes) {
        int r = layer_store_set_work(layers->store, layer->record->number, work, bytes, inodes);

        if (r < 0)
                return r;
        layer->record->work = work;
        layer->adopting = work == RECORD_LAYER_ADOPTING;
        layer->record->bytes = bytes;
        layer->record->inodes = inodes;
        return 0;
}

/* Takes a layer out of wherever it is. */
static bool take_out(struct layers *layers, const struct layer *layer) {
        if (map_get(layers->by_id, layer->record->id) == layer) {
                (void) map_remove(layers->by_id, layer->record->id);
                layers_unshadow(layers, layer->record->id);
                return true;
        }
        for (size_t i = 0; i < layers->n_shadowed; i++)
                if (layers->shadowed[i] == layer) {
                        layers->shadowed[i] = layers->shadowed[--layers->n_shadowed];
                        return true;
                }
        for (size_t i = 0; i < layers->n_removing; i++)
                if (layers->removing[i] == layer) {
                        layers->removing[i] = layers->removing[--layers->n_removing];
                        return true;
                }
        return false;
}

int layers_forget(struct layers *layers, struct layer *layer) {
        int r = layer_store_delete(layers->store, layer->record->number);

        if (r < 0)
                return r;
        if (!take_out(layers, layer))
                return log_errno(LOG_ERR, ENOENT, "forget layer %s", layer->record->id);
        leave_parent(layer);
        layer_free(layer);
        return 0;
}
