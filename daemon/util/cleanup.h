/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Scope-bound ownership: attributes that release what a variable owns when it leaves its scope, and the macros that
 * hand ownership on. Every destructor here takes an empty value (NULL, -1) and does nothing with it.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((__cleanup__(fn)))
#define _printf_(a, b) __attribute__((__format__(printf, a, b)))
#define _unused_ __attribute__((__unused__))
#define _pure_ __attribute__((__pure__))
#define _noreturn_ __attribute__((__noreturn__))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

/* Defines `void <fn>p(<type> *p)` for _cleanup_() from a destructor that takes a pointer. */
#define DEFINE_CLEANUP(type, fn)               \
        static inline void fn##p(type *p) {    \
                if (*p)                        \
                        fn(*p);                \
        }

/* Closes an fd without touching errno; returns -1, so that `fd = close_fd(fd)` leaves no stale number behind. */
static inline int close_fd(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void) close(fd); /* nothing can be done about a failed close: the fd is gone either way (close(2)) */
                errno = saved;
        }
        return -1;
}

static inline void close_fdp(int *fd) {
        (void) close_fd(*fd);
}

static inline void freep(void *p) {
        free(*(void **) p);
}

DEFINE_CLEANUP(FILE *, fclose)
DEFINE_CLEANUP(DIR *, closedir)

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(close_fdp)
#define _cleanup_fclose_ _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)

/* Hands a pointer's or an fd's ownership on and empties the variable. */
#define TAKE_PTR(ptr)                          \
        ({                                     \
                __typeof__(ptr) *_from = &(ptr); \
                __typeof__(ptr) _taken = *_from; \
                *_from = NULL;                 \
                _taken;                        \
        })

#define TAKE_FD(fd)                            \
        ({                                     \
                int *_from = &(fd);            \
                int _taken = *_from;           \
                *_from = -1;                   \
                _taken;                        \
        })
