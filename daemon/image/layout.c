/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "image/layout.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "image/select.h"
#include "kernel/resolve.h"
#include "util/log.h"

enum { BLOB_PATH_SIZE = sizeof("blobs/sha512/") + DIGEST_TEXT_SIZE };

struct text {
        char *data;
        size_t size;
};

static void text_done(struct text *text) {
        free(text->data);
}
#define _cleanup_text_ _cleanup_(text_done)

void image_done(struct image *image) {
        if (!image)
                return;
        free(image->reference);
        for (size_t i = 0; i < image->n_layers; i++)
                free(image->layers[i].media_type);
        free(image->layers);
        *image = (struct image) {};
}

static const char *blob_path(const struct digest *digest, char buffer[static BLOB_PATH_SIZE]) {
        char hex[DIGEST_TEXT_SIZE];

        (void) snprintf(buffer, BLOB_PATH_SIZE, "blobs/%s/%s", digest_algorithm_name(digest->algorithm), digest_hex(digest, hex)); /* always fits */
        return buffer;
}

char *layout_blob_path(const struct digest *digest) {
        char buffer[BLOB_PATH_SIZE];

        return strdup(blob_path(digest, buffer));
}

/* What a negative errno says of a file of the layout. */
static int open_failed(const char *path, int r, struct failure *f) {
        switch (-r) {
        case ENOMEM:
                return log_oom();
        case ENOENT:
        case ENOTDIR:
                return failure_set(f, FAILURE_NO_SUCH_SOURCE, "The image layout has no file %s", path);
        case ELOOP:
        case EXDEV:
                return failure_set(f, FAILURE_SOURCE_DENIED, "%s in the image layout is a symbolic link or is reached by one: there must be none", path);
        case EACCES:
        case EPERM:
                return failure_set(f, FAILURE_SOURCE_DENIED, "%s in the image layout cannot be opened for reading by whoever imports it", path);
        default:
                return failure_set(f, FAILURE_NO_SUCH_SOURCE, "%s in the image layout cannot be read: %s", path, strerror(-r));
        }
}

