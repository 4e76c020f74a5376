/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ownership that ends with its scope, and ownership that is handed on. */

#include "util/cleanup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "../unit.h"

static bool is_open(int fd) {
        return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(test_close) {
        int number;

        {
                _cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), none = -1;

                ck_assert_int_ge(fd, 0);
                ck_assert_int_eq(none, -1);
                number = fd;
                errno = EXDEV;
        }
        ck_assert(!is_open(number));
        errno = EXDEV;
        ck_assert_int_eq(close_fd(9999), -1);
        ck_assert_int_eq(errno, EXDEV);
        ck_assert_int_eq(close_fd(-1), -1);
}
END_TEST

START_TEST(test_take) {
        char *text = strdup("text"), *kept = text;
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), number = fd;

        {
                _cleanup_free_ char *owner = text;
                _cleanup_close_ int owner_fd = fd;

                text = TAKE_PTR(owner);
                fd = TAKE_FD(owner_fd);
                ck_assert_ptr_null(owner);
                ck_assert_int_eq(owner_fd, -1);
        }
        ck_assert_ptr_eq(text, kept);
        ck_assert_str_eq(text, "text");
        ck_assert_int_eq(fd, number);
        ck_assert(is_open(fd));
        free(text);
        ck_assert_int_eq(close_fd(fd), -1);
}
END_TEST

START_TEST(test_streams) {
        int number;

        {
                _cleanup_fclose_ FILE *file = fopen("/dev/null", "re"), *none = NULL;
                _cleanup_closedir_ DIR *directory = opendir("/"), *nothing = NULL;

                ck_assert_ptr_nonnull(file);
                ck_assert_ptr_nonnull(directory);
                ck_assert_ptr_null(none);
                ck_assert_ptr_null(nothing);
                number = fileno(file);
        }
        ck_assert(!is_open(number));
}
END_TEST

UNIT_MAIN("cleanup", test_close, test_take, test_streams)
