/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which of several images is meant, and what a platform is. */

#include "image/select.h"
#include "tests/unit/image/layouts.h"

struct entry {
        const char *name, *platform; /* NULL: none */
        uint8_t digest;
};

static void make_index(const struct entry *entries, size_t n, struct index_document *ret) {
        ret->manifests = calloc(n + 1, sizeof(*ret->manifests));
        ret->n_manifests = n;
        for (size_t i = 0; i < n; i++) {
                ret->manifests[i].digest.bytes[31] = entries[i].digest;
                ret->manifests[i].media_type = strdup(OCI "manifest.v1+json");
                if (entries[i].name)
                        ret->manifests[i].reference = strdup(entries[i].name);
                if (entries[i].platform)
                        ck_assert_int_eq(platform_parse(entries[i].platform, &ret->manifests[i].platform), 0);
        }
}

/* The last byte of the digest of what was selected, or what was said. `reference` NULL: from an inner index. */
static uint8_t select_from(const struct entry *entries, size_t n, const char *reference, const char *platform, struct failure *f) {
        _cleanup_index_ struct index_document index = {};
        _cleanup_platform_ struct platform wanted = {};
        const struct descriptor *one;
        int r;

        make_index(entries, n, &index);
        ck_assert_int_eq(platform_parse(platform, &wanted), 0);
        r = reference ? select_reference(&index, reference, &wanted, &one, f) : select_platform(&index, &wanted, &one, f);
        ck_assert_int_ge(r, 0);
        ck_assert_int_eq(r, (int) f->kind);
        return r == 0 ? one->digest.bytes[31] : 0;
}

#define IS(digest, list, reference, platform)                                                                    \
        do {                                                                                                     \
                _cleanup_failure_ struct failure f = FAILURE_INIT;                                               \
                ck_assert_uint_eq(select_from(list, ELEMENTSOF(list), reference, platform, &f), digest);         \
        } while (0)
#define FAILS(is, list, reference, platform, words)                                                              \
        do {                                                                                                     \
                _cleanup_failure_ struct failure f = FAILURE_INIT;                                               \
                (void) select_from(list, ELEMENTSOF(list), reference, platform, &f);                             \
                ck_assert_int_eq(f.kind, is);                                                                    \
                ck_assert_msg(strstr(f.text, words) != NULL, "\"%s\" lacks \"%s\"", f.text, words);              \
        } while (0)

START_TEST(test_names) {
        static const struct entry one[] = {{"v1", NULL, 1}}, nameless[] = {{NULL, NULL, 1}};
        static const struct entry two[] = {{"v1", NULL, 1}, {"v2", NULL, 2}}, both[] = {{"v1", NULL, 1}, {"v2", NULL, 1}};
        static const struct entry twice[] = {{"v1", NULL, 1}, {"v1", NULL, 2}}, half[] = {{"v1", NULL, 1}, {NULL, NULL, 2}};

        IS(1, one, "", "linux/amd64");
        IS(1, one, "v1", "linux/amd64");
        IS(1, nameless, "", "linux/amd64");
        IS(2, two, "v2", "linux/amd64");
        IS(1, both, "", "linux/amd64"); /* two names of one image */
        IS(2, two, "sha256:0000000000000000000000000000000000000000000000000000000000000002", "linux/amd64");
        FAILS(FAILURE_INVALID_ARGS, two, "", "linux/amd64", "v1, v2");
        FAILS(FAILURE_INVALID_ARGS, half, "", "linux/amd64", "v1, sha256:0");
        FAILS(FAILURE_INVALID_ARGS, twice, "v1", "linux/amd64", "sha256:0000000000000000000000000000000000000000000000000000000000000001, sha256:");
        FAILS(FAILURE_NO_SUCH_SOURCE, two, "v3", "linux/amd64", "no image \"v3\", but v1, v2");
        FAILS(FAILURE_NO_SUCH_SOURCE, two, "v", "linux/amd64", "no image");
}
END_TEST

START_TEST(test_platforms) {
        static const struct entry list[] = {{"v1", "linux/arm/v6", 1}, {"v1", "linux/arm/v7", 2}, {"v1", "linux/amd64", 3}, {"v1", "windows/amd64", 4}};
        static const struct entry same[] = {{NULL, "linux/amd64", 1}, {NULL, "linux/amd64", 2}}, unsaid[] = {{NULL, NULL, 1}, {NULL, NULL, 2}};
        static const struct entry arm[] = {{NULL, "linux/arm64", 1}, {NULL, "linux/arm64/v8", 2}}, mixed[] = {{NULL, "linux/arm64", 1}, {NULL, NULL, 2}};

        IS(3, list, "v1", "linux/amd64");
        IS(3, list, "", "linux/amd64");
        IS(2, list, "", "linux/arm/v7");
        IS(4, list, NULL, "windows/amd64");
        IS(1, list, NULL, "linux/arm"); /* the first in an inner index */
        FAILS(FAILURE_INVALID_ARGS, list, "v1", "linux/arm", "several");
        FAILS(FAILURE_NO_SUCH_SOURCE, list, "v1", "linux/riscv64", "nothing for the platform linux/riscv64, but for linux/arm/v6, linux/arm/v7, linux/amd64, windows/amd64");
        FAILS(FAILURE_NO_SUCH_SOURCE, list, NULL, "linux/arm/v8", "nothing for");
        IS(1, same, NULL, "linux/amd64");
        FAILS(FAILURE_INVALID_ARGS, same, "", "linux/amd64", "several");
        FAILS(FAILURE_INVALID_ARGS, unsaid, NULL, "linux/amd64", "several");
        IS(2, arm, "", "linux/arm64/v8");
        IS(1, arm, "", "linux/arm64");
        IS(2, mixed, NULL, "linux/amd64"); /* what says nothing may be for any */
}
END_TEST

START_TEST(test_platform_text) {
        static const char *const bad[] = {"", "linux", "linux/", "/amd64", "linux/arm/", "linux/arm/v7/x", "linux//v7"};

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct platform platform = {};

                ck_assert_msg(platform_parse(bad[i], &platform) == -EINVAL, "%s", bad[i]);
        }
}
END_TEST

START_TEST(test_machines) {
        static const char *const machines[][2] = {{"x86_64", "linux/amd64"}, {"aarch64", "linux/arm64/v8"}, {"armv7l", "linux/arm/v7"}, {"i686", "linux/386"}};
        struct platform none = {};

        for (size_t i = 0; i < ELEMENTSOF(machines); i++) {
                _cleanup_platform_ struct platform platform = {};
                _cleanup_free_ char *text = NULL;

                ck_assert_int_eq(platform_of_machine(machines[i][0], &platform), 0);
                text = platform_text(&platform);
                ck_assert_str_eq(text, machines[i][1]);
        }
        ck_assert_int_eq(platform_of_machine("pdp11", &none), -EOPNOTSUPP);
}
END_TEST

UNIT_MAIN("select", test_names, test_platforms, test_platform_text, test_machines)
