/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the registry share. */

#include "layer/layers.h"

struct layer *layer_free(struct layer *layer);
DEFINE_CLEANUP(struct layer *, layer_free)

/* That one stands on the other, or on none. */
void layer_adopt(struct layer *layer, struct layer *parent);

/* Records come by number; what was made of each, or NULL, is in `loaded`. */
struct layer *layer_at_number(const uint64_t *numbers, struct layer *const *loaded, size_t n, uint64_t number);

/* Reads what is in the stores, of which `layers` has the list. -ENOMEM. */
int layers_load_stores(struct layers *layers);
/* The layer of a store that a record stands for; or NULL. */
struct layer *layers_in_store(const struct layers *layers, const struct record_layer *record);
/* Why there is none. */
const char *layers_missing(const struct layers *layers, const struct record_layer *record);

/* Hides a layer of a store that another one of its id comes before. -ENOMEM. */
int layers_shadow(struct layers *layers, struct layer *layer);
/* Nobody has this id any more: shows the first that it hid. */
void layers_unshadow(struct layers *layers, const char *id);
