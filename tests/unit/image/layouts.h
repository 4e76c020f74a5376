/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Image layouts for tests: a directory of its own with documents and blobs that the test writes, whose digests are right unless it
 * says otherwise. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "image/layout.h"
#include "tests/unit/unit.h"
#include "util/text.h"

#define OCI "application/vnd.oci.image."
#define DOCKER "application/vnd.docker."

static char layout_path[] = "/tmp/podmount-layout-XXXXXX";

static inline int new_layout(void) {
        int fd;

        ck_assert_ptr_nonnull(mkdtemp(layout_path));
        fd = open(layout_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(mkdirat(fd, "blobs", 0755), 0);
        ck_assert_int_eq(mkdirat(fd, "blobs/sha256", 0755), 0);
        ck_assert_int_eq(mkdirat(fd, "blobs/sha512", 0755), 0);
        return fd;
}

static inline void remove_layout(void) {
        _cleanup_free_ char *command = text_format("rm -rf %s", layout_path);

        ck_assert_ptr_nonnull(command);
        ck_assert_int_eq(system(command), 0);
}

static inline void write_at(int layout, const char *path, const char *data, size_t size) {
        _cleanup_close_ int fd = openat(layout, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, data, size), (ssize_t) size);
}

/* A descriptor of bytes; `more` are members that follow, with a comma first. */
static inline char *descriptor_of(const char *type, const char *data, const char *more) {
        char text[DIGEST_TEXT_SIZE];
        struct digest digest;
        char *json;

        ck_assert_int_eq(digest_of(DIGEST_SHA256, data, strlen(data), &digest), 0);
        json = text_format("{\"mediaType\": \"%s\", \"digest\": \"%s\", \"size\": %zu%s}", type, digest_text(&digest, text), strlen(data), more);
        ck_assert_ptr_nonnull(json);
        return json;
}

/* Where the blob of these bytes lies. */
static inline char *blob_of(const char *data) {
        char hex[DIGEST_TEXT_SIZE];
        struct digest digest;
        char *path;

        ck_assert_int_eq(digest_of(DIGEST_SHA256, data, strlen(data), &digest), 0);
        path = text_format("blobs/sha256/%s", digest_hex(&digest, hex));
        ck_assert_ptr_nonnull(path);
        return path;
}

/* Writes a blob and returns its descriptor. */
static inline char *put_blob(int layout, const char *type, const char *data, const char *more) {
        _cleanup_free_ char *path = blob_of(data);

        write_at(layout, path, data, strlen(data));
        return descriptor_of(type, data, more);
}

/* An image with these bytes for layers, each its own diff-id: its descriptor, and its blobs. */
static inline char *put_image(int layout, const char *const *layers, size_t n, const char *architecture, const char *more) {
        _cleanup_free_ char *list = strdup(""), *ids = strdup(""), *config_text = NULL, *config = NULL, *manifest = NULL;

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *layer = put_blob(layout, OCI "layer.v1.tar", layers[i], ""), *old_list = list, *old_ids = ids;
                char id[DIGEST_TEXT_SIZE];
                struct digest digest;

                ck_assert_int_eq(digest_of(DIGEST_SHA256, layers[i], strlen(layers[i]), &digest), 0);
                list = text_format("%s%s%s", old_list, i > 0 ? ", " : "", layer);
                ids = text_format("%s%s\"%s\"", old_ids, i > 0 ? ", " : "", digest_text(&digest, id));
        }
        config_text = text_format("{\"os\": \"linux\", \"architecture\": \"%s\", \"rootfs\": {\"type\": \"layers\", \"diff_ids\": [%s]}}", architecture, ids);
        config = put_blob(layout, OCI "config.v1+json", config_text, "");
        manifest = text_format("{\"schemaVersion\": 2, \"config\": %s, \"layers\": [%s]}", config, list);
        return put_blob(layout, OCI "manifest.v1+json", manifest, more);
}

/* oci-layout, and an index.json of this list of descriptors. */
static inline void put_index(int layout, const char *list) {
        static const char head[] = "{\"imageLayoutVersion\": \"1.0.0\"}";
        _cleanup_free_ char *index = text_format("{\"schemaVersion\": 2, \"manifests\": [%s]}", list);

        ck_assert_ptr_nonnull(index);
        write_at(layout, "oci-layout", head, strlen(head));
        write_at(layout, "index.json", index, strlen(index));
}
