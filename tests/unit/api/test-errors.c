/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each kind of failure has a name of its own on D-Bus, from the contract's list. */

#include <string.h>

#include "api/errors.h"
#include "dbus/names.h"
#include "unit.h"

START_TEST(test_all_named) {
        for (int kind = FAILURE_NONE + 1; kind < _FAILURE_KIND_MAX; kind++) {
                const char *name = error_name((enum failure_kind) kind);

                ck_assert(strncmp(name, "org.podmount1.Error.", strlen("org.podmount1.Error.")) == 0 ||
                          strncmp(name, "org.freedesktop.DBus.Error.", strlen("org.freedesktop.DBus.Error.")) == 0);
                for (int other = FAILURE_NONE + 1; other < kind; other++)
                        ck_assert_str_ne(name, error_name((enum failure_kind) other));
        }
}
END_TEST

START_TEST(test_some) {
        ck_assert_str_eq(error_name(FAILURE_NO_SUCH_POD), "org.podmount1.Error.NoSuchPod");
        ck_assert_str_eq(error_name(FAILURE_MOUNT_FAILED), "org.podmount1.Error.MountFailed");
        ck_assert_str_eq(error_name(FAILURE_ACCESS_DENIED), "org.freedesktop.DBus.Error.AccessDenied");
        ck_assert_str_eq(error_name(FAILURE_INTERNAL), "org.freedesktop.DBus.Error.Failed");
        ck_assert_str_eq(error_name(FAILURE_NONE), "org.freedesktop.DBus.Error.Failed");
}
END_TEST

UNIT_MAIN("errors", test_all_named, test_some)
