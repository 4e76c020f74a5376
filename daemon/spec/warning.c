/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Warnings are bounded: a document of the largest size could call for tens of thousands, which nobody reads. */

#include <stdarg.h>

#include "spec/warning.h"
#include "util/text.h"

enum { WARNING_TEXT_MAX = 1024 };

int warning_add(char ***warnings, const char *format, ...) {
        _cleanup_free_ char *text = NULL, *safe = NULL;
        size_t n = strv_length(*warnings);
        va_list ap;

        if (n >= WARNINGS_MAX)
                return 0;
        if (n == WARNINGS_MAX - 1)
                return strv_append(warnings, "there are more warnings than are told here");
        va_start(ap, format);
        text = text_vformat(format, ap);
        va_end(ap);
        if (!text)
                return -ENOMEM;
        safe = text_escape(text, WARNING_TEXT_MAX);
        if (!safe)
                return -ENOMEM;
        return strv_append(warnings, safe);
}
