/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One UTF-8 decoder for everything that has to tell text from bytes: messages to clients, log lines, JSON. */

#include "util/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

char *text_vformat(const char *format, va_list arguments) {
        char *text;

        return vasprintf(&text, format, arguments) < 0 ? NULL : text;
}

char *text_format(const char *format, ...) {
        va_list arguments;
        char *text;

        va_start(arguments, format);
        text = text_vformat(format, arguments);
        va_end(arguments);
        return text;
}

static bool is_continuation(unsigned char byte) {
        return (byte & 0xc0) == 0x80;
}

size_t text_character(const char *text, size_t size) {
        const unsigned char *byte = (const unsigned char *) text;
        size_t length;
        uint32_t code;

        if (size == 0)
                return 0;
        if (byte[0] < 0x80)
                return 1;
        if (byte[0] >= 0xc2 && byte[0] <= 0xdf) {
                length = 2;
                code = byte[0] & 0x1f;
        } else if ((byte[0] & 0xf0) == 0xe0) {
                length = 3;
                code = byte[0] & 0x0f;
        } else if (byte[0] >= 0xf0 && byte[0] <= 0xf4) {
                length = 4;
                code = byte[0] & 0x07;
        } else
                return 0;

        if (size < length)
                return 0;
        for (size_t i = 1; i < length; i++) {
                if (!is_continuation(byte[i]))
                        return 0;
                code = (code << 6) | (byte[i] & 0x3f);
        }
        if ((length == 3 && code < 0x800) || (length == 4 && (code < 0x10000 || code > 0x10ffff)))
                return 0;
        if (code >= 0xd800 && code <= 0xdfff)
                return 0;
        return length;
}

bool text_is_utf8(const char *text, size_t size) {
        for (size_t i = 0; i < size;) {
                size_t length = text_character(text + i, size - i);

                if (length == 0)
                        return false;
                i += length;
        }
        return true;
}

bool text_turns(const char *character, size_t size) {
        const unsigned char *byte = (const unsigned char *) character;

        if (size == 2)
                return byte[0] == 0xd8 && byte[1] == 0x9c; /* U+061C */
        if (size != 3 || byte[0] != 0xe2)
                return false;
        if (byte[1] == 0x80) /* U+200E, U+200F, U+202A to U+202E */
                return byte[2] == 0x8e || byte[2] == 0x8f || (byte[2] >= 0xaa && byte[2] <= 0xae);
        return byte[1] == 0x81 && byte[2] >= 0xa6 && byte[2] <= 0xa9; /* U+2066 to U+2069 */
}

/* C0, DEL, and C1, which is U+0080 to U+009F in two bytes. */
static bool is_control(const char *text, size_t length) {
        const unsigned char *byte = (const unsigned char *) text;

        if (length == 1)
                return byte[0] < 0x20 || byte[0] == 0x7f;
        return length == 2 && byte[0] == 0xc2 && byte[1] < 0xa0;
}

char *text_escape(const char *text, size_t max) {
        static const char digits[] = "0123456789abcdef";
        size_t size = strlen(text), at = 0, ellipsis = 0;
        char *escaped;

        /* Four bytes of output for one of input is the worst; what does not fit below `max` is never written. */
        escaped = malloc((size < max / 4 ? size * 4 : max) + 1);
        if (!escaped)
                return NULL;

        for (size_t i = 0; i < size;) {
                size_t length = text_character(text + i, size - i);
                bool plain = length > 0 && !is_control(text + i, length) && !text_turns(text + i, length);
                size_t used = length > 0 ? length : 1, width = plain ? length : used * 4;

                if (at + width > max) {
                        at = ellipsis;
                        memcpy(escaped + at, "...", 3);
                        at += 3;
                        break;
                }
                if (plain)
                        memcpy(escaped + at, text + i, length);
                else
                        for (size_t k = 0; k < used; k++) {
                                unsigned char byte = (unsigned char) text[i + k];

                                memcpy(escaped + at + k * 4, "\\x", 2);
                                escaped[at + k * 4 + 2] = digits[byte >> 4];
                                escaped[at + k * 4 + 3] = digits[byte & 0xf];
                        }
                at += width;
                i += used;
                if (at + 3 <= max)
                        ellipsis = at;
        }
        escaped[at] = '\0';
        return escaped;
}
