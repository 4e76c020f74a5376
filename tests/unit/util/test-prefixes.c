/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lists of directories. */

#include "util/prefixes.h"

#include <errno.h>
#include <string.h>

#include "../unit.h"
#include "util/array.h"

static const char *const reserved[] = {"/proc", "/run/podmount", NULL};

static void check_found(const char *list, const char *path, const char *expected) {
        size_t length = 0;
        const char *found = prefixes_find(list, path, &length);

        if (!expected) {
                ck_assert_msg(!found, "%s lies below one of %s", path, list);
                return;
        }
        ck_assert_ptr_nonnull(found);
        ck_assert_uint_eq(length, strlen(expected));
        ck_assert_int_eq(strncmp(found, expected, length), 0);
}

START_TEST(test_found_by_component) {
        char list[PREFIXES_SIZE] = "";

        check_found(list, "/srv/host/a", NULL);
        ck_assert_int_eq(prefixes_add(list, "  /srv/host\t/var/lib/service ", NULL), 0);
        ck_assert_str_eq(list, "/srv/host /var/lib/service");
        check_found(list, "/srv/host/a", "/srv/host");
        check_found(list, "/srv/host/a/b", "/srv/host");
        check_found(list, "/var/lib/service/x", "/var/lib/service");
        check_found(list, "/srv/host", NULL);
        check_found(list, "/srv/hosted/a", NULL);
        check_found(list, "/srv", NULL);
        check_found(list, "/", NULL);
        check_found(list, "/var/lib/servic", NULL);
        ck_assert_int_eq(prefixes_add(list, "", NULL), 0);
        ck_assert_int_eq(prefixes_add(list, "/opt", NULL), 0);
        ck_assert_str_eq(list, "/srv/host /var/lib/service /opt");
}
END_TEST

START_TEST(test_refused) {
        static const struct {
                const char *text;
                int error;
        } cases[] = {
                {"srv", -EINVAL}, {"/srv/", -EINVAL}, {"/srv//x", -EINVAL}, {"/srv/../etc", -EINVAL}, {"/srv/./x", -EINVAL},
                {"/", -EPERM}, {"/proc", -EPERM}, {"/proc/sys", -EPERM}, {"/run/podmount", -EPERM},
                {"/run/podmount/pods", -EPERM}, {"/run", -EPERM}, {"/srv /proc", -EPERM},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char list[PREFIXES_SIZE] = "";

                ck_assert_msg(prefixes_add(list, cases[i].text, reserved) == cases[i].error, "%s", cases[i].text);
        }
        ck_assert_int_eq(prefixes_add((char[PREFIXES_SIZE]) {""}, "/", NULL), -EPERM);
}
END_TEST

START_TEST(test_full) {
        char list[PREFIXES_SIZE] = "", word[1001];
        int r = 0;

        memset(word, 'x', sizeof(word) - 1);
        for (size_t i = 0; i < sizeof(word) - 1; i += 100)
                word[i] = '/';
        word[sizeof(word) - 1] = 0;
        for (size_t i = 0; i < 4; i++)
                ck_assert_int_eq(prefixes_add(list, word, NULL), 0);
        r = prefixes_add(list, word, NULL);
        ck_assert_int_eq(r, -E2BIG);
        ck_assert_uint_eq(strlen(list), 4 * 1000 + 3);
}
END_TEST

START_TEST(test_has) {
        static const char list[] = "/usr/lib/gc /opt/x";

        ck_assert(prefixes_has(list, "/usr/lib/gc") && prefixes_has(list, "/opt/x"));
        ck_assert(!prefixes_has(list, "/usr/lib") && !prefixes_has(list, "/usr/lib/gc/x") && !prefixes_has(list, "/usr/lib/gc /opt/x"));
        ck_assert(!prefixes_has(list, "") && !prefixes_has("", "/usr/lib/gc"));
}
END_TEST

UNIT_MAIN("prefixes", test_found_by_component, test_refused, test_full, test_has)
