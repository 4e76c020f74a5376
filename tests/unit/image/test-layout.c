/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Layouts on a disk: what is read of them, and what each fault is told as. */

#include "kernel/resolve.h"
#include "tests/unit/image/layouts.h"

static int read_layout(int layout, const char *reference, struct image *ret, struct failure *f) {
        _cleanup_platform_ struct platform wanted = {};
        int r;

        ck_assert_int_eq(platform_parse("linux/amd64", &wanted), 0);
        r = layout_read(layout, reference, &wanted, ret, f);
        ck_assert_int_ge(r, 0);
        ck_assert_int_eq(r, (int) f->kind);
        return r;
}

static void refuse(int layout, const char *reference, enum failure_kind kind, const char *words) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_image_ struct image image = {};

        ck_assert_int_eq(read_layout(layout, reference, &image, &f), (int) kind);
        ck_assert_msg(strstr(f.text, words) != NULL, "\"%s\" lacks \"%s\"", f.text, words);
}

static const char *const two[] = {"first", "second"};

START_TEST(test_good) {
        _cleanup_close_ int layout = new_layout();
        _cleanup_free_ char *one = put_image(layout, two, 2, "amd64", ", \"annotations\": {\"org.opencontainers.image.ref.name\": \"v1\"}");
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_image_ struct image image = {};
        _cleanup_close_ int blob = -1;
        _cleanup_free_ char *path = NULL;
        struct digest first;
        char data[6] = "";

        put_index(layout, one);
        ck_assert_msg(read_layout(layout, "", &image, &f) == 0, "%s", f.text);
        ck_assert_str_eq(image.reference, "v1");
        ck_assert_uint_eq(image.n_layers, 2);
        ck_assert_int_eq(digest_of(DIGEST_SHA256, "first", 5, &first), 0);
        ck_assert(digest_equal(&image.layers[0].digest, &first));
        ck_assert(digest_equal(&image.layers[0].diff_id, &first));
        ck_assert_uint_eq(image.layers[1].size, 6);
        path = layout_blob_path(&first);
        ck_assert_int_eq(layout_check_blob(resolve_open_beneath(layout, path), path, 5, &blob, &f), 0);
        ck_assert_int_eq(read(blob, data, 6), 5);
        ck_assert_str_eq(data, "first");
        remove_layout();
}
END_TEST

START_TEST(test_nested) {
        _cleanup_close_ int layout = new_layout();
        _cleanup_free_ char *arm = put_image(layout, two, 1, "arm64", ", \"platform\": {\"os\": \"linux\", \"architecture\": \"arm64\"}");
        _cleanup_free_ char *amd = put_image(layout, two, 2, "amd64", ", \"platform\": {\"os\": \"linux\", \"architecture\": \"amd64\"}");
        char *text = text_format("{\"schemaVersion\": 2, \"manifests\": [%s, %s]}", arm, amd), *one = put_blob(layout, OCI "index.v1+json", text, "");
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_image_ struct image image = {};

        for (int depth = 1; depth <= LAYOUT_INDEX_DEPTH_MAX; depth++) {
                put_index(layout, one);
                image_done(&image);
                ck_assert_msg(read_layout(layout, "", &image, &f) == 0, "%s", f.text);
                ck_assert_uint_eq(image.n_layers, 2);
                free(text);
                text = text_format("{\"schemaVersion\": 2, \"manifests\": [%s]}", one);
                free(one);
                one = put_blob(layout, OCI "index.v1+json", text, "");
        }
        put_index(layout, one);
        refuse(layout, "", FAILURE_INVALID_SPEC, "more than 8 deep");
        free(text);
        free(one);
        remove_layout();
}
END_TEST

/* An index can list itself only with a digest that is wrong. */
START_TEST(test_itself) {
        _cleanup_close_ int layout = new_layout();
        _cleanup_free_ char *one = descriptor_of(OCI "index.v1+json", "x", "");
        _cleanup_free_ char *text = text_format("{\"schemaVersion\": 2, \"manifests\": [%s]}", one), *path = blob_of("x"), *list = NULL;

        list = text_format("{\"mediaType\": \"" OCI "index.v1+json\", \"digest\": \"sha256:%s\", \"size\": %zu}", strrchr(path, '/') + 1, strlen(text));
        write_at(layout, path, text, strlen(text));
        put_index(layout, list);
        refuse(layout, "", FAILURE_INVALID_SPEC, "has another digest than its name");
        remove_layout();
}
END_TEST

