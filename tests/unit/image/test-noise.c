/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Image layouts with something broken: whatever comes in, the answer is an image or a refusal with a sentence. Documents are changed and
 * get the digests that they have then, so that what is behind the digests is reached, too. Run under AddressSanitizer for what it is worth.
 * The seed is told; PODMOUNT_SEED gives it again.
 */

#include <time.h>

#include "tests/unit/image/layouts.h"

enum { ROUNDS = 1500, LAYOUTS = 500 };

static uint64_t state;

static uint64_t next_random(void) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
}

static void begin(void) {
        const char *given = getenv("PODMOUNT_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t) time(NULL);

        fprintf(stderr, "# seed %" PRIu64 "\n", seed);
        state = seed * 0x9e3779b97f4a7c15 + 1; /* never 0 for a seed of seconds */
}

/* Pieces that have a meaning, so that a change often leaves valid JSON. */
static const char *const pieces[] = {
        "\"\"", "null", "[]", "{}", "0", "2", "-1", "500", "true", "\"..\"", "\"sha256:..\"", "\"linux\"", "\"" OCI "index.v1+json\"", "\"" OCI "manifest.v1+json\"",
        "\"" OCI "layer.nondistributable.v1.tar\"", "\"layers\"", "\"\\u0000\"", "\"\\ud83d\"", "999999999999999999", "1e3", ",", "]", "}",
};

/* A copy with a value replaced, a byte changed, or a stretch cut out; freed by the caller, with a NUL behind it. */
static char *mutate(const char *text) {
        size_t size = strlen(text), at = next_random() % (size + 1), cut = next_random() % 12;
        const char *piece = pieces[next_random() % ELEMENTSOF(pieces)], *start = strchr(text + at, '"'), *end = start ? strchr(start + 1, '"') : NULL;
        char *copy;

        switch (next_random() % 4) {
        case 0:
                copy = strdup(text);
                ck_assert_ptr_nonnull(copy);
                copy[at == size ? 0 : at] = (char) (1 + next_random() % 255);
                return copy;
        case 1:
                return text_format("%.*s%s", (int) at, text, text + (at + cut > size ? size : at + cut));
        case 2:
                return text_format("%.*s%s%s", (int) at, text, piece, text + at);
        default:
                return end ? text_format("%.*s%s%s", (int) (start - text), text, piece, end + 1) : strdup(text);
        }
}

/* Each of the documents by itself. */
static void swallow(const char *text) {
        size_t size = strlen(text);
        _cleanup_failure_ struct failure a = FAILURE_INIT, b = FAILURE_INIT, c = FAILURE_INIT, d = FAILURE_INIT;
        _cleanup_index_ struct index_document index = {};
        _cleanup_manifest_ struct manifest_document manifest = {};
        _cleanup_config_ struct config_document config = {};
        const struct {
                int r;
                const struct failure *f;
        } answers[] = {
                {document_read_layout(text, size, &a), &a},
                {document_read_index(text, size, NULL, &index, &b), &b},
                {document_read_manifest(text, size, NULL, &manifest, &c), &c},
                {document_read_config(text, size, 2, &config, &d), &d},
        };

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                ck_assert_int_ge(answers[i].r, 0);
                ck_assert_int_eq(answers[i].r, (int) answers[i].f->kind);
                ck_assert_int_eq(answers[i].r > 0, answers[i].f->text != NULL);
        }
        for (size_t i = 0; i < manifest.n_layers; i++)
                ck_assert_int_eq(media_of(manifest.layers[i].media_type), MEDIA_LAYER);
        ck_assert(config.n_diff_ids == 2 || config.n_diff_ids == 0);
}

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define DESCRIPTOR(type) "{\"mediaType\": \"" type "\", \"digest\": \"" DIGEST "\", \"size\": 7, \"annotations\": {\"org.opencontainers.image.ref.name\": \"a\"}}"

START_TEST(test_documents) {
        static const char *const texts[] = {
                "{\"imageLayoutVersion\": \"1.0.0\"}",
                "{\"schemaVersion\": 2, \"manifests\": [" DESCRIPTOR(OCI "index.v1+json") ", " DESCRIPTOR(OCI "manifest.v1+json") "]}",
                "{\"schemaVersion\": 2, \"config\": " DESCRIPTOR(OCI "config.v1+json") ", \"layers\": [" DESCRIPTOR(OCI "layer.v1.tar") "]}",
                "{\"os\": \"linux\", \"architecture\": \"amd64\", \"rootfs\": {\"type\": \"layers\", \"diff_ids\": [\"" DIGEST "\", \"" DIGEST "\"]}}",
        };

        begin();
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                for (int round = 0; round < ROUNDS; round++) {
                        _cleanup_free_ char *first = mutate(texts[i]), *second = mutate(first);

                        swallow(first);
                        swallow(second);
                }
}
END_TEST

/* Takes the text over. */
static char *changed(char *text, bool change) {
        char *copy = change ? mutate(text) : text;

        if (change)
                free(text);
        return copy;
}

/* A layout in which one of the documents is changed, with all digests above it right. */
static void put_changed(int layout, unsigned which) {
        _cleanup_free_ char *first = put_blob(layout, OCI "layer.v1.tar", "first", ""), *second = put_blob(layout, OCI "layer.v1.tar", "second", "");
        char *texts[4] = {strdup("{\"os\": \"linux\", \"architecture\": \"amd64\", \"rootfs\": {\"type\": \"layers\", \"diff_ids\": [\"" DIGEST "\", \"" DIGEST "\"]}}")};
        _cleanup_free_ char *config = NULL, *manifest = NULL, *index = NULL;

        texts[0] = changed(texts[0], which == 0);
        config = put_blob(layout, OCI "config.v1+json", texts[0], "");
        texts[1] = text_format("{\"schemaVersion\": 2, \"config\": %s, \"layers\": [%s, %s]}", config, first, second);
        texts[1] = changed(texts[1], which == 1);
        manifest = put_blob(layout, OCI "manifest.v1+json", texts[1], "");
        texts[2] = text_format("{\"schemaVersion\": 2, \"manifests\": [%s]}", manifest);
        texts[2] = changed(texts[2], which == 2);
        index = put_blob(layout, OCI "index.v1+json", texts[2], "");
        texts[3] = changed(strdup(index), which == 3);
        put_index(layout, texts[3]);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                free(texts[i]);
}

START_TEST(test_layouts) {
        _cleanup_close_ int layout = new_layout();
        _cleanup_platform_ struct platform wanted = {};
        unsigned good = 0;

        begin();
        ck_assert_int_eq(platform_parse("linux/amd64", &wanted), 0);
        for (int round = 0; round < LAYOUTS; round++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                _cleanup_image_ struct image image = {};
                int r;

                put_changed(layout, (unsigned) round % 5);
                r = layout_read(layout, "", &wanted, &image, &f);
                ck_assert_int_ge(r, 0);
                ck_assert_int_eq(r, (int) f.kind);
                ck_assert_int_eq(r > 0, f.text != NULL);
                good += r == 0;
                if (r == 0)
                        ck_assert_uint_ge(image.n_layers, 1);
                ck_assert(round % 5 != 4 || r == 0);
        }
        ck_assert_uint_ge(good, LAYOUTS / 5);
        ck_assert_uint_lt(good, LAYOUTS);
        remove_layout();
}
END_TEST

UNIT_MAIN("noise", test_documents, test_layouts)
