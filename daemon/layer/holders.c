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
        if (strncmp(name, "pod:", strlen("pod:")) == 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "Holders whose names begin with pod: are podmount's own; choose another name");
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

        if (holder ? holder->count < UINT32_MAX : layer->n_holders < HOLDERS_MAX)
                return 0;
        return failure_set(f, FAILURE_QUOTA_EXCEEDED, "Layer %s is held by %zu already, as many as there can be", layer->record->id, layer->n_holders);
}

static int save(struct layers *layers, const struct layer *layer, const struct holder *holder, uint32_t count) {
        const struct record_holder record = {.layer = layer->record->number, .owner = holder->owner, .name = holder->name, .count = count};

        return holder->connection != 0 ? 0 : layer_store_put_holder(layers->store, &record);
}

static void forget(struct layer *layer, struct holder *holder) {
        free(holder->name);
        *holder = layer->holders[--layer->n_holders];
}

int holder_add(struct layers *layers, struct layer *layer, uid_t owner, const char *name, uint64_t connection) {
        struct holder *holder = holder_find(layer, owner, name, connection);
        int r;

        if (!holder) {
                _cleanup_free_ char *copy = strdup(name);

                holder = copy ? array_append(&layer->holders, &layer->n_holders) : NULL;
                if (!holder)
                        return log_oom();
                *holder = (struct holder) {.owner = owner, .name = TAKE_PTR(copy), .connection = connection};
        }
        r = save(layers, layer, holder, holder->count + 1);
        if (r == 0)
                holder->count++;
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

void holder_drop_connection(struct layer *layer, uint64_t connection) {
        for (size_t i = layer->n_holders; i > 0; i--)
                if (layer->holders[i - 1].connection == connection)
                        forget(layer, &layer->holders[i - 1]);
}
