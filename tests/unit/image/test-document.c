/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is read of the documents of an image, and what is refused, with the place. */

#include "tests/unit/image/layouts.h"

#define D1 "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define D2 "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define DESCRIPTOR(type) "{\"mediaType\": \"" type "\", \"digest\": \"" D1 "\", \"size\": 7}"
#define MANIFEST(config, layers) "{\"schemaVersion\": 2, \"config\": " config ", \"layers\": [" layers "]}"
#define CONFIG(ids) "{\"os\": \"linux\", \"architecture\": \"amd64\", \"rootfs\": {\"type\": \"layers\", \"diff_ids\": [" ids "]}, \"history\": [{}]}"

static void check(int r, struct failure *f, enum failure_kind kind, const char *words) {
        ck_assert_int_eq(r, (int) kind);
        ck_assert_int_eq(f->kind, kind);
        ck_assert_msg(strstr(f->text, words) != NULL, "\"%s\" lacks \"%s\"", f->text, words);
        failure_clear(f);
}

START_TEST(test_layout) {
        struct failure f = FAILURE_INIT;
        static const char good[] = "{\"imageLayoutVersion\": \"1.0.0\", \"more\": [1.5]}", newer[] = "{\"imageLayoutVersion\": \"2.0.0\"}";

        ck_assert_int_eq(document_read_layout(good, strlen(good), &f), 0);
        check(document_read_layout(newer, strlen(newer), &f), &f, FAILURE_NOT_SUPPORTED, "/imageLayoutVersion: ");
        check(document_read_layout("{}", 2, &f), &f, FAILURE_INVALID_SPEC, "/imageLayoutVersion: it is missing");
        check(document_read_layout("[]", 2, &f), &f, FAILURE_INVALID_SPEC, "this is an array");
        check(document_read_layout("", 0, &f), &f, FAILURE_INVALID_SPEC, "Not valid JSON");
}
END_TEST

START_TEST(test_index) {
        static const char text[] =
                "{\"schemaVersion\": 2, \"mediaType\": \"" OCI "index.v1+json\", \"unknown\": {\"x\": 1}, \"manifests\": ["
                "{\"mediaType\": \"" OCI "manifest.v1+json\", \"digest\": \"" D1 "\", \"size\": 7,"
                " \"platform\": {\"architecture\": \"arm64\", \"os\": \"linux\", \"variant\": \"v8\", \"os.features\": []}},"
                "{\"mediaType\": \"" DOCKER "distribution.manifest.v2+json\", \"digest\": \"" D2 "\", \"size\": 4294967296,"
                " \"annotations\": {\"org.opencontainers.image.ref.name\": \"v1\", \"x\": \"\"}}]}";
        _cleanup_index_ struct index_document index = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        char buffer[DIGEST_TEXT_SIZE];

        ck_assert_int_eq(document_read_index(text, strlen(text), NULL, &index, &f), 0);
        ck_assert_uint_eq(index.n_manifests, 2);
        ck_assert_str_eq(index.manifests[0].platform.architecture, "arm64");
        ck_assert_str_eq(index.manifests[0].platform.variant, "v8");
        ck_assert_ptr_null(index.manifests[0].reference);
        ck_assert_str_eq(index.manifests[1].reference, "v1");
        ck_assert_str_eq(digest_text(&index.manifests[1].digest, buffer), D2);
        ck_assert_uint_eq(index.manifests[1].size, 4294967296);
        ck_assert_int_eq(media_of(index.manifests[1].media_type), MEDIA_MANIFEST);
}
END_TEST

static void refuse_index(const char *text, enum failure_kind kind, const char *words) {
        _cleanup_index_ struct index_document index = {};
        struct failure f = FAILURE_INIT;

        check(document_read_index(text, strlen(text), NULL, &index, &f), &f, kind, words);
}

