/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers that nobody chose, for property tests. The seed is told, and PODMOUNT_SEED repeats one run. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t draw_state;

static inline void draw_begin(void) {
        const char *given = getenv("PODMOUNT_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t) time(NULL);

        fprintf(stderr, "# seed %" PRIu64 "\n", seed);
        draw_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1; /* never 0 for a seed of seconds */
}

/* One of 0 to n - 1. */
static inline unsigned draw(unsigned n) {
        draw_state ^= draw_state << 13;
        draw_state ^= draw_state >> 7;
        draw_state ^= draw_state << 17;
        return (unsigned) (draw_state % n);
}
