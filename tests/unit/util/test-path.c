/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths as text. */

#include "util/path.h"

#include <limits.h>
#include <string.h>

#include "../unit.h"

static void check_normal(const char *path, const char *expected) {
        _cleanup_free_ char *normal = NULL;

        ck_assert_int_eq(path_normalize(path, &normal), 0);
        ck_assert_str_eq(normal, expected);
}

static void check_refused(const char *path, int error) {
        char *normal = NULL;

        ck_assert_int_eq(path_normalize(path, &normal), error);
        ck_assert_ptr_null(normal);
}

START_TEST(test_normalize) {
        check_normal("/", "/");
        check_normal("//", "/");
        check_normal("/.", "/");
        check_normal("/a", "/a");
        check_normal("/a/", "/a");
        check_normal("//a///b/./c/.", "/a/b/c");
        check_normal("/a/...", "/a/...");
        check_normal("/.a/..b", "/.a/..b");
        check_normal("/with space\t\\\xc3\xa4", "/with space\t\\\xc3\xa4");
        check_refused("", -EINVAL);
        check_refused("a/b", -EINVAL);
        check_refused("./a", -EINVAL);
        check_refused("/..", -EXDEV);
        check_refused("/a/../b", -EXDEV);
        check_refused("/a/..", -EXDEV);
}
END_TEST

START_TEST(test_normalize_limits) {
        _cleanup_free_ char *path = malloc(3 * PATH_MAX);

        /* One component of NAME_MAX bytes, then of one more. */
        path[0] = '/';
        memset(path + 1, 'n', NAME_MAX + 1);
        path[1 + NAME_MAX] = '\0';
        check_normal(path, path);
        path[1 + NAME_MAX] = 'n';
        path[2 + NAME_MAX] = '\0';
        check_refused(path, -ENAMETOOLONG);

        /* The longest path: PATH_MAX - 1 bytes, then one more; what normalising takes away does not count. */
        for (size_t i = 0; i < PATH_MAX; i += 2)
                memcpy(path + i, "/a", 3);
        path[PATH_MAX - 1] = '\0';
        path[PATH_MAX - 2] = 'a';
        check_normal(path, path);
        path[PATH_MAX - 1] = 'a';
        path[PATH_MAX] = '\0';
        check_refused(path, -ENAMETOOLONG);

        memset(path, '/', 3 * PATH_MAX);
        memcpy(path + 3 * PATH_MAX - 2, "a", 2);
        check_normal(path, "/a");
}
END_TEST

START_TEST(test_below) {
        ck_assert(path_is_below("/pods/a", "/pods/a"));
        ck_assert(path_is_below("/pods/a/b", "/pods/a"));
        ck_assert(!path_is_below("/pods/a1", "/pods/a"));
        ck_assert(!path_is_below("/pods", "/pods/a"));
        ck_assert(!path_is_below("/other/pods/a", "/pods/a"));
        ck_assert(path_is_below("/", "/"));
        ck_assert(path_is_below("/a", "/"));
        ck_assert_str_eq(path_below("/pods/a/b/c", "/pods/a"), "b/c");
        ck_assert_str_eq(path_below("/pods/a", "/pods/a"), "");
        ck_assert_str_eq(path_below("/a", "/"), "a");
        ck_assert_str_eq(path_below("/", "/"), "");
        ck_assert_ptr_null(path_below("/pods/a1", "/pods/a"));
}
END_TEST

static void check_join(const char *directory, const char *name, const char *expected) {
        _cleanup_free_ char *joined = path_join(directory, name);

        ck_assert_str_eq(joined, expected);
}

START_TEST(test_compare) {
        static const char *const in_order[] = {"", "/", "/a", "/a/b", "/a/b/c", "/a/c", "/a\n", "/a b", "/a-b", "/a.b/c", "/ab", "/a\xff", "/b"};

        for (size_t i = 0; i < ELEMENTSOF(in_order); i++)
                for (size_t j = 0; j < ELEMENTSOF(in_order); j++) {
                        int order = path_compare(in_order[i], in_order[j]);

                        ck_assert_msg((order > 0) - (order < 0) == (i > j) - (i < j), "\"%s\" and \"%s\": %d", in_order[i], in_order[j], order);
                }
}
END_TEST

START_TEST(test_length_without) {
        ck_assert_uint_eq(path_length_without("/a/bc/d", 0), strlen("/a/bc/d"));
        ck_assert_uint_eq(path_length_without("/a/bc/d", 1), strlen("/a/bc"));
        ck_assert_uint_eq(path_length_without("/a/bc/d", 2), strlen("/a"));
        ck_assert_uint_eq(path_length_without("/a/bc/d", 3), 0);
        ck_assert_uint_eq(path_length_without("/a/bc/d", UINT32_MAX), 0);
        ck_assert_uint_eq(path_length_without("", 1), 0);
}
END_TEST

START_TEST(test_join) {
        check_join("/a", "b", "/a/b");
        check_join("/a/", "b", "/a/b");
        check_join("/a", "/b", "/a/b");
        check_join("/", "b", "/b");
        check_join("/", "/b", "/b");
        check_join("/a", "", "/a");
        check_join("/", "", "/");
        check_join("/a", "/", "/a");
}
END_TEST

START_TEST(test_names) {
        char name[70];

        ck_assert(path_is_component("a"));
        ck_assert(path_is_component("..."));
        ck_assert(!path_is_component(""));
        ck_assert(!path_is_component("."));
        ck_assert(!path_is_component(".."));
        ck_assert(!path_is_component("a/b"));

        ck_assert(name_is_valid("web"));
        ck_assert(name_is_valid("9-a_B.c"));
        ck_assert(!name_is_valid(""));
        ck_assert(!name_is_valid(".hidden"));
        ck_assert(!name_is_valid("-o"));
        ck_assert(!name_is_valid("a/b"));
        ck_assert(!name_is_valid("a\nb"));
        ck_assert(!name_is_valid("a b"));
        ck_assert(!name_is_valid("\xc3\xa4"));
        memset(name, 'a', sizeof(name));
        name[64] = '\0';
        ck_assert(name_is_valid(name));
        name[64] = 'a';
        name[65] = '\0';
        ck_assert(!name_is_valid(name));
}
END_TEST

UNIT_MAIN("path", test_normalize, test_normalize_limits, test_below, test_compare, test_length_without, test_join, test_names)
