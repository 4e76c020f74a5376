/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What statmount(2) writes is looked at no further than the buffer goes, whatever the offsets say: a kernel that is newer than this code, or wrong. */

#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "kernel/statmount.h"
#include "kernel/submounts.h"
#include "kernel/syscalls.h"
#include "tests/unit/unit.h"

static struct mount_status answer;
static char fill; /* of the text */

/* In place of the C library's. */
long syscall(long number, ...) {
        struct mount_status *status;
        va_list arguments;
        size_t size;

        va_start(arguments, number);
        (void) va_arg(arguments, void *);
        status = va_arg(arguments, struct mount_status *);
        size = va_arg(arguments, size_t);
        va_end(arguments);
        if (number != SYS_statmount) {
                errno = ENOSYS;
                return -1;
        }
        memset(status->text, fill, size - sizeof(*status));
        *status = answer;
        return 0;
}

static void set(uint32_t offset, char text) {
        answer = (struct mount_status) {.mask = UINT64_MAX, .id = 1, .root = offset, .point = offset, .type = offset, .subtype = offset, .source = offset, .options = offset};
        fill = text;
}

static void check(bool there) {
        _cleanup_(statmount_freep) struct statmount *statmount = statmount_new();
        struct statmount_line line;

        ck_assert_int_eq(statmount_read(statmount, 1, &line), 0);
        for (const char *const *text = (const char *const[]) {line.root, line.point, line.type, line.subtype, line.source, line.options, (const char *) -1};
             *text != (const char *) -1; text++)
                ck_assert_int_eq(*text != NULL, there);
        ck_assert_int_eq(submounts_find(1, 1, 0, "/", true), there ? 1 : -EOVERFLOW);
}

START_TEST(test_ends) {
        set(0, '\0');
        check(true);
        set(100, '\0');
        check(true);
        set(0, 'x');
        check(false);
        set(100, 'x');
        check(false);
        set(UINT32_MAX, '\0');
        check(false);
}
END_TEST

UNIT_MAIN("status-text", test_ends)
