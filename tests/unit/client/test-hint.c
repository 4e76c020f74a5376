/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every failure has a name, and every name of the contract a next step. */

#include <string.h>

#include "client/hint.h"
#include "dbus/names.h"
#include "tests/unit/unit.h"

START_TEST(test_every_kind) {
        for (int kind = FAILURE_NONE + 1; kind < _FAILURE_KIND_MAX; kind++) {
                const char *name = hint_error_name((enum failure_kind) kind);

                ck_assert_ptr_nonnull(name);
                ck_assert_ptr_nonnull(hint_for(name));
                for (int other = FAILURE_NONE + 1; other < kind; other++)
                        ck_assert_str_ne(name, hint_error_name((enum failure_kind) other));
        }
        ck_assert_ptr_null(hint_error_name(FAILURE_NONE));
}
END_TEST

START_TEST(test_sentences) {
        for (int kind = FAILURE_NONE + 1; kind < _FAILURE_KIND_MAX; kind++) {
                const char *hint = hint_for(hint_error_name((enum failure_kind) kind));

                ck_assert_int_eq(hint[strlen(hint) - 1], '.');
                ck_assert_ptr_null(strchr(hint, '\n'));
        }
}
END_TEST

START_TEST(test_names) {
        ck_assert_str_eq(hint_error_name(FAILURE_NO_SUCH_POD), "org.podmount1.Error.NoSuchPod");
        ck_assert_ptr_nonnull(hint_for("org.freedesktop.DBus.Error.ServiceUnknown"));
        ck_assert_ptr_null(hint_for("com.example.Error"));
        ck_assert_ptr_null(hint_for(NULL));
}
END_TEST

UNIT_MAIN("client/hint", test_every_kind, test_sentences, test_names)
