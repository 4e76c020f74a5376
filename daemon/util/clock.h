/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What time it is, clock_gettime(2): for a clock that every kernel has, which cannot fail. */

#include <stdint.h>
#include <time.h>

/* In microseconds since the clock's own beginning. */
static inline uint64_t clock_us(clockid_t clock) {
        struct timespec now = {};

        (void) clock_gettime(clock, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

/* CLOCK_MONOTONIC in milliseconds, signed, so that a time can be taken from another. */
static inline int64_t clock_ms(void) {
        return (int64_t) (clock_us(CLOCK_MONOTONIC) / 1000);
}
