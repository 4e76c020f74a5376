/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a client is told: the first cause wins, and its text is safe for any terminal and any bus. */

#include "util/failure.h"

#include <stdarg.h>
#include <string.h>

#include "util/text.h"

int failure_set(struct failure *f, enum failure_kind kind, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list arguments;

        if (f->kind != FAILURE_NONE)
                return (int) f->kind;

        va_start(arguments, format);
        text = text_vformat(format, arguments);
        va_end(arguments);

        /* With no memory for the sentence the kind alone is told. */
        f->kind = kind;
        f->text = text ? text_escape(text, FAILURE_TEXT_MAX) : NULL;
        return (int) kind;
}

int failure_from_errno(struct failure *f, int r) {
        if (r < 0)
                return failure_set(f, FAILURE_INTERNAL, "Internal error: %s; see the journal of podmountd",
                                   strerrordesc_np(-r) ? strerrordesc_np(-r) : "unknown");
        return (int) f->kind;
}

void failure_move(struct failure *to, struct failure *from) {
        if (to == from)
                return;
        free(to->text);
        *to = *from;
        *from = FAILURE_INIT;
}

void failure_clear(struct failure *f) {
        if (!f)
                return;
        free(f->text);
        *f = FAILURE_INIT;
}
