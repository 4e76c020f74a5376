/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text for people: sentences made from a format, and bytes from outside made fit for messages and terminals: UTF-8
 * (RFC 3629) and its escapes. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/cleanup.h"

/* What the format makes, as asprintf(3) does. NULL when memory is short. */
char *text_vformat(const char *format, va_list arguments) _printf_(1, 0);
char *text_format(const char *format, ...) _printf_(1, 2);

/* Length in bytes (1 to 4) of the valid UTF-8 character at `text`, of which `size` bytes may be read; 0 if there is
 * none: a stray or missing continuation byte, an overlong form, a surrogate, past U+10FFFF, or `size` is 0. */
size_t text_character(const char *text, size_t size);

/* Whether all `size` bytes are UTF-8. */
bool text_is_utf8(const char *text, size_t size);

/* Whether this character, of so many bytes, turns the direction of the text around it (Unicode's Bidi_Control): what is shown may then be read as
 * something else. */
bool text_turns(const char *character, size_t size);

/* A copy with every byte of an invalid sequence, a control character (C0, DEL, C1) or one of text_turns() written as \xHH, cut at a
 * character's end with "..." where it would be longer than `max` bytes (at least 4). NULL when memory is short. */
char *text_escape(const char *text, size_t max);
