/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the worker that reads an image layout says of the image: portions of its answer, the first about all of it, then one for each
 * layer, the lowest first. Whoever reads that believes nothing but its form: what is in a blob is verified when it is unpacked.
 */

#include "image/layout.h"
#include "plan/wire.h"

/* The portions of an image. 0, -ENOMEM. */
int image_message_head(const struct image *image, uint8_t **ret, size_t *ret_size);
int image_message_layer(const struct image_layer *layer, uint8_t **ret, size_t *ret_size);

/* Takes the next portion in. -EBADMSG for one that makes no sense, -ENOMEM. */
int image_message_take(struct image *image, const uint8_t *data, size_t size);
/* Whether all portions have come. */
bool image_message_complete(const struct image *image);