START_TEST(test_bad_index) {
        refuse_index("{\"manifests\": []}", FAILURE_INVALID_SPEC, "/schemaVersion: it is missing");
        refuse_index("{\"schemaVersion\": 1, \"manifests\": []}", FAILURE_NOT_SUPPORTED, "/schemaVersion: ");
        refuse_index("{\"schemaVersion\": 2}", FAILURE_INVALID_SPEC, "/manifests: it is missing");
        refuse_index("{\"schemaVersion\": 2, \"manifests\": {}}", FAILURE_INVALID_SPEC, "/manifests: this is an object");
        refuse_index("{\"schemaVersion\": 2, \"manifests\": [3]}", FAILURE_INVALID_SPEC, "/manifests/0: this is a whole number");
        refuse_index("{\"schemaVersion\": 2, \"manifests\": [{\"mediaType\": \"a\", \"digest\": \"x\", \"size\": 1}]}", FAILURE_INVALID_SPEC,
                     "/manifests/0/digest: \"x\" is no digest");
        refuse_index("{\"schemaVersion\": 2, \"manifests\": [{\"mediaType\": \"a\", \"digest\": \"sha384:00\", \"size\": 1}]}", FAILURE_NOT_SUPPORTED,
                     "/manifests/0/digest: the algorithm");
        refuse_index("{\"schemaVersion\": 2, \"manifests\": [{\"mediaType\": \"a\", \"digest\": \"" D1 "\", \"size\": -1}]}", FAILURE_INVALID_SPEC,
                     "/manifests/0/size: a size cannot be negative");
        refuse_index("{\"schemaVersion\": 2, \"manifests\": [{\"mediaType\": \"a\", \"digest\": \"" D1 "\"}]}", FAILURE_INVALID_SPEC,
                     "/manifests/0/size: it is missing");
        refuse_index("{\"schemaVersion\": 2, \"mediaType\": \"" OCI "manifest.v1+json\", \"manifests\": []}", FAILURE_INVALID_SPEC, "/mediaType: ");
        refuse_index("{\"schemaVersion\": 2, \"schemaVersion\": 2, \"manifests\": []}", FAILURE_INVALID_SPEC, "twice");
}
END_TEST

/* Small on the disk, large in memory. */
START_TEST(test_bomb) {
        enum { SIZE = 1024 * 1024 };
        _cleanup_free_ char *text = malloc(SIZE + 1);
        struct failure f = FAILURE_INIT;

        memset(text, '[', SIZE);
        check(document_read_layout(text, SIZE, &f), &f, FAILURE_INVALID_SPEC, "more values");
        check(document_read_layout(text, 1000, &f), &f, FAILURE_INVALID_SPEC, "Not valid JSON");
        for (size_t i = 0; i < SIZE; i += 3)
                memcpy(text + i, i == 0 ? "[[]" : ",[]", i + 3 > SIZE ? SIZE - i : 3);
        check(document_read_layout(text, SIZE, &f), &f, FAILURE_INVALID_SPEC, "more values");
        check(document_read_layout(text, DOCUMENT_BYTES_MAX + 1, &f), &f, FAILURE_INVALID_SPEC, "bytes");
}
END_TEST

static void refuse_manifest(const char *text, enum failure_kind kind, const char *words) {
        _cleanup_manifest_ struct manifest_document manifest = {};
        struct failure f = FAILURE_INIT;

        check(document_read_manifest(text, strlen(text), OCI "manifest.v1+json", &manifest, &f), &f, kind, words);
}

START_TEST(test_manifest) {
        static const char text[] = MANIFEST(DESCRIPTOR(OCI "config.v1+json"),
                                            DESCRIPTOR(OCI "layer.v1.tar+gzip") "," DESCRIPTOR(OCI "layer.v1.tar+zstd") "," DESCRIPTOR(OCI "layer.v1.tar"));
        static const char docker[] =
                "{\"schemaVersion\": 2, \"mediaType\": \"" DOCKER "distribution.manifest.v2+json\", \"config\": " DESCRIPTOR(DOCKER "container.image.v1+json")
                ", \"layers\": [" DESCRIPTOR(DOCKER "image.rootfs.diff.tar.gzip") "]}";
        _cleanup_manifest_ struct manifest_document manifest = {}, other = {};
        struct failure f = FAILURE_INIT;

        ck_assert_int_eq(document_read_manifest(text, strlen(text), OCI "manifest.v1+json", &manifest, &f), 0);
        ck_assert_uint_eq(manifest.n_layers, 3);
        ck_assert_str_eq(manifest.layers[1].media_type, OCI "layer.v1.tar+zstd");
        ck_assert_int_eq(document_read_manifest(docker, strlen(docker), DOCKER "distribution.manifest.v2+json", &other, &f), 0);
        ck_assert_uint_eq(other.n_layers, 1);
        check(document_read_manifest(docker, strlen(docker), OCI "manifest.v1+json", &other, &f), &f, FAILURE_INVALID_SPEC, "/mediaType: ");
}
END_TEST

