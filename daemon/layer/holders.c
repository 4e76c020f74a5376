/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts of who holds a layer. There are few: they are a plain list. */

#include "layer/holders.h"

#include <errno.h>
#include <string.h>

#include "util/array.h"
#include "util/log.h"

int holder_check_name(const char *name, struct failure *f) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:@/-";
        size_t length = strnlen(name, HOLDER_NAME_MAX + 1);

        if (length == 0 || length > HOLDER_NAME_MAX || strspn(name, letters) != length)
                return failure_set(f, FAILURE_INVALID_ARGS, "\"%.140s\" cannot name a holder: 1 to %d letters, digits, '_', '.', ':', '@', '/' and '-'",
                                   name, HOLDER_NAME_MAX);
        if (strncmp(name, HOLDER_POD, strlen(HOLDER_POD)) == 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "Holders whose names begin with pod: are podmount's own; choose another name");
        return 0;
}

bool holder_is_pod(const struct holder *holder) {
        return strncmp(holder->name, HOLDER_POD, strlen(HOLDER_POD)) == 0;
}

size_t holders_of_mount(const struct layer *layer) {
        size_t n = 0;

        for (size_t i = 0; i < layer->n_holders; i++)
                n += !holder_is_pod(&layer->holders[i]);
        return n;
}

int holder_check_free(const struct layer *layer, struct failure *f) {
        for (size_t i = 0; layer->record->read_write && i < layer->n_holders; i++)
                if (holder_is_pod(&layer->holders[i]))
                        return failure_set(f, FAILURE_LAYER_IN_USE,
                                           "Layer %s is read-write and belongs to a container of %s alone, until that pod is collected",
                                           layer->record->id, layer->holders[i].name);
        return 0;
}

struct holder *holder_find(const struct layer *layer, uid_t owner, const char *name, uint64_t connection) {
        for (size_t i = 0; i < layer->n_holders; i++) {
                struct holder *holder = &layer->holders[i];

                if (holder->owner == owner && holder->connection == connection && strcmp(holder->name, name) == 0)
                        return holder;
        }
        return NULL;
}

int holder_check_room(const struct layer *layer, uid_t owner, const char *name, uint64_t connection, struct failure *f) {
        const struct holder *holder = holder_find(layer, owner, name, connection);
        size_t n = holders_of_mount(layer);

        /* What is for everybody nobody uses up. */
        for (size_t i = 0; layer->store && i < layer->n_holders; i++)
                n -= !holder_is_pod(&layer->holders[i]) && layer->holders[i].owner != owner;
        if (holder ? holder->count < UINT32_MAX : n < HOLDERS_MAX)
                return 0;
        return failure_set(f, FAILURE_QUOTA_EXCEEDED, "Layer %s is held by %zu already, as many as there can be", layer->record->id, n);
}

static int save(struct layers *layers, struct layer *layer, const struct holder *holder, uint32_t count) {
        int r = holder->connection != 0 ? 0 : layers_stand_in(layers, layer);
        const struct record_holder record = {.layer = layer->key, .owner = holder->owner, .name = holder->name, .count = count};

        return r < 0 || holder->connection != 0 ? r : layer_store_put_holder(layers->store, &record);
}

static void forget(struct layer *layer, struct holder *holder) {
        free(holder->name);
        *holder = layer->holders[--layer->n_holders];
}

static struct holder *append(struct layer *layer, uid_t owner, const char *name, uint64_t connection) {
        _cleanup_free_ char *copy = strdup(name);
        struct holder *holder = copy ? array_append(&layer->holders, &layer->n_holders) : NULL;

        if (holder)
                *holder = (struct holder) {.owner = owner, .name = TAKE_PTR(copy), .connection = connection};
        return holder;
}

int holder_add(struct layers *layers, struct layer *layer, uid_t owner, const char *name, uint64_t connection, uint32_t times) {
        struct holder *holder = holder_find(layer, owner, name, connection);
        int r;

        if (!holder)
                holder = append(layer, owner, name, connection);
        if (!holder)
                return log_oom();
        r = save(layers, layer, holder, holder->count + times);
        if (r == 0)
                holder->count += times;
        else if (holder->count == 0)
                forget(layer, holder);
        return r;
}

int holder_drop(struct layers *layers, struct layer *layer, uid_t owner, const char *name, uint64_t connection, uint32_t times) {
        struct holder *holder = holder_find(layer, owner, name, connection);
        uint32_t left;
        int r;

        if (!holder)
                return 0;
        left = holder->count > times ? holder->count - times : 0;
        r = save(layers, layer, holder, left);
        if (r < 0)
                return r;
        holder->count = left;
        if (left == 0)
                forget(layer, holder);
        return 0;
}

static int save_all(struct layers *layers, const struct holder_change *changes, size_t n) {
        _cleanup_free_ struct record_holder *records = calloc(n, sizeof(*records));

        if (!records)
                return log_oom();
        for (size_t i = 0; i < n; i++) {
                const struct holder *holder = holder_find(changes[i].layer, changes[i].owner, changes[i].name, 0);
                int r = layers_stand_in(layers, changes[i].layer);

                if (r < 0)
                        return r;
                records[i] = (struct record_holder) {
                        .layer = changes[i].layer->key, .owner = holder->owner, .name = holder->name, .count = changes[i].count};
        }
        return layer_store_put_holders(layers->store, records, n);
}

int holders_set(struct layers *layers, const struct holder_change *changes, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++)
                if (!holder_find(changes[i].layer, changes[i].owner, changes[i].name, 0) &&
                    !append(changes[i].layer, changes[i].owner, changes[i].name, 0))
                        r = log_oom();
        if (r == 0 && n > 0)
                r = save_all(layers, changes, n);
        for (size_t i = 0; i < n; i++) {
                struct holder *holder = holder_find(changes[i].layer, changes[i].owner, changes[i].name, 0);

                if (holder && r == 0)
                        holder->count = changes[i].count;
                if (holder && holder->count == 0)
                        forget(changes[i].layer, holder);
        }
        return r;
}

void holder_drop_connection(struct layer *layer, uint64_t connection) {
        for (size_t i = layer->n_holders; i > 0; i--)
                if (layer->holders[i - 1].connection == connection)
                        forget(layer, &layer->holders[i - 1]);
}
