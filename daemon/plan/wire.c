/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writes and reads the pieces of a flat buffer; every read is checked against what is left of it. */

#include "plan/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/channel.h"

enum {
        WIRE_SIZE_FIRST = 512,
        WIRE_STRING_MIN = sizeof(uint32_t), /* what a string takes at least */
};

/* Where a string's length would stand: the string is NULL. */
#define WIRE_STRING_NULL UINT32_MAX

static void put_bytes(struct wire_writer *writer, const void *bytes, size_t size) {
        if (writer->error < 0)
                return;
        if (size > CHANNEL_MESSAGE_MAX - writer->size) {
                writer->error = -E2BIG;
                return;
        }
        if (size > writer->allocated - writer->size) {
                size_t allocated = writer->allocated > 0 ? writer->allocated : WIRE_SIZE_FIRST;
                uint8_t *data;

                while (allocated - writer->size < size)
                        allocated *= 2;
                data = realloc(writer->data, allocated);
                if (!data) {
                        writer->error = -ENOMEM;
                        return;
                }
                writer->data = data;
                writer->allocated = allocated;
        }
        if (size > 0)
                memcpy(writer->data + writer->size, bytes, size);
        writer->size += size;
}

void wire_put_u8(struct wire_writer *writer, uint8_t value) {
        put_bytes(writer, &value, sizeof(value));
}

void wire_put_u32(struct wire_writer *writer, uint32_t value) {
        put_bytes(writer, &value, sizeof(value));
}

void wire_put_u64(struct wire_writer *writer, uint64_t value) {
        put_bytes(writer, &value, sizeof(value));
}

void wire_put_count(struct wire_writer *writer, size_t count) {
        if (count >= UINT32_MAX) {
                if (writer->error == 0)
                        writer->error = -E2BIG;
                return;
        }
        wire_put_u32(writer, (uint32_t) count);
}

void wire_put_string(struct wire_writer *writer, const char *text) {
        size_t length;

        if (!text) {
                wire_put_u32(writer, WIRE_STRING_NULL);
                return;
        }
        length = strlen(text);
        wire_put_count(writer, length);
        put_bytes(writer, text, length);
}

void wire_put_strv(struct wire_writer *writer, char *const *strv) {
        size_t n = strv ? strv_length(strv) : 0;

        wire_put_count(writer, n);
        for (size_t i = 0; i < n; i++)
                wire_put_string(writer, strv[i]);
}

int wire_finish(struct wire_writer *writer, uint8_t **ret, size_t *ret_size) {
        int error = writer->error;

        if (error < 0)
                free(writer->data);
        else {
                *ret = writer->data;
                *ret_size = writer->size;
        }
        *writer = (struct wire_writer) {};
        return error;
}

void wire_fail(struct wire_reader *reader, int error) {
        if (reader->error == 0)
                reader->error = error;
}

/* The next `size` bytes, or NULL and -EBADMSG. */
static const uint8_t *take_bytes(struct wire_reader *reader, size_t size) {
        const uint8_t *bytes = reader->data;

        if (reader->error < 0)
                return NULL;
        if (size > reader->size) {
                reader->error = -EBADMSG;
                return NULL;
        }
        reader->data += size;
        reader->size -= size;
        return bytes;
}

uint8_t wire_take_u8(struct wire_reader *reader) {
        const uint8_t *bytes = take_bytes(reader, sizeof(uint8_t));

        return bytes ? *bytes : 0;
}

uint32_t wire_take_u32(struct wire_reader *reader) {
        const uint8_t *bytes = take_bytes(reader, sizeof(uint32_t));
        uint32_t value = 0;

        if (bytes)
                memcpy(&value, bytes, sizeof(value));
        return value;
}

uint64_t wire_take_u64(struct wire_reader *reader) {
        const uint8_t *bytes = take_bytes(reader, sizeof(uint64_t));
        uint64_t value = 0;

        if (bytes)
                memcpy(&value, bytes, sizeof(value));
        return value;
}

bool wire_take_bool(struct wire_reader *reader) {
        uint8_t value = wire_take_u8(reader);

        if (value > 1)
                wire_fail(reader, -EBADMSG);
        return value == 1;
}

size_t wire_take_count(struct wire_reader *reader, size_t max, size_t element_size) {
        size_t count = wire_take_u32(reader);

        if (count > max || count > reader->size / element_size)
                wire_fail(reader, -EBADMSG);
        return reader->error < 0 ? 0 : count;
}

char *wire_take_string(struct wire_reader *reader, bool required) {
        uint32_t length = wire_take_u32(reader);
        const uint8_t *bytes;
        char *text;

        if (reader->error < 0)
                return NULL;
        if (length == WIRE_STRING_NULL) {
                if (required)
                        wire_fail(reader, -EBADMSG);
                return NULL;
        }
        bytes = take_bytes(reader, length);
        if (!bytes)
                return NULL;
        if (memchr(bytes, 0, length)) {
                wire_fail(reader, -EBADMSG);
                return NULL;
        }
        text = malloc((size_t) length + 1);
        if (!text) {
                wire_fail(reader, -ENOMEM);
                return NULL;
        }
        memcpy(text, bytes, length);
        text[length] = 0;
        return text;
}

char **wire_take_strv(struct wire_reader *reader, size_t max) {
        size_t n = wire_take_count(reader, max, WIRE_STRING_MIN);
        _cleanup_strv_ char **strv = NULL;

        if (reader->error < 0)
                return NULL;
        strv = calloc(n + 1, sizeof(*strv));
        if (!strv) {
                wire_fail(reader, -ENOMEM);
                return NULL;
        }
        for (size_t i = 0; i < n; i++) {
                strv[i] = wire_take_string(reader, true);
                if (reader->error < 0)
                        return NULL;
        }
        return TAKE_PTR(strv);
}
