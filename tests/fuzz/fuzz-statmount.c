/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as what statmount(2) and listmount(2) write: kernel/statmount.c, kernel/submounts.c, and the words that the table has of them. The kernel is
 * trusted, but a newer one may leave out what this one writes, or write it elsewhere. */

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "kernel/statmount.h"
#include "kernel/submounts.h"
#include "kernel/syscalls.h"
#include "table/reading.h"
#include "tests/fuzz/fuzz.h"

static const uint8_t *input;
static size_t input_size;
static unsigned n_calls;

/* As the kernel does: what does not fit is EOVERFLOW, before anything is written. */
static long statmount_answers(void *buffer, size_t size) {
        if (input_size > size) {
                errno = EOVERFLOW;
                return -1;
        }
        if (input_size == 0) {
                errno = ENOENT;
                return -1;
        }
        memset(buffer, 'x', size);
        memset(buffer, 0, size < sizeof(struct mount_status) ? size : sizeof(struct mount_status));
        memcpy(buffer, input, input_size);
        return 0;
}

/* Some ids the first time, none after that. */
static long listmount_answers(uint64_t *ids, size_t n) {
        size_t found = input_size / sizeof(*ids) < n ? input_size / sizeof(*ids) : n;

        if (n_calls++ > 0)
                return 0;
        memcpy(ids, input, found * sizeof(*ids));
        return (long) found;
}

/* In place of the C library's, for the whole program. Like that one it reads more arguments than most calls have. */
__attribute__((no_sanitize("address"))) long syscall(long number, ...) {
        static long (*next)(long, ...);
        long value[6];
        va_list arguments;

        va_start(arguments, number);
        for (size_t i = 0; i < ELEMENTSOF(value); i++)
                value[i] = va_arg(arguments, long);
        va_end(arguments);
        if (number == SYS_statmount)
                return statmount_answers((void *) value[1], (size_t) value[2]); /* NOLINT: numbers are what system calls take */
        if (number == SYS_listmount)
                return listmount_answers((void *) value[1], (size_t) value[2]);
        if (!next) {
                void *symbol = dlsym(RTLD_NEXT, "syscall");

                memcpy(&next, &symbol, sizeof(next));
        }
        return next(number, value[0], value[1], value[2], value[3], value[4], value[5]);
}

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        fuzz_quiet();
        return 0;
}

static void check_line(void) {
        _cleanup_(statmount_freep) struct statmount *statmount = statmount_new();
        struct statmount_line line;
        struct entry *entry = NULL;

        fuzz_check(statmount);
        if (statmount_read(statmount, 1, &line) == 0) {
                const char *const texts[] = {line.root, line.point, line.type, line.subtype, line.source, line.options};

                for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                        fuzz_check(!texts[i] || strlen(texts[i]) < input_size + 4096);
        }
        if (reading_look(statmount, 1, &entry) == 1)
                fuzz_check(entry->root && entry->point && entry->type && entry->options);
        entry_free(entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint64_t ids[8];
        int r;

        input = data;
        input_size = size;
        n_calls = 0;
        check_line();
        n_calls = 0;
        r = submounts_list(1, 0, ids, ELEMENTSOF(ids));
        fuzz_check(r <= (int) ELEMENTSOF(ids));
        n_calls = 0;
        (void) submounts_find(1, 1, 0, "/", true);
        return 0;
}
