/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A failure that a client is told: a kind, which every transport has a name for (section "Errors" of
 * org.podmount1(5)), and one sentence that says what is wrong and what to do.
 *
 * The house's convention for functions that take a `struct failure *`: 0 or more of their own outcome on success;
 * a negative errno for what went wrong inside (logged where it happened, nothing in the failure); a positive
 * `enum failure_kind` for what the client must be told, the failure filled.
 */

#include "util/cleanup.h"

enum failure_kind {
        FAILURE_NONE,
        FAILURE_NO_SUCH_POD,
        FAILURE_NO_SUCH_CONTAINER,
        FAILURE_POD_EXISTS,
        FAILURE_INVALID_SPEC,
        FAILURE_INVALID_OPTION,
        FAILURE_INVALID_TARGET,
        FAILURE_TARGET_IN_USE,
        FAILURE_ESCAPES_ROOT,
        FAILURE_SOURCE_DENIED,
        FAILURE_NO_SUCH_SOURCE,
        FAILURE_NO_SUCH_MOUNT,
        FAILURE_BUSY,
        FAILURE_NOT_SUPPORTED,
        FAILURE_QUOTA_EXCEEDED,
        FAILURE_TIMED_OUT,
        FAILURE_MOUNT_FAILED,
        FAILURE_NO_SUCH_LAYER,
        FAILURE_LAYER_EXISTS,
        FAILURE_LAYER_IN_USE,
        FAILURE_ACCESS_DENIED,
        FAILURE_INVALID_ARGS,
        FAILURE_INTERACTIVE_AUTHORIZATION_REQUIRED,
        FAILURE_INTERNAL, /* a fault of ours: org.freedesktop.DBus.Error.Failed; never set by hand, see failure_from_errno() */
        _FAILURE_KIND_MAX,
};

struct failure {
        enum failure_kind kind;
        char *text; /* one sentence, UTF-8, at most FAILURE_TEXT_MAX bytes; NULL while kind is FAILURE_NONE */
};

enum { FAILURE_TEXT_MAX = 4096 };

#define FAILURE_INIT ((struct failure) {.kind = FAILURE_NONE})

/* Fills an empty failure (one that is filled already keeps its first cause) and returns its kind. Bytes of the
 * formatted text that are not valid UTF-8 or are control characters are escaped as \xHH. */
int failure_set(struct failure *f, enum failure_kind kind, const char *format, ...) _printf_(3, 4);

/* Turns what a function of the convention above returned (negative: our own fault) into a filled failure: with `r`
 * below zero FAILURE_INTERNAL ("Internal error: <strerror>; see the journal of podmountd"). Returns the kind. */
int failure_from_errno(struct failure *f, int r);

/* Moves `from` into `to` (released first); `from` is empty afterwards. */
void failure_move(struct failure *to, struct failure *from);

/* Releases the text and empties the failure. Takes NULL. */
void failure_clear(struct failure *f);

#define _cleanup_failure_ _cleanup_(failure_clear)
