/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every sentence that podmountctl writes to stderr comes through here, so that each begins the same way, none carries
 * bytes that a terminal would obey, and every error of the daemon is followed by what can be done about it.
 */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "client/hint.h"
#include "client/report.h"
#include "dbus/names.h"
#include "util/text.h"

/* Length of the UTF-8 sequence at `text` that is well-formed and printable, 0 if there is none. */
static size_t sequence_length(const unsigned char *text) {
        size_t length;

        if (text[0] >= 0x20 && text[0] < 0x7f)
                return 1;
        if (text[0] == 0xc2 && text[1] >= 0xa0 && text[1] <= 0xbf) /* not the C1 controls, U+0080 to U+009F */
                return 2;
        if (text[0] >= 0xc3 && text[0] <= 0xdf)
                length = 2;
        else if (text[0] >= 0xe0 && text[0] <= 0xef)
                length = 3;
        else if (text[0] >= 0xf0 && text[0] <= 0xf4)
                length = 4;
        else
                return 0;
        for (size_t i = 1; i < length; i++)
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
        if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
            (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
                return 0; /* overlong, a surrogate, past U+10FFFF */
        return length;
}

/* How much of `text` goes as it is, 0 for a byte that does not. */
static size_t plain_length(const unsigned char *text, bool cell) {
        size_t length = sequence_length(text);

        if (text_turns((const char *) text, length))
                return 0;
        if (cell && text[0] == '\\' && text[1] == 'x')
                return 0;
        return cell && length > 1 && MB_CUR_MAX == 1 ? 0 : length;
}

static char *escape(const char *text, bool cell) {
        static const char digits[] = "0123456789abcdef";
        const unsigned char *from = (const unsigned char *) text;
        char *escaped, *to;

        escaped = to = malloc(strlen(text) * 4 + 1);
        if (!escaped)
                return NULL;
        while (*from) {
                size_t length = plain_length(from, cell);

                if (length == 0) {
                        *to++ = '\\';
                        *to++ = 'x';
                        *to++ = digits[*from >> 4];
                        *to++ = digits[*from++ & 15];
                }
                while (length-- > 0)
                        *to++ = (char) *from++;
        }
        *to = '\0';
        return escaped;
}

char *report_escape(const char *text) {
        return escape(text, false);
}

char *report_escape_cell(const char *text) {
        return escape(text, true);
}

static void say(const char *prefix, const char *text, const char *more) {
        _cleanup_free_ char *escaped = report_escape(text);

        (void) fflush(stdout); /* keeps what was printed before in front; a failure is told at exit */
        fprintf(stderr, "podmountctl: %s%s%s%s\n", prefix, escaped ? escaped : "out of memory", more ? ": " : "",
                more ? more : "");
}

static _printf_(3, 0) void say_formatted(const char *prefix, const char *more, const char *format, va_list list) {
        _cleanup_free_ char *text = text_vformat(format, list);

        say(prefix, text ? text : "out of memory", more);
}

int report_error(const char *format, ...) {
        va_list list;

        va_start(list, format);
        say_formatted("", NULL, format, list);
        va_end(list);
        return EXIT_FAILURE;
}

int report_errno(int error, const char *format, ...) {
        va_list list;

        va_start(list, format);
        say_formatted("", strerror(abs(error)), format, list);
        va_end(list);
        return EXIT_FAILURE;
}

int report_oom(void) {
        return report_error("Out of memory");
}

int report_usage(const char *format, ...) {
        va_list list;

        va_start(list, format);
        say_formatted("", NULL, format, list);
        va_end(list);
        fputs("Next: see `podmountctl --help` or podmountctl(1).\n", stderr);
        return EXIT_USAGE;
}

void report_warning(const char *format, ...) {
        va_list list;

        va_start(list, format);
        say_formatted("warning: ", NULL, format, list);
        va_end(list);
}

int report_bus_error(const sd_bus_error *error, int r) {
        const char *hint;

        if (!sd_bus_error_is_set(error))
                return report_errno(r, "The call failed");
        say("", error->message && *error->message ? error->message : error->name, NULL);
        hint = hint_for(error->name);
        if (hint)
                fprintf(stderr, "Next: %s\n", hint);
        return EXIT_FAILURE;
}

int report_failure(const char *name, const struct failure *f) {
        sd_bus_error error = {.name = name, .message = f->text};

        return report_bus_error(&error, -EINVAL);
}
