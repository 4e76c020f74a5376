/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "image/digest.h"

#include <errno.h>
#include <gcrypt.h>
#include <string.h>

#include "util/log.h"

static const struct {
        const char *name;
        size_t size;
        int gcrypt;
} algorithms[_DIGEST_ALGORITHM_MAX] = {
        [DIGEST_SHA256] = {"sha256", 32, GCRY_MD_SHA256},
        [DIGEST_SHA512] = {"sha512", 64, GCRY_MD_SHA512},
};

struct digester {
        enum digest_algorithm algorithm;
        gcry_md_hd_t handle;
};

/* What a lower-case hexadecimal digit is worth; -1 for anything else. */
static int nibble(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_hex(const char *hex, size_t size, uint8_t *bytes) {
        if (strlen(hex) != 2 * size)
                return -EINVAL;
        for (size_t i = 0; i < size; i++) {
                int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

                if (high < 0 || low < 0)
                        return -EINVAL;
                bytes[i] = (uint8_t) (high << 4 | low);
        }
        return 0;
}

/* The grammar of digests of any algorithm: components of small letters and digits with one of +._- between them, and what is
 * encoded of [a-zA-Z0-9=_-]. */
static bool is_digest(const char *text) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
        const char *colon = strchr(text, ':');
        size_t n;

        if (!colon)
                return false;
        for (;; text++) {
                n = strspn(text, letters);
                text += n;
                if (n == 0 || !strchr(":+._-", *text))
                        return false;
                if (text == colon)
                        break;
        }
        n = strspn(colon + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789=_-");
        return n > 0 && colon[1 + n] == '\0';
}

int digest_parse(const char *text, struct digest *ret) {
        for (enum digest_algorithm i = 0; i < _DIGEST_ALGORITHM_MAX; i++) {
                struct digest digest = {.algorithm = i};
                size_t n = strlen(algorithms[i].name);
                int r;

                if (strncmp(text, algorithms[i].name, n) != 0 || text[n] != ':')
                        continue;
                r = parse_hex(text + n + 1, algorithms[i].size, digest.bytes);
                if (r == 0)
                        *ret = digest;
                return r;
        }
        return is_digest(text) ? -EOPNOTSUPP : -EINVAL;
}

const char *digest_hex(const struct digest *digest, char buffer[static DIGEST_TEXT_SIZE]) {
        static const char digits[] = "0123456789abcdef";
        size_t n = algorithms[digest->algorithm].size;

        for (size_t i = 0; i < n; i++) {
                buffer[2 * i] = digits[digest->bytes[i] >> 4];
                buffer[2 * i + 1] = digits[digest->bytes[i] & 15];
        }
        buffer[2 * n] = '\0';
        return buffer;
}

const char *digest_text(const struct digest *digest, char buffer[static DIGEST_TEXT_SIZE]) {
        char hex[DIGEST_TEXT_SIZE];

        (void) snprintf(buffer, DIGEST_TEXT_SIZE, "%s:%s", algorithms[digest->algorithm].name, digest_hex(digest, hex)); /* always fits */
        return buffer;
}

const char *digest_algorithm_name(enum digest_algorithm algorithm) {
        return algorithms[algorithm].name;
}

bool digest_equal(const struct digest *a, const struct digest *b) {
        return a->algorithm == b->algorithm && memcmp(a->bytes, b->bytes, algorithms[a->algorithm].size) == 0;
}

/* Once in a process; libsystemd may have done it. No secrets are kept here, so that no memory is locked. */
static bool prepare(void) {
        if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
                return true;
        if (!gcry_check_version(GCRYPT_VERSION)) {
                log_error("libgcrypt is older than the one that podmountd was built with; install %s or later", GCRYPT_VERSION);
                return false;
        }
        (void) gcry_control(GCRYCTL_DISABLE_SECMEM, 0);          /* neither has */
        (void) gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0); /* a failure to tell */
        return true;
}

struct digester *digester_new(enum digest_algorithm algorithm) {
        _cleanup_(digester_freep) struct digester *digester = calloc(1, sizeof(*digester));
        gcry_error_t error;

        if (!digester || !prepare())
                return NULL;
        digester->algorithm = algorithm;
        error = gcry_md_open(&digester->handle, algorithms[algorithm].gcrypt, 0);
        if (error) {
                log_error("libgcrypt gives no %s: %s", algorithms[algorithm].name, gcry_strerror(error));
                return NULL;
        }
        return TAKE_PTR(digester);
}

struct digester *digester_free(struct digester *digester) {
        if (!digester)
                return NULL;
        gcry_md_close(digester->handle); /* takes NULL */
        free(digester);
        return NULL;
}

void digester_add(struct digester *digester, const void *data, size_t size) {
        gcry_md_write(digester->handle, data, size);
}

void digester_end(struct digester *digester, struct digest *ret) {
        *ret = (struct digest) {.algorithm = digester->algorithm};
        memcpy(ret->bytes, gcry_md_read(digester->handle, algorithms[digester->algorithm].gcrypt), algorithms[digester->algorithm].size);
}

int digest_of(enum digest_algorithm algorithm, const void *data, size_t size, struct digest *ret) {
        _cleanup_(digester_freep) struct digester *digester = digester_new(algorithm);

        if (!digester)
                return log_oom();
        digester_add(digester, data, size);
        digester_end(digester, ret);
        return 0;
}
