/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The frame of every unit test program: one libcheck suite, each test in a process of its own (fork mode), TAP on
 * stdout. UNIT_MAIN(name, tcase…) at the end of the file is all that a program needs.
 */

#include <check.h>
#include <stdlib.h>

#include "util/cleanup.h"

static inline int unit_main(Suite *suite) {
        SRunner *runner = srunner_create(suite);
        int failed;

        srunner_set_fork_status(runner, getenv("CK_FORK") ? CK_FORK_GETENV : CK_FORK);
        srunner_set_tap(runner, "-");
        srunner_run_all(runner, CK_SILENT);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
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
                for (size_t i = 0; i < ELEMENTSOF(tests); i++)                        \
                        tcase_add_test(tcase, tests[i]);                              \
                suite_add_tcase(suite, tcase);                                        \
                return unit_main(suite);                                              \
        }