START_TEST(test_missing) {
        _cleanup_close_ int layout = new_layout();
        _cleanup_free_ char *one = put_image(layout, two, 2, "amd64", "");

        refuse(layout, "", FAILURE_NO_SUCH_SOURCE, "no file oci-layout");
        write_at(layout, "oci-layout", "{\"imageLayoutVersion\": \"1.0.0\"}", 31);
        refuse(layout, "", FAILURE_NO_SUCH_SOURCE, "no file index.json");
        put_index(layout, "");
        refuse(layout, "", FAILURE_NO_SUCH_SOURCE, "index.json in the image layout: it lists no image");
        put_index(layout, one);
        refuse(layout, "v2", FAILURE_NO_SUCH_SOURCE, "no image \"v2\", but sha256:");
        ck_assert_int_eq(renameat(layout, "blobs", layout, "blob"), 0);
        refuse(layout, "", FAILURE_NO_SUCH_SOURCE, "no file blobs/sha256/");
        remove_layout();
}
END_TEST

START_TEST(test_wrong_blobs) {
        _cleanup_close_ int layout = new_layout();
        _cleanup_free_ char *config = put_blob(layout, OCI "config.v1+json", "{\"os\": \"linux\"}", ""), *path = blob_of("{\"os\": \"linux\"}");
        _cleanup_free_ char *layer = put_blob(layout, OCI "layer.v1.tar", "first", ""), *manifest = NULL, *one = NULL;

        manifest = text_format("{\"schemaVersion\": 2, \"config\": %s, \"layers\": [%s]}", config, layer);
        one = put_blob(layout, OCI "manifest.v1+json", manifest, "");
        put_index(layout, one);
        refuse(layout, "", FAILURE_INVALID_SPEC, "in the image layout: /architecture: it is missing");
        refuse(layout, "", FAILURE_INVALID_SPEC, path);
        write_at(layout, path, "{\"os\": \"linuz\"}", 15);
        refuse(layout, "", FAILURE_INVALID_SPEC, "has another digest than its name: sha256:");
        write_at(layout, path, "{\"os\": \"linux\" }", 16);
        refuse(layout, "", FAILURE_INVALID_SPEC, "has 16 bytes, and its descriptor says 15");
        ck_assert_int_eq(unlinkat(layout, path, 0), 0);
        refuse(layout, "", FAILURE_NO_SUCH_SOURCE, path);
        ck_assert_int_eq(symlinkat("/etc/passwd", layout, path), 0);
        refuse(layout, "", FAILURE_SOURCE_DENIED, "is a symbolic link");
        ck_assert_int_eq(unlinkat(layout, path, 0), 0);
        ck_assert_int_eq(mkfifoat(layout, path, 0666), 0);
        refuse(layout, "", FAILURE_INVALID_SPEC, "is no regular file");
        remove_layout();
}
END_TEST

START_TEST(test_links) {
        _cleanup_close_ int layout = new_layout();
        _cleanup_free_ char *one = put_image(layout, two, 2, "amd64", "");

        put_index(layout, one);
        ck_assert_int_eq(renameat(layout, "blobs/sha256", layout, "elsewhere"), 0);
        ck_assert_int_eq(symlinkat("../elsewhere", layout, "blobs/sha256"), 0);
        refuse(layout, "", FAILURE_SOURCE_DENIED, "is reached by one");
        ck_assert_int_eq(renameat(layout, "oci-layout", layout, "other"), 0);
        ck_assert_int_eq(symlinkat("other", layout, "oci-layout"), 0);
        refuse(layout, "", FAILURE_SOURCE_DENIED, "oci-layout in the image layout is a symbolic link");
        remove_layout();
}
END_TEST

START_TEST(test_other_platform) {
        _cleanup_close_ int layout = new_layout();
        _cleanup_free_ char *one = put_image(layout, two, 2, "riscv64", "");

        put_index(layout, one);
        refuse(layout, "", FAILURE_NO_SUCH_SOURCE, "for the platform linux/riscv64, not for linux/amd64");
        remove_layout();
}
END_TEST

START_TEST(test_no_image) {
        _cleanup_close_ int layout = new_layout();
        _cleanup_free_ char *one = put_blob(layout, "text/plain", "hello", "");

        put_index(layout, one);
        refuse(layout, "", FAILURE_NOT_SUPPORTED, "its media type is text/plain");
        remove_layout();
}
END_TEST

UNIT_MAIN("layout", test_good, test_nested, test_itself, test_missing, test_wrong_blobs, test_links, test_other_platform, test_no_image)
