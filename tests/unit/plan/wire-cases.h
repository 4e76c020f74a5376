/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What both codecs are tried with: every prefix of a valid buffer, every mutation of a single byte, and bytes by
 * chance. Each piece is handed over in an allocation of exactly its size, so that AddressSanitizer sees a read past it.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* Decodes; when the decoder takes the bytes, encodes again and compares: what is accepted is canonical. */
typedef void (*wire_case_fn)(const uint8_t *data, size_t size);

static inline void wire_case(wire_case_fn fn, const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *exact = malloc(size > 0 ? size : 1);

        if (!exact)
                abort();
        if (size > 0)
                memcpy(exact, data, size);
        fn(exact, size);
}

/* Of a long buffer's bytes not every value is tried: those one bit away, the neighbours, and the small and extreme
 * ones, which enums, flags, counts and lengths are made of. */
static inline bool wire_value_is_tried(size_t size, uint8_t old, unsigned value) {
        enum { ALL_UP_TO = 512 };
        unsigned changed = old ^ value;

        return size <= ALL_UP_TO || (changed & (changed - 1)) == 0 || value + 1U == old || value == old + 1U || value < 4 ||
               value == 127 || value == 255;
}

static inline void wire_cases_mutations(wire_case_fn fn, const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *copy = malloc(size);

        if (!copy)
                abort();
        memcpy(copy, data, size);
        for (size_t i = 0; i < size; i++) {
                for (unsigned value = 0; value < 256; value++) {
                        if (value == data[i] || !wire_value_is_tried(size, data[i], value))
                                continue;
                        copy[i] = (uint8_t) value;
                        wire_case(fn, copy, size);
                }
                copy[i] = data[i];
        }
}

/* A generator of our own (xorshift64), so that a failure repeats. */
static inline uint64_t wire_random(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

/* Noise, alone and behind a valid head of each length; and valid buffers with several bytes changed at once. */
static inline void wire_cases_random(wire_case_fn fn, const uint8_t *data, size_t size, unsigned rounds) {
        uint64_t state = 0x9e3779b97f4a7c15;
        _cleanup_free_ uint8_t *copy = malloc(size);

        if (!copy)
                abort();
        for (unsigned round = 0; round < rounds; round++) {
                size_t keep = wire_random(&state) % size;
                unsigned changes = wire_random(&state) % 8;

                memcpy(copy, data, size);
                for (size_t i = keep; i < size; i++)
                        copy[i] = (uint8_t) wire_random(&state);
                wire_case(fn, copy, size);
                memcpy(copy, data, size);
                for (unsigned i = 0; i < changes; i++)
                        copy[wire_random(&state) % size] = (uint8_t) wire_random(&state);
                wire_case(fn, copy, size);
        }
}
