/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A recursive descent over the text that builds nothing. Its depth is bounded by the caller's limit, its time is linear. */

#include "util/json-scan.h"

#include <stdint.h>
#include <string.h>

#include "util/map.h"
#include "util/text.h"

enum { INTEGER_DIGITS_MAX = 18 }; /* any integer of so many digits fits an int64_t */

struct scanner {
        const char *text;
        size_t size;
        size_t at;
        unsigned depth; /* levels that may still be opened */
        bool unique;
        struct json_scan *result;
};

static int scan_value(struct scanner *s);

static int wrong(struct scanner *s, const char *reason) {
        s->result->offset = s->at;
        s->result->reason = reason;
        return -EBADMSG;
}

/* The byte at hand; a NUL, which no valid text has here, at the end. */
static char peek(const struct scanner *s) {
        return s->at < s->size ? s->text[s->at] : '\0';
}

static void skip_space(struct scanner *s) {
        while (s->at < s->size && memchr(" \t\n\r", s->text[s->at], 4))
                s->at++;
}

static size_t skip_digits(struct scanner *s) {
        size_t start = s->at;

        while (peek(s) >= '0' && peek(s) <= '9')
                s->at++;
        return s->at - start;
}

static int scan_number(struct scanner *s) {
        bool integer = true;
        size_t digits;

        if (peek(s) == '-')
                s->at++;
        if (peek(s) == '0') {
                s->at++;
                digits = 1;
                if (peek(s) >= '0' && peek(s) <= '9')
                        return wrong(s, "a number must not begin with a zero");
        } else
                digits = skip_digits(s);
        if (digits == 0)
                return wrong(s, "a digit is missing");

        if (peek(s) == '.') {
                integer = false;
                s->at++;
                if (skip_digits(s) == 0)
                        return wrong(s, "a digit is missing after the decimal point");
        }
        if (peek(s) == 'e' || peek(s) == 'E') {
                integer = false;
                s->at++;
                if (peek(s) == '+' || peek(s) == '-')
                        s->at++;
                if (skip_digits(s) == 0)
                        return wrong(s, "a digit is missing in the exponent");
        }
        if (integer && digits > INTEGER_DIGITS_MAX)
                return wrong(s, "the number before this place is too long");
        return 0;
}

/* Four hexadecimal digits after "\u"; moves past them. */
static int scan_hex(struct scanner *s, unsigned *ret) {
        unsigned code = 0;

        for (int i = 0; i < 4; i++) {
                char c = peek(s);

                if (c >= '0' && c <= '9')
                        code = code * 16 + (unsigned) (c - '0');
                else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                        code = code * 16 + 10 + (unsigned) ((c | 0x20) - 'a');
                else
                        return wrong(s, "\\u needs four hexadecimal digits");
                s->at++;
        }
        *ret = code;
        return 0;
}

static int scan_escape(struct scanner *s) {
        unsigned code, low;
        int r;

        s->at++;
        if (peek(s) != 'u') {
                if (peek(s) == '\0' || !strchr("\"\\/bfnrt", peek(s)))
                        return wrong(s, "unknown escape in a string");
                s->at++;
                return 0;
        }

        s->at++;
        r = scan_hex(s, &code);
        if (r < 0)
                return r;
        if (code == 0)
                return wrong(s, "a string must not contain a NUL character");
        if (code >= 0xdc00 && code <= 0xdfff)
                return wrong(s, "unpaired surrogate in a string");
        if (code < 0xd800 || code > 0xdbff)
                return 0;

        if (s->size - s->at < 2 || s->text[s->at] != '\\' || s->text[s->at + 1] != 'u')
                return wrong(s, "unpaired surrogate in a string");
        s->at += 2;
        r = scan_hex(s, &low);
        if (r < 0)
                return r;
        if (low < 0xdc00 || low > 0xdfff)
                return wrong(s, "unpaired surrogate in a string");
        return 0;
}

