/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of podmountd. */

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "unit.h"
#include "util/array.h"

/* Parses words up to NULL, the program's name left out. What is printed goes nowhere. */
static int parse(struct options *ret, ...) {
        char *argv[16] = {(char[]) {"podmountd"}};
        int argc = 1, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        va_list words;

        va_start(words, ret);
        while ((argv[argc] = va_arg(words, char *)))
                argc++;
        va_end(words);
        ck_assert_int_ge(dup2(null, STDOUT_FILENO), 0);
        ck_assert_int_ge(dup2(null, STDERR_FILENO), 0);
        (void) close_fd(null);
        return options_parse(argc, argv, ret);
}

START_TEST(test_defaults) {
        _cleanup_options_ struct options options = {};

        ck_assert_int_eq(parse(&options, NULL), OPTIONS_RUN);
        ck_assert_str_eq(options.runtime_dir, "/run/podmount");
        ck_assert_str_eq(options.state_dir, "/var/lib/podmount");
        ck_assert_str_eq(options.config, "/etc/podmount/podmountd.conf");
        ck_assert_str_eq(options.user, "podmount");
        ck_assert(options.bus && !options.config_given && !options.features_off);
        ck_assert_int_eq(options.log_level, -1);
}
END_TEST

START_TEST(test_given) {
        _cleanup_options_ struct options options = {};

        ck_assert_int_eq(parse(&options, "--runtime-dir=//run//x/", "--bus", "none", "--user", "nobody", "--config", "/c", "--log-level", "debug",
                               "--disable-feature", "statmount", "--disable-feature=layer-fd", NULL),
                         OPTIONS_RUN);
        ck_assert_str_eq(options.runtime_dir, "/run/x");
        ck_assert_str_eq(options.user, "nobody");
        ck_assert_str_eq(options.config, "/c");
        ck_assert_str_eq(options.features_off, "statmount,layer-fd");
        ck_assert(!options.bus && options.config_given);
        ck_assert_int_eq(options.log_level, 7);
}
END_TEST

START_TEST(test_wrong) {
        struct options options = {};

        ck_assert_int_eq(parse(&options, "--nonsense", NULL), OPTIONS_WRONG);
        ck_assert_int_eq(parse(&options, "word", NULL), OPTIONS_WRONG);
        ck_assert_int_eq(parse(&options, "--runtime-dir", NULL), OPTIONS_WRONG);
        ck_assert_int_eq(parse(&options, "--runtime-dir", "relative", NULL), OPTIONS_WRONG);
        ck_assert_int_eq(parse(&options, "--runtime-dir", "/a/../b", NULL), OPTIONS_WRONG);
        ck_assert_int_eq(parse(&options, "--runtime-dir", "/", NULL), OPTIONS_WRONG);
        ck_assert_int_eq(parse(&options, "--bus", "session", NULL), OPTIONS_WRONG);
        ck_assert_int_eq(parse(&options, "--log-level", "loud", NULL), OPTIONS_WRONG);
        ck_assert_int_eq(parse(&options, "--user", "", NULL), OPTIONS_WRONG);
        ck_assert_ptr_null(options.runtime_dir);
}
END_TEST

START_TEST(test_help) {
        struct options options = {};

        ck_assert_int_eq(parse(&options, "--help", NULL), OPTIONS_DONE);
        ck_assert_int_eq(parse(&options, "-h", NULL), OPTIONS_DONE);
        ck_assert_int_eq(parse(&options, "--version", NULL), OPTIONS_DONE);
}
END_TEST

UNIT_MAIN("options", test_defaults, test_given, test_wrong, test_help)
