/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line: what is read from it, and what is refused as wrong usage. */

#include <getopt.h>
#include <string.h>

#include "client/arguments.h"
#include "tests/unit/unit.h"
#include "util/array.h"

START_TEST(test_duration) {
        static const struct {
                const char *text;
                int r;
                uint64_t us;
        } cases[] = {
                {"5", 0, 5000000},
                {"500ms", 0, 500000},
                {"7us", 0, 7},
                {"2min", 0, 120000000},
                {"1h", 0, 3600000000},
                {"", -EINVAL, 0},
                {"0", -EINVAL, 0},
                {"5 s", -EINVAL, 0},
                {"-5", -EINVAL, 0},
                {"5d", -EINVAL, 0},
                {"1.5s", -EINVAL, 0},
                {"99999999h", -ERANGE, 0},
                {"18446744073709551616", -ERANGE, 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t us = 42;

                ck_assert_int_eq(argument_parse_duration(cases[i].text, &us), cases[i].r);
                ck_assert_uint_eq(us, cases[i].r < 0 ? 42 : cases[i].us);
        }
}
END_TEST

START_TEST(test_fd) {
        struct argument_fd fd;

        ck_assert_int_eq(argument_parse_fd("data=1", &fd), 0);
        ck_assert_str_eq(fd.name, "data");
        ck_assert_int_eq(fd.fd, 1);
        free(fd.name);
        ck_assert_int_eq(argument_parse_fd("a=b=0", &fd), 0);
        ck_assert_str_eq(fd.name, "a=b");
        free(fd.name);
        ck_assert_int_eq(argument_parse_fd("data=1000000", &fd), -EBADF);
        ck_assert_int_eq(argument_parse_fd("data", &fd), -EINVAL);
        ck_assert_int_eq(argument_parse_fd("=1", &fd), -EINVAL);
        ck_assert_int_eq(argument_parse_fd("data=", &fd), -EINVAL);
        ck_assert_int_eq(argument_parse_fd("data=-1", &fd), -EINVAL);
        ck_assert_int_eq(argument_parse_fd("data=99999999999", &fd), -EINVAL);
}
END_TEST

START_TEST(test_split) {
        _cleanup_strv_ char **options = NULL;

        ck_assert_int_eq(argument_split_options("ro,,nosuid", &options), 0);
        ck_assert_int_eq(argument_split_options("size=1m", &options), 0);
        ck_assert_uint_eq(strv_length(options), 3);
        ck_assert_str_eq(options[0], "ro");
        ck_assert_str_eq(options[1], "nosuid");
        ck_assert_str_eq(options[2], "size=1m");
}
END_TEST

/* Parses a command line that is given as one text of words. */
static int parse(
        const char *line, char *words[static 32], char **copy, struct client *client, struct arguments *arguments) {
        int argc = 0;
        char *rest;

        rest = *copy = strdup(line);
        while ((words[argc] = strsep(&rest, " ")))
                argc++;
        *client = (struct client) {.ask_password = true};
        optind = 0; /* starts getopt_long(3) anew */
        return arguments_parse(argc, words, client, arguments);
}

START_TEST(test_everything) {
        _cleanup_arguments_ struct arguments arguments = {0};
        _cleanup_free_ char *copy = NULL;
        struct client client;
        char *words[32];

        ck_assert_int_eq(parse("podmountctl bind --socket /s web -o ro,nosuid --json=short /srv --container main --fd "
                               "a=0 --fd b=1 "
                               "--stack --timeout 3s --no-ask-password /data",
                                 words, &copy, &client, &arguments),
                0);
        ck_assert_int_eq(client.transport, CLIENT_SOCKET);
        ck_assert_str_eq(client.where, "/s");
        ck_assert_int_eq(client.output, CLIENT_OUTPUT_JSON_SHORT);
        ck_assert(!client.ask_password);
        ck_assert_uint_eq(client.timeout_us, 3000000);
        ck_assert_uint_eq(arguments.n_words, 4);
        ck_assert_str_eq(arguments.words[0], "bind");
        ck_assert_str_eq(arguments.words[3], "/data");
        ck_assert_uint_eq(arguments.n_fds, 2);
        ck_assert_str_eq(arguments.fds[1].name, "b");
        ck_assert_str_eq(arguments.container, "main");
        ck_assert_uint_eq(strv_length(arguments.options), 2);
        ck_assert_uint_eq(arguments.given,
                ARGUMENT_OPTIONS | ARGUMENT_CONTAINER | ARGUMENT_FD | ARGUMENT_STACK | ARGUMENT_TIMEOUT);
}
END_TEST

START_TEST(test_words_after_dashes) {
        _cleanup_arguments_ struct arguments arguments = {0};
        _cleanup_free_ char *copy = NULL;
        struct client client;
        char *words[32];

        ck_assert_int_eq(parse("podmountctl -M box gc -- --lazy", words, &copy, &client, &arguments), 0);
        ck_assert_int_eq(client.transport, CLIENT_MACHINE);
        ck_assert_uint_eq(arguments.given, 0);
        ck_assert_uint_eq(arguments.n_words, 2);
        ck_assert_str_eq(arguments.words[1], "--lazy");
}
END_TEST

START_TEST(test_wrong_usage) {
        static const char *const lines[] = {
                "podmountctl --socket /a -H b list",
                "podmountctl -M a -M b list",
                "podmountctl --json=long list",
                "podmountctl --nonsense list",
                "podmountctl create --id",
                "podmountctl list --timeout soon",
                "podmountctl create --fd a=0 --fd a=1 x",
                "podmountctl create --fd a=999999 x",
                "podmountctl --socket= list",
        };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                _cleanup_arguments_ struct arguments arguments = {0};
                _cleanup_free_ char *copy = NULL;
                struct client client;
                char *words[32];

                ck_assert_int_eq(parse(lines[i], words, &copy, &client, &arguments), EXIT_USAGE);
        }
}
END_TEST

START_TEST(test_option_names) {
        ck_assert_str_eq(argument_option_name(ARGUMENT_ID), "--id");
        ck_assert_str_eq(argument_option_name(ARGUMENT_LAZY | ARGUMENT_WAIT), "--lazy");
        ck_assert_str_eq(argument_option_name(ARGUMENT_VERSION), "--version");
}
END_TEST

UNIT_MAIN("client/arguments", test_duration, test_fd, test_split, test_everything, test_words_after_dashes,
        test_wrong_usage, test_option_names)