static int scan_string(struct scanner *s) {
        s->at++;
        while (s->at < s->size) {
                unsigned char c = (unsigned char) s->text[s->at];
                size_t length;
                int r;

                if (c == '"') {
                        s->at++;
                        return 0;
                }
                if (c < 0x20)
                        return wrong(s, "a control character in a string must be escaped");
                if (c == '\\') {
                        r = scan_escape(s);
                        if (r < 0)
                                return r;
                        continue;
                }
                length = text_character(s->text + s->at, s->size - s->at);
                if (length == 0)
                        return wrong(s, "this byte is not UTF-8");
                s->at += length;
        }
        return wrong(s, "the text ends inside a string");
}

/* Notes the key that begins at `start` and ends before `s->at`; only called to find which one is there twice. */
static int note_key(struct scanner *s, struct map *seen, size_t start) {
        _cleanup_free_ char *key = strndup(s->text + start, s->at - start);
        int r;

        if (!key)
                return -ENOMEM;
        r = map_put(seen, key, key);
        if (r == -EEXIST) {
                s->at = start;
                return wrong(s, "this key is there twice in one object");
        }
        if (r < 0)
                return r;
        key = NULL; /* the map's owner frees its keys */
        return 0;
}

static void free_keys(struct map *seen) {
        char *key;

        if (!seen)
                return;
        MAP_FOREACH (key, seen)
                free(key);
        (void) map_free(seen); /* returns NULL */
}
DEFINE_CLEANUP(struct map *, free_keys)

static int scan_member(struct scanner *s, struct map *seen) {
        size_t start = s->at;
        int r;

        if (peek(s) != '"')
                return wrong(s, "a key in double quotes is expected");
        r = scan_string(s);
        if (r < 0)
                return r;
        if (seen) {
                r = note_key(s, seen, start);
                if (r < 0)
                        return r;
        }
        s->result->n_members++;
        skip_space(s);
        if (peek(s) != ':')
                return wrong(s, "a colon is expected after the key");
        s->at++;
        return scan_value(s);
}

/* An object or an array: items between `s->at`, the opening bracket, and `end`. */
static int scan_items(struct scanner *s, char end) {
        _cleanup_(free_keysp) struct map *seen = NULL;
        int r;

        if (s->depth == 0)
                return wrong(s, "the text is nested too deep");
        if (s->unique && end == '}') {
                seen = map_new(MAP_KEY_STRING);
                if (!seen)
                        return -ENOMEM;
        }
        s->depth--;
        s->at++;
        skip_space(s);
        for (bool first = true; peek(s) != end || !first; first = false) {
                skip_space(s);
                r = end == '}' ? scan_member(s, seen) : scan_value(s);
                if (r < 0)
                        return r;
                skip_space(s);
                if (peek(s) == end)
                        break;
                if (peek(s) != ',')
                        return wrong(s, end == '}' ? "a comma or } is expected" : "a comma or ] is expected");
                s->at++;
        }
        s->at++;
        s->depth++;
        return 0;
}

static int scan_word(struct scanner *s, const char *word) {
        size_t length = strlen(word);

        if (s->size - s->at < length || memcmp(s->text + s->at, word, length) != 0)
                return wrong(s, "a value is expected");
        s->at += length;
        return 0;
}

static int scan_value(struct scanner *s) {
        char c;

        skip_space(s);
        c = peek(s);
        s->result->n_values++;
        s->result->n_containers += c == '{' || c == '[';
        if (c == '{')
                return scan_items(s, '}');
        if (c == '[')
                return scan_items(s, ']');
        if (c == '"')
                return scan_string(s);
        if (c == '-' || (c >= '0' && c <= '9'))
                return scan_number(s);
        if (c == 't')
                return scan_word(s, "true");
        if (c == 'f')
                return scan_word(s, "false");
        return scan_word(s, "null");
}

int json_scan(const char *text, size_t size, unsigned depth_max, bool unique, struct json_scan *ret) {
        struct scanner s = {.text = text, .size = size, .depth = depth_max, .unique = unique, .result = ret};
        int r;

        *ret = (struct json_scan) {};
        r = scan_value(&s);
        if (r < 0)
                return r;
        skip_space(&s);
        if (s.at < s.size)
                return wrong(&s, "there is something after the end of the JSON value");
        return 0;
}
