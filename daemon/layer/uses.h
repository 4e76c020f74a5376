/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Work that takes long on what is in a layer: whoever reads it does so beside other readers, whoever writes it alone, and nobody
 * mounts what is being written, nor anything that stands on it. Nothing waits long for such work (pod/layer-turn.h): it is refused, by name.
 */

#include "layer/layers.h"

/* FAILURE_NOT_SUPPORTED, naming the store, while a layer in a store that it stands on, or is, is not to be had. */
int layer_check_whole(const struct layer *layer, struct failure *f);
/* The phrase of that, or "". */
const char *layer_problem(const struct layer *layer);
/* FAILURE_LAYER_IN_USE while it, or what it stands on, is being written, or has new content that is not in its place yet: for whoever reads,
 * mounts or writes it. */
int layer_check_written(const struct layer *layer, struct failure *f);
/* Whether anybody reads it, or what stands on it. */
bool layer_is_read(const struct layers *layers, const struct layer *layer);
/* FAILURE_LAYER_IN_USE while anybody works on it, or writes what it stands on, so that it cannot be removed… */
int layer_check_idle(const struct layer *layer, struct failure *f);
/* …while it, or anything that stands on it, is mounted or held… */
int layer_check_unheld(const struct layers *layers, const struct layer *layer, struct failure *f);
/* …or while either: for whoever is to write it. */
int layer_check_unseen(const struct layers *layers, const struct layer *layer, struct failure *f);

/* What ApplyDiff and ImportImage wrote into a user's layers. */
void layers_written_of(const struct layers *layers, uid_t owner, uint64_t *ret_bytes, uint64_t *ret_inodes);