START_TEST(test_bad_manifest) {
        refuse_manifest(MANIFEST(DESCRIPTOR(OCI "config.v1+json"), ""), FAILURE_NOT_SUPPORTED, "/layers: the image has no layers");
        refuse_manifest(MANIFEST(DESCRIPTOR("application/vnd.oci.empty.v1+json"), DESCRIPTOR(OCI "layer.v1.tar")), FAILURE_NOT_SUPPORTED, "/config/mediaType: ");
        refuse_manifest(MANIFEST(DESCRIPTOR(OCI "config.v1+json"), DESCRIPTOR(OCI "layer.v1.tar") "," DESCRIPTOR("text/plain")), FAILURE_NOT_SUPPORTED,
                        "/layers/1/mediaType: text/plain is no layer");
        refuse_manifest(MANIFEST(DESCRIPTOR(OCI "config.v1+json"), DESCRIPTOR(OCI "layer.nondistributable.v1.tar+gzip")), FAILURE_NOT_SUPPORTED,
                        "nondistributable.v1.tar+gzip is a foreign (non-distributable) layer");
        refuse_manifest(MANIFEST(DESCRIPTOR(OCI "config.v1+json"), DESCRIPTOR(DOCKER "image.rootfs.foreign.diff.tar.gzip")), FAILURE_NOT_SUPPORTED,
                        "foreign.diff.tar.gzip is a foreign");
        refuse_manifest("{\"schemaVersion\": 2, \"layers\": []}", FAILURE_INVALID_SPEC, "/config: it is missing");
        refuse_manifest("{\"schemaVersion\": 2, \"config\": " DESCRIPTOR(OCI "config.v1+json") "}", FAILURE_INVALID_SPEC, "/layers: it is missing");
}
END_TEST

static char *manifest_of(size_t n) {
        char *list = strdup(DESCRIPTOR(OCI "layer.v1.tar")), *text;

        for (size_t i = 1; i < n; i++) {
                char *longer = text_format("%s,%s", list, DESCRIPTOR(OCI "layer.v1.tar"));

                free(list);
                list = longer;
        }
        text = text_format("{\"schemaVersion\": 2, \"config\": %s, \"layers\": [%s]}", DESCRIPTOR(OCI "config.v1+json"), list);
        free(list);
        return text;
}

START_TEST(test_many_layers) {
        _cleanup_free_ char *most = manifest_of(IMAGE_LAYERS_MAX), *more = manifest_of(IMAGE_LAYERS_MAX + 1);
        _cleanup_manifest_ struct manifest_document manifest = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_int_eq(document_read_manifest(most, strlen(most), NULL, &manifest, &f), 0);
        ck_assert_uint_eq(manifest.n_layers, IMAGE_LAYERS_MAX);
        refuse_manifest(more, FAILURE_NOT_SUPPORTED, "501 layers");
}
END_TEST

START_TEST(test_config) {
        static const char text[] = CONFIG("\"" D1 "\", \"" D2 "\"");
        _cleanup_config_ struct config_document config = {}, other = {};
        struct failure f = FAILURE_INIT;
        static const char no_os[] = "{\"architecture\": \"amd64\", \"rootfs\": {\"type\": \"layers\", \"diff_ids\": []}}";
        static const char type[] = "{\"os\": \"linux\", \"architecture\": \"amd64\", \"rootfs\": {\"type\": \"blob\", \"diff_ids\": []}}";

        ck_assert_int_eq(document_read_config(text, strlen(text), 2, &config, &f), 0);
        ck_assert_str_eq(config.platform.architecture, "amd64");
        ck_assert_uint_eq(config.n_diff_ids, 2);
        check(document_read_config(text, strlen(text), 3, &other, &f), &f, FAILURE_INVALID_SPEC, "/rootfs/diff_ids: it has 2 diff-ids, and the manifest has 3 layers");
        check(document_read_config(no_os, strlen(no_os), 0, &other, &f), &f, FAILURE_INVALID_SPEC, "/os: it is missing");
        check(document_read_config(type, strlen(type), 0, &other, &f), &f, FAILURE_NOT_SUPPORTED, "/rootfs/type: ");
        check(document_read_config("{\"os\": \"linux\", \"architecture\": \"a\"}", 36, 0, &other, &f), &f, FAILURE_INVALID_SPEC, "/rootfs: it is missing");
}
END_TEST

UNIT_MAIN("document", test_layout, test_index, test_bad_index, test_bomb, test_manifest, test_bad_manifest, test_many_layers, test_config)
