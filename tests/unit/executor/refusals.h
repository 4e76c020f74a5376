/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Jobs with one thing wrong, and that the door says which. */

#include "tests/unit/executor/hands.h"

static _unused_ void set(char **text, const char *value) {
        free(*text);
        *text = value ? strdup(value) : NULL;
}

/* Refused by the door with these words. Frees the job; the step that was refused. */
static _unused_ uint32_t refuse(struct job *job, const char *words, int line) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        uint32_t failed = UINT32_MAX;

        ck_assert_msg(door_check(job, &failed, &f) == FAILURE_INVALID_ARGS, "line %d: not refused", line);
        ck_assert_ptr_nonnull(strstr(f.text, "refused at the executor's door: "));
        ck_assert_msg(strstr(f.text, words) != NULL, "line %d: \"%s\" is not in: %s", line, words, f.text);
        job_free(job);
        return failed;
}

/* What make() returns, changed as the last arguments say, is refused; for the second one at this step. */
#define REFUSE(make, words, ...)                                                                                       \
        do {                                                                                                           \
                struct job *job = make();                                                                              \
                                                                                                                       \
                __VA_ARGS__;                                                                                           \
                (void) refuse(job, (words), __LINE__);                                                                 \
        } while (0)
#define REFUSE_AT(make, step, words, ...)                                                                              \
        do {                                                                                                           \
                struct job *job = make();                                                                              \
                uint32_t refused_at;                                                                                   \
                                                                                                                       \
                __VA_ARGS__;                                                                                           \
                refused_at = refuse(job, (words), __LINE__);                                                           \
                ck_assert_msg(refused_at == (step), "line %d: step %u", __LINE__, refused_at);                         \
        } while (0)
