/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Log lines as a terminal gets them. */

#include "util/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "../unit.h"

/* Points stderr at a memfd; every test is a process of its own. */
static int capture(void) {
        int fd = memfd_create("stderr", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(unsetenv("JOURNAL_STREAM"), 0);
        ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
        return fd;
}

static void check_captured(int fd, const char *expected) {
        char text[65536] = {};

        ck_assert_int_ge(pread(fd, text, sizeof(text) - 1, 0), 0);
        ck_assert_str_eq(text, expected);
}

START_TEST(test_line) {
        _cleanup_close_ int fd = capture();

        log_info("hello %i", 1);
        log_set_role("front");
        errno = EXDEV;
        log_warning("a\nb\x1b");
        ck_assert_int_eq(errno, EXDEV);
        log_fields(LOG_NOTICE, "00000000000000000000000000000000", (const char *const[]) {"POD=", "x", "TARGET=", NULL, NULL}, "done");
        check_captured(fd, "test-log: info: hello 1\n"
                           "test-log[front]: warning: a\\x0ab\\x1b\n"
                           "test-log[front]: notice: done\n");
}
END_TEST

START_TEST(test_levels) {
        _cleanup_close_ int fd = capture();

        ck_assert_int_eq(log_level(), LOG_INFO);
        log_debug("dropped");
        log_set_level(LOG_ERR);
        log_warning("dropped");
        log_error("kept");
        check_captured(fd, "test-log: error: kept\n");
        ck_assert_int_eq(log_level(), LOG_ERR);

        ck_assert_int_eq(log_level_from_string("error"), LOG_ERR);
        ck_assert_int_eq(log_level_from_string("debug"), LOG_DEBUG);
        ck_assert_int_eq(log_level_from_string("3"), LOG_ERR);
        ck_assert_int_eq(log_level_from_string("7"), LOG_DEBUG);
        ck_assert_int_eq(log_level_from_string("2"), -EINVAL);
        ck_assert_int_eq(log_level_from_string("8"), -EINVAL);
        ck_assert_int_eq(log_level_from_string("33"), -EINVAL);
        ck_assert_int_eq(log_level_from_string(""), -EINVAL);
        ck_assert_int_eq(log_level_from_string("loud"), -EINVAL);
}
END_TEST

START_TEST(test_errno) {
        _cleanup_close_ int fd = capture();

        ck_assert_int_eq(log_errno(LOG_ERR, ENOENT, "open %s", "/x"), -ENOENT);
        ck_assert_int_eq(log_errno(LOG_DEBUG, -EPERM, "dropped"), -EPERM);
        ck_assert_int_eq(log_oom(), -ENOMEM);
        check_captured(fd, "test-log: error: open /x: No such file or directory\n"
                           "test-log: error: out of memory: Cannot allocate memory\n");
}
END_TEST

/* A JOURNAL_STREAM that names another file is not ours: stderr was redirected since. */
START_TEST(test_foreign_stream) {
        _cleanup_close_ int fd = capture();

        ck_assert_int_eq(setenv("JOURNAL_STREAM", "1:2", 1), 0);
        log_info("plain");
        check_captured(fd, "test-log: info: plain\n");
}
END_TEST

UNIT_MAIN("log", test_line, test_levels, test_errno, test_foreign_stream)
