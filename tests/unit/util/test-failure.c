/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What clients are told: the first cause, once, fit to be shown. */

#include "util/failure.h"

#include <string.h>

#include "../unit.h"

START_TEST(test_first_cause) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_int_eq(failure_set(&f, FAILURE_BUSY, "%s is busy", "/a"), FAILURE_BUSY);
        ck_assert_int_eq(failure_set(&f, FAILURE_TIMED_OUT, "later"), FAILURE_BUSY);
        ck_assert_int_eq(failure_from_errno(&f, -EIO), FAILURE_BUSY);
        ck_assert_int_eq(f.kind, FAILURE_BUSY);
        ck_assert_str_eq(f.text, "/a is busy");
}
END_TEST

START_TEST(test_text_is_safe) {
        _cleanup_failure_ struct failure f = FAILURE_INIT, g = FAILURE_INIT;
        _cleanup_free_ char *text = malloc(10001);

        (void) failure_set(&f, FAILURE_INVALID_ARGS, "name \"%s\"", "a\nb\xff");
        ck_assert_str_eq(f.text, "name \"a\\x0ab\\xff\"");

        memset(text, 'x', 10000);
        text[10000] = '\0';
        (void) failure_set(&g, FAILURE_INVALID_ARGS, "%s", text);
        ck_assert_uint_eq(strlen(g.text), FAILURE_TEXT_MAX);
        ck_assert_str_eq(g.text + FAILURE_TEXT_MAX - 3, "...");
}
END_TEST

START_TEST(test_from_errno) {
        _cleanup_failure_ struct failure f = FAILURE_INIT, none = FAILURE_INIT;

        ck_assert_int_eq(failure_from_errno(&f, -ENOSPC), FAILURE_INTERNAL);
        ck_assert_str_eq(f.text, "Internal error: No space left on device; see the journal of podmountd");
        ck_assert_int_eq(failure_from_errno(&none, 0), FAILURE_NONE);
        ck_assert_ptr_null(none.text);
}
END_TEST

START_TEST(test_move_and_clear) {
        struct failure from = FAILURE_INIT, to = FAILURE_INIT;

        (void) failure_set(&to, FAILURE_BUSY, "old");
        (void) failure_set(&from, FAILURE_NO_SUCH_POD, "new");
        failure_move(&to, &from);
        ck_assert_int_eq(to.kind, FAILURE_NO_SUCH_POD);
        ck_assert_str_eq(to.text, "new");
        ck_assert_int_eq(from.kind, FAILURE_NONE);
        ck_assert_ptr_null(from.text);
        failure_move(&to, &to);
        ck_assert_str_eq(to.text, "new");
        failure_clear(&to);
        ck_assert_int_eq(to.kind, FAILURE_NONE);
        ck_assert_ptr_null(to.text);
        failure_clear(&to);
        failure_clear(NULL);
}
END_TEST

UNIT_MAIN("failure", test_first_cause, test_text_is_safe, test_from_errno, test_move_and_clear)
