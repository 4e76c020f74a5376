/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as /proc/self/mountinfo: kernel/mountinfo.c, and libmount behind it. */

#include <sys/mman.h>
#include <unistd.h>

#include "kernel/mountinfo.h"
#include "tests/fuzz/fuzz.h"

static int file = -1;
static size_t n_lines;

static int look(const struct mountinfo_line *line, void *userdata _unused_) {
        n_lines++;
        fuzz_check(line->id <= INT32_MAX && line->parent_id <= INT32_MAX);
        fuzz_check(line->point && *line->point == '/' && line->root && line->type && line->source);
        (void) mountinfo_attributes(line->options_mount);
        (void) mountinfo_has_word(line->options_super, "ro");
        return 0;
}

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        fuzz_quiet();
        file = memfd_create("mountinfo", MFD_CLOEXEC);
        fuzz_check(file >= 0);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t skipped = 0, newlines = 1;

        fuzz_check(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t) size);
        for (size_t i = 0; i < size; i++)
                newlines += data[i] == '\n';
        n_lines = 0;
        fuzz_check(mountinfo_read(file, look, NULL, &skipped) == 0);
        fuzz_check(n_lines + skipped <= newlines);
        return 0;
}
