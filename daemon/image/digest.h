/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Digests as the image-spec writes them (descriptor.md): "<algorithm>:<hexadecimal digits>", of the two algorithms that it registers.
 * Reckoned by libgcrypt, which is in every process already, since libsystemd links it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

enum digest_algorithm {
        DIGEST_SHA256,
        DIGEST_SHA512,
        _DIGEST_ALGORITHM_MAX,
};

enum {
        DIGEST_BYTES_MAX = 64,
        DIGEST_TEXT_SIZE = sizeof("sha512:") + 2 * DIGEST_BYTES_MAX, /* with the NUL */
};

struct digest {
        enum digest_algorithm algorithm;
        uint8_t bytes[DIGEST_BYTES_MAX]; /* zero behind those that the algorithm has */
};

/* -EINVAL for what is no digest, -EOPNOTSUPP for one of another algorithm. Upper-case digits are no digest (descriptor.md). */
int digest_parse(const char *text, struct digest *ret);
/* Into the buffer, which it returns. */
const char *digest_text(const struct digest *digest, char buffer[static DIGEST_TEXT_SIZE]);
/* The name of the algorithm, and the digits alone, in digest_text(). */
const char *digest_algorithm_name(enum digest_algorithm algorithm);
/* The digits alone, into the buffer, which it returns. */
const char *digest_hex(const struct digest *digest, char buffer[static DIGEST_TEXT_SIZE]);
/* Whether both are the same. */
bool digest_equal(const struct digest *a, const struct digest *b);

/* A digest of bytes that come by and by. */
struct digester;

/* NULL when memory is short or the library refuses to work, which is logged. */
struct digester *digester_new(enum digest_algorithm algorithm);
struct digester *digester_free(struct digester *digester);
DEFINE_CLEANUP(struct digester *, digester_free)
/* The next bytes. */
void digester_add(struct digester *digester, const void *data, size_t size);
/* Of all that was added; nothing can be added any more. */
void digester_end(struct digester *digester, struct digest *ret);

/* Of bytes that are all there. -ENOMEM. */
int digest_of(enum digest_algorithm algorithm, const void *data, size_t size, struct digest *ret);
