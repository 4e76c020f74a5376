/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "executor/image-message.h"

#include <errno.h>
#include <string.h>

#include "util/array.h"
#include "util/text.h"

enum { MEDIA_TYPE_MAX = 255, REFERENCE_MAX = 4096 };

static void put_digest(struct wire_writer *writer, const struct digest *digest) {
        char text[DIGEST_TEXT_SIZE];

        wire_put_string(writer, digest_text(digest, text));
}

static void take_digest(struct wire_reader *reader, struct digest *ret) {
        _cleanup_free_ char *text = wire_take_string(reader, true);

        if (text && digest_parse(text, ret) < 0)
                wire_fail(reader, -EBADMSG);
}

int image_message_head(const struct image *image, uint8_t **ret, size_t *ret_size) {
        struct wire_writer writer = {};

        wire_put_string(&writer, image->reference);
        put_digest(&writer, &image->manifest);
        put_digest(&writer, &image->config);
        wire_put_count(&writer, image->n_layers);
        return wire_finish(&writer, ret, ret_size);
}

int image_message_layer(const struct image_layer *layer, uint8_t **ret, size_t *ret_size) {
        struct wire_writer writer = {};

        wire_put_string(&writer, layer->media_type);
        put_digest(&writer, &layer->digest);
        wire_put_u64(&writer, layer->size);
        put_digest(&writer, &layer->diff_id);
        return wire_finish(&writer, ret, ret_size);
}

/* It is told on the bus, which carries UTF-8 alone. */
static bool is_reference(const char *text) {
        return strlen(text) <= REFERENCE_MAX && text_is_utf8(text, strlen(text));
}

static void take_head(struct image *image, struct wire_reader *reader) {
        uint32_t n;

        image->reference = wire_take_string(reader, false);
        take_digest(reader, &image->manifest);
        take_digest(reader, &image->config);
        n = wire_take_u32(reader);
        if (n == 0 || n > IMAGE_LAYERS_MAX || (image->reference && !is_reference(image->reference)))
                wire_fail(reader, -EBADMSG);
        if (reader->error < 0)
                return;
        image->layers = calloc(n, sizeof(*image->layers));
        if (image->layers)
                image->n_layers = n;
        else
                wire_fail(reader, -ENOMEM);
}

/* The first that has not come. */
static struct image_layer *next_layer(const struct image *image) {
        for (size_t i = 0; i < image->n_layers; i++)
                if (!image->layers[i].media_type)
                        return &image->layers[i];
        return NULL;
}

static void take_layer(struct image_layer *layer, struct wire_reader *reader) {
        layer->media_type = wire_take_string(reader, true);
        take_digest(reader, &layer->digest);
        layer->size = wire_take_u64(reader);
        take_digest(reader, &layer->diff_id);
        if (layer->media_type && (strlen(layer->media_type) > MEDIA_TYPE_MAX || media_of(layer->media_type) != MEDIA_LAYER))
                wire_fail(reader, -EBADMSG);
}

int image_message_take(struct image *image, const uint8_t *data, size_t size) {
        struct wire_reader reader = {.data = data, .size = size};
        struct image_layer *layer = next_layer(image);

        if (image->n_layers == 0)
                take_head(image, &reader);
        else if (layer)
                take_layer(layer, &reader);
        else
                return -EBADMSG;
        return reader.error < 0 ? reader.error : reader.size > 0 ? -EBADMSG : 0;
}

bool image_message_complete(const struct image *image) {
        return image->n_layers > 0 && !next_layer(image);
}
