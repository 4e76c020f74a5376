/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Grows the text by doubling. What needs an escape is left to json-c, so that there is one form of it. */

#include "util/json-writer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"

enum { ROOM_MIN = 256 };

/* Room for `size` bytes and the NUL at the end. */
static bool make_room(struct json_writer *writer, size_t size) {
        size_t room = writer->room > 0 ? writer->room : ROOM_MIN, needed;
        char *grown;

        if (writer->failed)
                return false;
        if (writer->room > 0 && size < writer->room - writer->size)
                return true;
        writer->failed = true;
        if (__builtin_add_overflow(writer->size, size, &needed))
                return false;
        while (room <= needed)
                if (__builtin_mul_overflow(room, 2, &room))
                        return false;
        grown = realloc(writer->text, room);
        if (!grown)
                return false;
        writer->text = grown;
        writer->room = room;
        writer->failed = false;
        return true;
}

void json_writer_add(struct json_writer *writer, const char *bytes, size_t size) {
        if (!make_room(writer, size))
                return;
        memcpy(writer->text + writer->size, bytes, size);
        writer->size += size;
}

void json_writer_add_byte(struct json_writer *writer, char byte) {
        if (make_room(writer, 1))
                writer->text[writer->size++] = byte;
}

/* Whether json-c would write every byte of the string as it is. */
static bool is_plain(const char *text, size_t size) {
        for (size_t i = 0; i < size; i++)
                if ((unsigned char) text[i] < ' ' || text[i] == '"' || text[i] == '\\')
                        return false;
        return true;
}

static void add_escaped(struct json_writer *writer, const char *string, size_t size) {
        _cleanup_json_ struct json_object *object =
                size <= INT_MAX ? json_object_new_string_len(string, (int) size) : NULL;
        const char *text = NULL;

        if (object)
                text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (text)
                json_writer_add(writer, text, strlen(text));
        else
                writer->failed = true;
}

void json_writer_add_string(struct json_writer *writer, const char *string, size_t size) {
        if (!is_plain(string, size)) {
                add_escaped(writer, string, size);
                return;
        }
        json_writer_add_byte(writer, '"');
        json_writer_add(writer, string, size);
        json_writer_add_byte(writer, '"');
}

char *json_writer_take(struct json_writer *writer) {
        char *text = NULL;

        if (make_room(writer, 0)) {
                text = writer->text;
                text[writer->size] = '\0';
        } else
                free(writer->text);
        *writer = (struct json_writer) {.text = NULL};
        return text;
}
