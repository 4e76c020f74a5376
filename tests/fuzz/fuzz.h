/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the fuzz targets share. Each is one program with libFuzzer in it (https://llvm.org/docs/LibFuzzer.html), built by `make fuzzers` in a tree
 * that was configured with --enable-fuzzers, and run by tests/fuzz/run. A finding is whatever a sanitizer says, a fuzz_check() that does not hold, more than
 * 25 seconds or 512 MiB for one input.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "util/cleanup.h"
#include "util/failure.h"
#include "util/log.h"

/* Each target's own, called for each input; 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* …and once, before the first; 0. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define fuzz_check(condition)                                                                                          \
        do {                                                                                                           \
                if (!(condition)) {                                                                                    \
                        fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                  \
                        abort();                                                                                       \
                }                                                                                                      \
        } while (0)

/* Refusals by the million are what is wanted. */
static _unused_ void fuzz_quiet(void) {
        log_set_level(LOG_EMERG);
}

/* A copy of just this size, so that a look behind it is seen. The caller frees it. */
static _unused_ uint8_t *fuzz_exact(const uint8_t *data, size_t size) {
        uint8_t *copy = malloc(size > 0 ? size : 1);

        fuzz_check(copy);
        if (size > 0)
                memcpy(copy, data, size);
        return copy;
}

/* The same with a NUL behind it. */
static _unused_ char *fuzz_string(const uint8_t *data, size_t size) {
        char *copy = malloc(size + 1);

        fuzz_check(copy);
        if (size > 0)
                memcpy(copy, data, size);
        copy[size] = '\0';
        return copy;
}

/* The house's convention: a refusal has a kind and a sentence, and no input makes podmountd itself fail. */
static _unused_ void fuzz_outcome(int r, const struct failure *f) {
        fuzz_check(r >= 0);
        fuzz_check(r == (int) f->kind);
        fuzz_check(r == 0 || (f->text && *f->text));
}
