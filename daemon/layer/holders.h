/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who holds a layer. A holder is known by the user that it is for and its name, and, if it goes with a connection, by that.
 * It holds a layer as often as it got it. What lasts is in the store before anybody is told.
 */

#include "layer/layers.h"

enum {
        HOLDER_NAME_MAX = 128,
        HOLDERS_MAX = 256, /* of one layer */
};

/* What begins the names of the holders that podmount has for pods. They need no mount of the layer: its mount is the container's root. */
#define HOLDER_POD "pod:"
bool holder_is_pod(const struct holder *holder);
/* How many of a layer's holders are none of these: it is mounted for them. */
size_t holders_of_mount(const struct layer *layer);
/* FAILURE_LAYER_IN_USE for a read-write layer that a pod has: nobody else writes to it. */
int holder_check_free(const struct layer *layer, struct failure *f);

/* 1 to HOLDER_NAME_MAX of [A-Za-z0-9_.:@/-]; "pod:" begins those of podmount itself. FAILURE_INVALID_ARGS. */
int holder_check_name(const char *name, struct failure *f);

/* NULL if there is none. */
struct holder *holder_find(const struct layer *layer, uid_t owner, const char *name, uint64_t connection);
/* Whether another one, or the same once more, can hold it: FAILURE_QUOTA_EXCEEDED. */
int holder_check_room(const struct layer *layer, uid_t owner, const char *name, uint64_t connection, struct failure *f);
/* So many times more, or for the first time; all of them or none. */
int holder_add(struct layers *layers, struct layer *layer, uid_t owner, const char *name, uint64_t connection, uint32_t times);
/* `times` less, and gone at 0. One that is not there is no error. */
int holder_drop(struct layers *layers, struct layer *layer, uid_t owner, const char *name, uint64_t connection, uint32_t times);
struct holder_change {
        struct layer *layer;
        uid_t owner;
        const char *name;
        uint32_t count; /* how often it holds the layer from now on; 0: no more */
};
/* All of these at once, in one transaction; none of them goes with a connection, and each is named once. The names of holders that
 * go are freed. */
int holders_set(struct layers *layers, const struct holder_change *changes, size_t n);
/* All that go with this connection; they were in memory alone. */
void holder_drop_connection(struct layer *layer, uint64_t connection);
