/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bytes of no meaning and documents with something broken: whatever comes in, the answer is a spec or a refusal with a
 * sentence. Run under AddressSanitizer for what it is worth. The sequence is the same in each run.
 */

#include "tests/unit/spec/spec-cases.h"

enum { ROUNDS = 3000 };

static uint64_t state;

static uint64_t next_random(void) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
}

static void swallow(const char *text, size_t size) {
        static const struct wanted_facts *const facts[] = {&as_root, &as_user};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_strv_ char **names = NULL;
        int r = spec_parse(text, size, SIZE_MAX_OF_SPEC, UINT64_MAX, &spec, &f);

        ck_assert_int_ge(r, 0);
        ck_assert_int_eq(r, (int) f.kind);
        ck_assert_int_eq(r == 0, spec != NULL);
        if (r > 0) {
                ck_assert_ptr_nonnull(f.text);
                return;
        }
        ck_assert_int_eq(spec_fd_names(spec, &names), 0);
        for (size_t i = 0; i < ELEMENTSOF(facts); i++) {
                _cleanup_failure_ struct failure inner = FAILURE_INIT;
                _cleanup_(wanted_freep) struct wanted *wanted = NULL;

                r = wanted_from_spec(spec, facts[i], &wanted, &inner);
                ck_assert_int_ge(r, 0);
                ck_assert_int_eq(r, (int) inner.kind);
                ck_assert_int_eq(r == 0, wanted != NULL);
                for (size_t k = 0; wanted && k < wanted->n_mounts; k++) {
                        ck_assert_uint_ne(wanted->mounts[k].propagation, 0);
                        ck_assert_ptr_nonnull(wanted->mounts[k].options);
                }
        }
}

START_TEST(test_random) {
        char text[256];

        state = 0x9e3779b97f4a7c15;
        for (int round = 0; round < ROUNDS; round++) {
                size_t size = next_random() % sizeof(text);

                for (size_t i = 0; i < size; i++)
                        text[i] = (char) next_random();
                swallow(text, size);
        }
}
END_TEST

/* Pieces that have a meaning, so that a change often leaves valid JSON. */
static const char *const pieces[] = {
        "\"\"",
        "null",
        "[]",
        "{}",
        "1",
        "true",
        "\"fd:x\"",
        "\"/\"",
        "\"/a/../b\"",
        "\"/proc/stat\"",
        "\"rbind\"",
        "\"suid\"",
        "\"overlay\"",
        "\"lowerdir=/a:fd:b\"",
        "\"size=0\"",
        "\"remount\"",
        "\"cgroup\"",
        "\"\\u0000\"",
        "\"\\ud83d\"",
        ",",
        "]",
        "}",
};

/* A copy with a value replaced, a byte changed, or a stretch cut out. */
static char *mutate(const char *text, size_t size, size_t *ret_size) {
        size_t at = next_random() % size, cut = next_random() % 12;
        const char *piece = pieces[next_random() % ELEMENTSOF(pieces)];
        char *copy = malloc(size + 64);

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, text, size);
        switch (next_random() % 3) {
        case 0:
                copy[at] = (char) next_random();
                break;
        case 1:
                cut = cut > size - at ? size - at : cut;
                memmove(copy + at, copy + at + cut, size - at - cut);
                size -= cut;
                break;
        default: {
                const char *start = memchr(text + at, '"', size - at), *end;

                end = start ? memchr(start + 1, '"', size - (size_t) (start + 1 - text)) : NULL;
                if (!end)
                        break;
                at = (size_t) (start - text);
                memcpy(copy + at, piece, strlen(piece));
                memcpy(copy + at + strlen(piece), end + 1, size - (size_t) (end + 1 - text));
                size = at + strlen(piece) + size - (size_t) (end + 1 - text);
                break;
        }
        }
        *ret_size = size;
        return copy;
}

static void mutate_text(const char *text, size_t size) {
        state = 0x2545f4914f6cdd1d;
        for (int round = 0; round < ROUNDS; round++) {
                size_t first_size, second_size;
                _cleanup_free_ char *first = mutate(text, size, &first_size), *second = NULL;

                swallow(first, first_size);
                second = first_size > 0 ? mutate(first, first_size, &second_size) : NULL;
                if (second)
                        swallow(second, second_size);
        }
        for (size_t i = 0; i < size; i++)
                swallow(text, i);
}

static void mutate_file(const char *name) {
        size_t size;
        _cleanup_free_ char *text = read_source_file(name, &size);

        mutate_text(text, size);
}

START_TEST(test_mutate_oci) {
        mutate_file("examples/oci-config.json");
}
END_TEST

START_TEST(test_mutate_own) {
        mutate_file("examples/two-containers.json");
}
END_TEST

START_TEST(test_mutate_linuxkit) {
        _cleanup_free_ char *text = read_linuxkit_example();

        mutate_text(text, strlen(text));
}
END_TEST

UNIT_MAIN("noise", test_random, test_mutate_oci, test_mutate_own, test_mutate_linuxkit)
