/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Digests as text and of bytes, by the published examples of FIPS 180-4, and chain ids. */

#include <errno.h>

#include "image/chain.h"
#include "image/digest.h"
#include "tests/unit/unit.h"

static const char empty_256[] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char abc_256[] = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char abc_512[] = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

static void check_of(enum digest_algorithm algorithm, const char *data, const char *text) {
        char buffer[DIGEST_TEXT_SIZE];
        struct digest digest, parsed;

        ck_assert_int_eq(digest_of(algorithm, data, strlen(data), &digest), 0);
        ck_assert_str_eq(digest_text(&digest, buffer), text);
        ck_assert_str_eq(digest_hex(&digest, buffer), strchr(text, ':') + 1);
        ck_assert_int_eq(digest_parse(text, &parsed), 0);
        ck_assert(digest_equal(&digest, &parsed));
        parsed.bytes[7] ^= 1;
        ck_assert(!digest_equal(&digest, &parsed));
}

START_TEST(test_of) {
        check_of(DIGEST_SHA256, "", empty_256);
        check_of(DIGEST_SHA256, "abc", abc_256);
        check_of(DIGEST_SHA512, "abc", abc_512);
}
END_TEST

START_TEST(test_by_and_by) {
        _cleanup_(digester_freep) struct digester *digester = digester_new(DIGEST_SHA256);
        char buffer[DIGEST_TEXT_SIZE];
        struct digest digest;

        ck_assert_ptr_nonnull(digester);
        digester_add(digester, "a", 1);
        digester_add(digester, "", 0);
        digester_add(digester, "bc", 2);
        digester_end(digester, &digest);
        ck_assert_str_eq(digest_text(&digest, buffer), abc_256);
}
END_TEST

START_TEST(test_bad) {
        static const struct {
                const char *text;
                int r;
        } bad[] = {
                {"", -EINVAL},
                {"sha256", -EINVAL},
                {"sha256:", -EINVAL},
                {":ba7816bf", -EINVAL},
                {"sha256:ba7816bf", -EINVAL},
                {"sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", -EINVAL},
                {"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag", -EINVAL},
                {"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0", -EINVAL},
                {"sha256:../../../../../../../../../../../../../../../../../../../etc/pas", -EINVAL},
                {"sha512:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", -EINVAL},
                {"sha384:00", -EOPNOTSUPP},
                {"multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8", -EOPNOTSUPP},
                {"a+:00", -EINVAL},
                {"a++b:00", -EINVAL},
                {"a/b:00", -EINVAL},
                {"a:b/c", -EINVAL},
                {"a:b:c", -EINVAL},
        };
        struct digest digest;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(digest_parse(bad[i].text, &digest) == bad[i].r, "%s", bad[i].text);
}
END_TEST

/* What sha256sum(1) says of "<chain> <diff-id>". */
START_TEST(test_chain) {
        char buffer[DIGEST_TEXT_SIZE];
        struct digest first, second, chain;

        ck_assert_int_eq(digest_parse(empty_256, &first), 0);
        ck_assert_int_eq(digest_parse(abc_256, &second), 0);
        ck_assert_int_eq(chain_next(NULL, &first, &chain), 0);
        ck_assert_str_eq(digest_text(&chain, buffer), empty_256);
        ck_assert_int_eq(chain_next(&first, &second, &chain), 0);
        ck_assert_str_eq(digest_text(&chain, buffer), "sha256:a893da35bd22286079f2f3931516d3423eb9b4945f2379e0f8a501ec3d665dd6");
}
END_TEST

UNIT_MAIN("digest", test_of, test_by_and_by, test_bad, test_chain)
