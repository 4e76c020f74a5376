/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The frame of every unit test program: one libcheck suite, each test in a process of its own (fork mode), TAP on
 * stdout. UNIT_MAIN(name, tcase…) at the end of the file is all that a program needs.
 */

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cleanup.h"

enum { UNIT_TESTS_MAX = 128, UNIT_REASON_SIZE = 96 };

/* What the processes of the tests tell this one: which test it is, and why it could not run here. */
static struct unit_board {
        unsigned n; /* tests begun */
        char skipped[UNIT_TESTS_MAX + 1][UNIT_REASON_SIZE];
} *unit_board;

static inline void unit_begin(void) {
        if (unit_board && unit_board->n < UNIT_TESTS_MAX)
                unit_board->n++;
}

/* Has this test counted as skipped, for a reason that the log names; what it asserts counts all the same. */
static inline void unit_skip(const char *reason) {
        fprintf(stderr, "# nothing tested: %s\n", reason);
        if (unit_board)
                (void) snprintf(unit_board->skipped[unit_board->n], UNIT_REASON_SIZE, "%s", reason);
}

/* libcheck's TAP, which knows no skips, with ours. */
static inline void unit_print(FILE *tap) {
        char line[4096];
        unsigned n = 0;

        rewind(tap);
        while (fgets(line, sizeof(line), tap)) {
                bool whole = strchr(line, '\n') != NULL, ok = strncmp(line, "ok ", 3) == 0;
                const char *reason = "";

                if (ok || strncmp(line, "not ok ", 7) == 0)
                        n++;
                if (ok && whole && n <= UNIT_TESTS_MAX)
                        reason = unit_board->skipped[n];
                line[strcspn(line, "\n")] = '\0';
                printf("%s%s%s%s", line, *reason ? " # SKIP " : "", reason, whole ? "\n" : "");
        }
}

static inline int unit_main(Suite *suite) {
        SRunner *runner = srunner_create(suite);
        int failed, fd = memfd_create("tap", MFD_CLOEXEC);
        void *board = mmap(NULL, sizeof(*unit_board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        _cleanup_free_ char *path = NULL;
        _cleanup_fclose_ FILE *tap = fdopen(fd, "re");

        if (!tap || board == MAP_FAILED || asprintf(&path, "/proc/self/fd/%d", fd) < 0)
                return EXIT_FAILURE;
        unit_board = board;
        srunner_set_fork_status(runner, getenv("CK_FORK") ? CK_FORK_GETENV : CK_FORK);
        srunner_set_tap(runner, path);
        srunner_run_all(runner, CK_SILENT);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        unit_print(tap);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Defines main(): UNIT_MAIN("path", test_normalize, test_below) runs each test in one case. */
#define UNIT_MAIN(name, ...)                                                          \
        int main(void) {                                                              \
                const TTest *const tests[] = {__VA_ARGS__};                           \
                Suite *suite = suite_create(name);                                    \
                TCase *tcase = tcase_create(name);                                    \
                                                                                      \
                tcase_set_timeout(tcase, 60);                                         \
                tcase_add_checked_fixture(tcase, unit_begin, NULL);                   \
                for (size_t i = 0; i < ELEMENTSOF(tests); i++)                        \
                        tcase_add_test(tcase, tests[i]);                              \
                suite_add_tcase(suite, tcase);                                        \
                return unit_main(suite);                                              \
        }
