/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Growable arrays and string vectors. */

#include "util/array.h"

#include <string.h>

#include "../unit.h"

struct element {
        int number;
        char *text;
};

START_TEST(test_append) {
        _cleanup_free_ struct element *elements = NULL;
        size_t n = 0;

        for (int i = 0; i < 100; i++) {
                struct element *element = array_append(&elements, &n);

                ck_assert_ptr_nonnull(element);
                ck_assert_int_eq(element->number, 0);
                ck_assert_ptr_null(element->text);
                element->number = i;
        }
        ck_assert_uint_eq(n, 100);
        for (int i = 0; i < 100; i++)
                ck_assert_int_eq(elements[i].number, i);
}
END_TEST

START_TEST(test_append_after_removal) {
        _cleanup_free_ int *numbers = NULL;
        size_t n = 0;

        for (int i = 0; i < 9; i++)
                *array_append(&numbers, &n) = i;
        n = 3;
        for (int i = 3; i < 40; i++)
                *array_append(&numbers, &n) = i;
        for (int i = 0; i < 40; i++)
                ck_assert_int_eq(numbers[i], i);
}
END_TEST

START_TEST(test_append_overflow) {
        void *array = NULL;
        size_t n = (size_t) 1 << 62;

        ck_assert_ptr_null(array_append_raw(&array, &n, 16));
        ck_assert_uint_eq(n, (size_t) 1 << 62);
        ck_assert_ptr_null(array);
}
END_TEST

START_TEST(test_strv) {
        _cleanup_strv_ char **strv = NULL, **copy = NULL, **empty = NULL;
        _cleanup_free_ char *joined = NULL, *nothing = NULL;

        ck_assert_uint_eq(strv_length(NULL), 0);
        ck_assert_int_eq(strv_append(&strv, "ro"), 0);
        ck_assert_int_eq(strv_appendf(&strv, "size=%i", 64), 0);
        ck_assert_int_eq(strv_append(&strv, ""), 0);
        ck_assert_uint_eq(strv_length(strv), 3);

        ck_assert_int_eq(strv_copy(strv, &copy), 0);
        ck_assert_ptr_ne(copy[0], strv[0]);
        joined = strv_join(copy, ", ");
        ck_assert_str_eq(joined, "ro, size=64, ");

        ck_assert_int_eq(strv_copy(NULL, &empty), 0);
        ck_assert_ptr_nonnull(empty);
        ck_assert_ptr_null(empty[0]);
        nothing = strv_join(NULL, ",");
        ck_assert_str_eq(nothing, "");
        ck_assert_ptr_null(strv_free(NULL));
}
END_TEST

/* A vector that somebody allocated to size can be appended to. */
START_TEST(test_strv_foreign) {
        _cleanup_strv_ char **strv = calloc(3, sizeof(char *));

        strv[0] = strdup("a");
        strv[1] = strdup("b");
        ck_assert_int_eq(strv_append(&strv, "c"), 0);
        ck_assert_uint_eq(strv_length(strv), 3);
        ck_assert_str_eq(strv[2], "c");
}
END_TEST

UNIT_MAIN("array", test_append, test_append_after_removal, test_append_overflow, test_strv, test_strv_foreign)