/* Takes the fd over, or a negative errno of opening it. */
static int check_file(int opened, const char *path, int *ret_fd, uint64_t *ret_size, struct failure *f) {
        _cleanup_close_ int fd = opened;
        struct stat status;

        if (fd < 0)
                return open_failed(path, fd, f);
        if (fstat(fd, &status) < 0)
                return open_failed(path, -errno, f);
        if (!S_ISREG(status.st_mode))
                return failure_set(f, FAILURE_INVALID_SPEC, "%s in the image layout is no regular file", path);
        *ret_size = (uint64_t) status.st_size;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int open_file(int layout, const char *path, int *ret_fd, uint64_t *ret_size, struct failure *f) {
        return check_file(resolve_open_beneath(layout, path), path, ret_fd, ret_size, f);
}

static int size_differs(const char *path, uint64_t is, uint64_t said, struct failure *f) {
        return failure_set(f, FAILURE_INVALID_SPEC, "%s in the image layout has %" PRIu64 " bytes, and its descriptor says %" PRIu64, path, is, said);
}

int layout_check_blob(int opened, const char *path, uint64_t size, int *ret_fd, struct failure *f) {
        _cleanup_close_ int fd = -1;
        uint64_t is;
        int r = check_file(opened, path, &fd, &is, f);

        if (r != 0)
                return r;
        if (is != size)
                return size_differs(path, is, size, f);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* All of a document, which has so many bytes, unless somebody changes it meanwhile. */
static int read_text(int fd, const char *path, uint64_t size, struct text *ret, struct failure *f) {
        if (size > DOCUMENT_BYTES_MAX)
                return failure_set(f, FAILURE_INVALID_SPEC, "%s in the image layout has %" PRIu64 " bytes, and a document of an image at most %d", path, size,
                                   DOCUMENT_BYTES_MAX);
        ret->data = malloc((size_t) size + 1);
        if (!ret->data)
                return log_oom();
        while (ret->size < size) {
                ssize_t n = read(fd, ret->data + ret->size, (size_t) size - ret->size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return open_failed(path, -errno, f);
                if (n == 0)
                        return size_differs(path, ret->size, size, f);
                ret->size += (size_t) n;
        }
        ret->data[size] = '\0';
        return 0;
}

/* A document that nothing has the digest of. */
static int read_plain(int layout, const char *path, struct text *ret, struct failure *f) {
        _cleanup_close_ int fd = -1;
        uint64_t size;
        int r = open_file(layout, path, &fd, &size, f);

        return r == 0 ? read_text(fd, path, size, ret, f) : r;
}

static int read_verified(int layout, const struct descriptor *descriptor, const char *path, struct text *ret, struct failure *f) {
        _cleanup_close_ int fd = -1;
        char is[DIGEST_TEXT_SIZE];
        struct digest digest;
        int r = layout_check_blob(resolve_open_beneath(layout, path), path, descriptor->size, &fd, f);

        if (r == 0)
                r = read_text(fd, path, descriptor->size, ret, f);
        if (r == 0)
                r = digest_of(descriptor->digest.algorithm, ret->data, ret->size, &digest);
        if (r == 0 && !digest_equal(&digest, &descriptor->digest))
                r = failure_set(f, FAILURE_INVALID_SPEC, "%s in the image layout has another digest than its name: %s", path, digest_text(&digest, is));
        return r;
}

/* Says in which document something is wrong. */
static int within(const char *path, int r, struct failure *inner, struct failure *f) {
        return r > 0 ? failure_set(f, inner->kind, "%s in the image layout: %s", path, inner->text) : r;
}

static int read_head(int layout, struct failure *f) {
        _cleanup_failure_ struct failure inner = FAILURE_INIT;
        _cleanup_text_ struct text text = {};
        int r = read_plain(layout, "oci-layout", &text, f);

        return r == 0 ? within("oci-layout", document_read_layout(text.data, text.size, &inner), &inner, f) : r;
}

/* A copy of what was selected, which outlives the index. */
static int keep(const struct descriptor *from, struct descriptor *ret) {
        *ret = (struct descriptor) {.digest = from->digest, .size = from->size, .media_type = strdup(from->media_type)};
        return ret->media_type ? 0 : log_oom();
}

static int find_first(int layout, const char *reference, const struct platform *wanted, char **ret_reference, struct descriptor *ret, struct failure *f) {
        static const char path[] = "index.json";
        _cleanup_failure_ struct failure inner = FAILURE_INIT;
        _cleanup_index_ struct index_document index = {};
        _cleanup_text_ struct text text = {};
        const struct descriptor *one;
        int r = read_plain(layout, path, &text, f);

        if (r != 0)
                return r;
        r = document_read_index(text.data, text.size, NULL, &index, &inner);
        if (r == 0)
                r = select_reference(&index, reference, wanted, &one, &inner);
        if (r != 0)
                return within(path, r, &inner, f);
        if (one->reference) {
                *ret_reference = strdup(one->reference);
                if (!*ret_reference)
                        return log_oom();
        }
        return keep(one, ret);
}

/* From an index to what it lists for the platform. */
static int descend(int layout, const struct platform *wanted, struct descriptor *descriptor, struct failure *f) {
        _cleanup_failure_ struct failure inner = FAILURE_INIT;
        _cleanup_index_ struct index_document index = {};
        _cleanup_text_ struct text text = {};
        const struct descriptor *one;
        char path[BLOB_PATH_SIZE];
        int r = read_verified(layout, descriptor, blob_path(&descriptor->digest, path), &text, f);

        if (r != 0)
                return r;
        r = document_read_index(text.data, text.size, descriptor->media_type, &index, &inner);
        if (r == 0)
                r = select_platform(&index, wanted, &one, &inner);
        if (r != 0)
                return within(path, r, &inner, f);
        descriptor_done(descriptor);
        return keep(one, descriptor);
}

/* What the reference means, through indexes. */
static int find_manifest(int layout, const char *reference, const struct platform *wanted, char **ret_reference, struct descriptor *ret, struct failure *f) {
        char digest[DIGEST_TEXT_SIZE];
        unsigned depth = 0;
        int r = find_first(layout, reference, wanted, ret_reference, ret, f);

        while (r == 0 && media_of(ret->media_type) == MEDIA_INDEX) {
                if (++depth > LAYOUT_INDEX_DEPTH_MAX)
                        return failure_set(f, FAILURE_INVALID_SPEC, "The image layout has indexes in each other more than %d deep", LAYOUT_INDEX_DEPTH_MAX);
                r = descend(layout, wanted, ret, f);
        }
        if (r == 0 && media_of(ret->media_type) != MEDIA_MANIFEST)
                r = failure_set(f, FAILURE_NOT_SUPPORTED, "%s in the image layout is no container image: its media type is %.200s",
                                digest_text(&ret->digest, digest), ret->media_type);
        return r;
}

static int read_manifest(int layout, const struct descriptor *descriptor, struct manifest_document *ret, struct failure *f) {
        _cleanup_failure_ struct failure inner = FAILURE_INIT;
        _cleanup_text_ struct text text = {};
        char path[BLOB_PATH_SIZE];
        int r = read_verified(layout, descriptor, blob_path(&descriptor->digest, path), &text, f);

        if (r != 0)
                return r;
        return within(path, document_read_manifest(text.data, text.size, descriptor->media_type, ret, &inner), &inner, f);
}

static int check_platform(const char *path, const struct config_document *config, const struct platform *wanted, struct failure *f) {
        _cleanup_free_ char *is = NULL, *must = NULL;

        if (platform_match(wanted, &config->platform) != PLATFORM_OTHER)
                return 0;
        is = platform_text(&config->platform);
        must = platform_text(wanted);
        if (!is || !must)
                return log_oom();
        return failure_set(f, FAILURE_NO_SUCH_SOURCE, "%s in the image layout: the image is for the platform %s, not for %s; the option platform says which is meant",
                           path, is, must);
}

static int read_config(int layout, const struct manifest_document *manifest, const struct platform *wanted, struct config_document *ret, struct failure *f) {
        _cleanup_failure_ struct failure inner = FAILURE_INIT;
        _cleanup_text_ struct text text = {};
        char path[BLOB_PATH_SIZE];
        int r = read_verified(layout, &manifest->config, blob_path(&manifest->config.digest, path), &text, f);

        if (r == 0)
                r = within(path, document_read_config(text.data, text.size, manifest->n_layers, ret, &inner), &inner, f);
        return r == 0 ? check_platform(path, ret, wanted, f) : r;
}

/* Takes the texts out of the manifest. */
static int fill(struct manifest_document *manifest, const struct config_document *config, struct image *image) {
        image->layers = calloc(manifest->n_layers, sizeof(*image->layers));
        if (!image->layers)
                return log_oom();
        image->n_layers = manifest->n_layers;
        image->config = manifest->config.digest;
        for (size_t i = 0; i < image->n_layers; i++)
                image->layers[i] = (struct image_layer) {
                        .media_type = TAKE_PTR(manifest->layers[i].media_type),
                        .digest = manifest->layers[i].digest,
                        .size = manifest->layers[i].size,
                        .diff_id = config->diff_ids[i],
                };
        return 0;
}

int layout_read(int layout, const char *reference, const struct platform *wanted, struct image *ret, struct failure *f) {
        _cleanup_(descriptor_done) struct descriptor descriptor = {};
        _cleanup_manifest_ struct manifest_document manifest = {};
        _cleanup_config_ struct config_document config = {};
        _cleanup_image_ struct image image = {};
        int r = read_head(layout, f);

        if (r == 0)
                r = find_manifest(layout, reference, wanted, &image.reference, &descriptor, f);
        if (r == 0)
                r = read_manifest(layout, &descriptor, &manifest, f);
        if (r == 0)
                r = read_config(layout, &manifest, wanted, &config, f);
        if (r == 0)
                r = fill(&manifest, &config, &image);
        if (r != 0)
                return r;
        image.manifest = descriptor.digest;
        *ret = image;
        image = (struct image) {};
        return 0;
}
