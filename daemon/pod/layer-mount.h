/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where layers are mounted, and what the table says of it. A layer's mount needs no record: it is at a place of its own and is
 * known by what it shows. */

#include "pod/operation-private.h"

/* "<runtime>/layers/<id>"; NULL when memory is short. */
char *layer_path(const struct pods *pods, const struct layer *layer);

/* Brings the table up to date and `layer->mounted` with it. A negative errno. */
int layer_look(struct pods *pods, struct layer *layer);
/* What an executor says that it has mounted. */
void layer_set_mounted(struct layer *layer, const struct step_result *made);

/* The mappings of a layer that has some. */
int layer_read_map(const struct record_layer *record, struct idmap *ret);

/* Jobs about the layer's mount for this operation, which gets a number if it has none; as its owner. */
int layer_plan_mount(struct operation *operation, const struct layer *layer);
int layer_plan_unmount(struct operation *operation, const struct layer *layer);
/* FAILURE_QUOTA_EXCEEDED: one more mount of the layer's owner. */
int layer_check_mounts(struct operation *operation, const struct layer *layer, struct failure *f);
