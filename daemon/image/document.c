/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "image/document.h"

#include <errno.h>
#include <string.h>

#include "spec/reader.h"
#include "util/array.h"
#include "util/json.h"
#include "util/log.h"

static const char reference_key[] = "org.opencontainers.image.ref.name";

void descriptor_done(struct descriptor *descriptor) {
        if (!descriptor)
                return;
        free(descriptor->media_type);
        free(descriptor->reference);
        platform_done(&descriptor->platform);
        *descriptor = (struct descriptor) {};
}

static void descriptors_free(struct descriptor *descriptors, size_t n) {
        for (size_t i = 0; i < n; i++)
                descriptor_done(&descriptors[i]);
        free(descriptors);
}

void index_document_done(struct index_document *index) {
        if (!index)
                return;
        descriptors_free(index->manifests, index->n_manifests);
        *index = (struct index_document) {};
}

void manifest_document_done(struct manifest_document *manifest) {
        if (!manifest)
                return;
        descriptor_done(&manifest->config);
        descriptors_free(manifest->layers, manifest->n_layers);
        *manifest = (struct manifest_document) {};
}

void config_document_done(struct config_document *config) {
        if (!config)
                return;
        platform_done(&config->platform);
        free(config->diff_ids);
        *config = (struct config_document) {};
}

/* A value is at least one of these bytes, but for the first one of each array and object. Those in strings count, too. */
static size_t count_values(const char *text, size_t size) {
        size_t n = 0;

        for (size_t i = 0; i < size; i++)
                n += text[i] == '[' || text[i] == '{' || text[i] == ',';
        return n;
}

static int parse(const char *text, size_t size, struct json_object **ret, struct failure *f) {
        if (size > DOCUMENT_BYTES_MAX)
                return failure_set(f, FAILURE_INVALID_SPEC, "it has %zu bytes, and a document of an image at most %d", size, DOCUMENT_BYTES_MAX);
        if (count_values(text, size) > DOCUMENT_VALUES_MAX)
                return failure_set(f, FAILURE_INVALID_SPEC, "it has more values than the %d that a document of an image may have", DOCUMENT_VALUES_MAX);
        return json_parse(text, size, ret, f);
}

static int parse_object(const char *text, size_t size, struct json_object **ret, struct failure *f) {
        _cleanup_json_ struct json_object *object = NULL;
        int r = parse(text, size, &object, f);

        if (r == 0)
                r = reader_check_type(object, json_type_object, "", f);
        if (r == 0)
                *ret = TAKE_PTR(object);
        return r;
}

/* A member that has to be there. */
static int require(struct json_object *object, const char *pointer, const char *key, enum json_type type, struct json_object **ret, struct failure *f) {
        int r = reader_get(object, pointer, key, type, ret, f);

        if (r == 0 && !*ret)
                r = reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, key, "it is missing");
        return r;
}

/* A text that may be missing or "", which is the same here. */
static int get_text(struct json_object *object, const char *pointer, const char *key, char **ret, struct failure *f) {
        struct json_object *value = NULL;
        int r = reader_get(object, pointer, key, json_type_string, &value, f);

        if (r != 0 || !value || json_object_get_string_len(value) == 0)
                return r;
        return reader_get_string(object, pointer, key, ret, f);
}

static int require_text(struct json_object *object, const char *pointer, const char *key, char **ret, struct failure *f) {
        int r = reader_get_string(object, pointer, key, ret, f);

        if (r == 0 && !*ret)
                r = reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, key, "it is missing");
        return r;
}

static int read_digest(struct json_object *value, const char *pointer, struct digest *ret, struct failure *f) {
        _cleanup_free_ char *text = NULL;
        int r = reader_copy_string(value, pointer, &text, f);

        if (r != 0)
                return r;
        r = digest_parse(text, ret);
        if (r == -EOPNOTSUPP)
                return reader_fail(f, FAILURE_NOT_SUPPORTED, pointer, "the algorithm of the digest %.200s is none of sha256 and sha512", text);
        return r < 0 ? reader_fail(f, FAILURE_INVALID_SPEC, pointer, "\"%.200s\" is no digest", text) : 0;
}

static int read_platform(struct json_object *object, const char *pointer, struct platform *ret, struct failure *f) {
        int r = get_text(object, pointer, "os", &ret->os, f);

        if (r == 0)
                r = get_text(object, pointer, "architecture", &ret->architecture, f);
        return r == 0 ? get_text(object, pointer, "variant", &ret->variant, f) : r;
}

static int read_platform_of(struct json_object *object, const char *pointer, struct platform *ret, struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join(pointer, "platform");
        struct json_object *platform = NULL;
        int r = reader_get(object, pointer, "platform", json_type_object, &platform, f);

        if (!place)
                return log_oom();
        return r == 0 && platform ? read_platform(platform, place, ret, f) : r;
}

static int read_reference(struct json_object *object, const char *pointer, char **ret, struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join(pointer, "annotations");
        struct json_object *annotations = NULL;
        int r = reader_get(object, pointer, "annotations", json_type_object, &annotations, f);

        if (!place)
                return log_oom();
        return r == 0 && annotations ? get_text(annotations, place, reference_key, ret, f) : r;
}

static int read_size(struct json_object *object, const char *pointer, uint64_t *ret, struct failure *f) {
        struct json_object *value;
        int r = require(object, pointer, "size", json_type_int, &value, f);

        if (r != 0)
                return r;
        if (json_object_get_int64(value) < 0)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "size", "a size cannot be negative");
        *ret = (uint64_t) json_object_get_int64(value);
        return 0;
}

/* On failure what was read is the caller's all the same. */
static int read_descriptor(struct json_object *object, const char *pointer, struct descriptor *ret, struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join(pointer, "digest");
        struct json_object *digest;
        int r = reader_check_type(object, json_type_object, pointer, f);

        if (!place)
                return log_oom();
        if (r == 0)
                r = require_text(object, pointer, "mediaType", &ret->media_type, f);
        if (r == 0)
                r = require(object, pointer, "digest", json_type_string, &digest, f);
        if (r == 0)
                r = read_digest(digest, place, &ret->digest, f);
        if (r == 0)
                r = read_size(object, pointer, &ret->size, f);
        if (r == 0)
                r = read_platform_of(object, pointer, &ret->platform, f);
        return r == 0 ? read_reference(object, pointer, &ret->reference, f) : r;
}

static int read_descriptors(struct json_object *array, const char *pointer, struct descriptor **descriptors, size_t *n, struct failure *f) {
        int r = 0;

        for (size_t i = 0; i < json_object_array_length(array) && r == 0; i++) {
                _cleanup_free_ char *place = json_pointer_join_index(pointer, i);
                struct descriptor *slot = place ? array_append(descriptors, n) : NULL;

                r = slot ? read_descriptor(json_object_array_get_idx(array, i), place, slot, f) : log_oom();
        }
        return r;
}

/* Schema 2, and the type that the descriptor promised, if it says one itself. */
static int check_head(struct json_object *object, const char *media_type, enum media media, struct failure *f) {
        _cleanup_free_ char *own = NULL;
        struct json_object *version;
        int r = require(object, "", "schemaVersion", json_type_int, &version, f);

        if (r != 0)
                return r;
        if (json_object_get_int64(version) != 2)
                return reader_fail(f, FAILURE_NOT_SUPPORTED, "/schemaVersion", "podmount knows version 2 alone, not %lld",
                                   (long long) json_object_get_int64(version));
        r = get_text(object, "", "mediaType", &own, f);
        if (r != 0 || !own)
                return r;
        if (media_of(own) != media || (media_type && strcmp(media_type, own) != 0))
                return reader_fail(f, FAILURE_INVALID_SPEC, "/mediaType", "it says of itself that it is %.200s, and whatever led here says %.200s", own,
                                   media_type ? media_type : "that it is an index");
        return 0;
}

int document_read_layout(const char *text, size_t size, struct failure *f) {
        _cleanup_json_ struct json_object *object = NULL;
        _cleanup_free_ char *version = NULL;
        int r = parse_object(text, size, &object, f);

        if (r == 0)
                r = require_text(object, "", "imageLayoutVersion", &version, f);
        if (r != 0)
                return r;
        if (strncmp(version, "1.", 2) != 0)
                return reader_fail(f, FAILURE_NOT_SUPPORTED, "/imageLayoutVersion", "podmount knows versions 1.* alone, not \"%.80s\"", version);
        return 0;
}

int document_read_index(const char *text, size_t size, const char *media_type, struct index_document *ret, struct failure *f) {
        _cleanup_json_ struct json_object *object = NULL;
        _cleanup_index_ struct index_document index = {};
        struct json_object *manifests;
        int r = parse_object(text, size, &object, f);

        if (r == 0)
                r = check_head(object, media_type, MEDIA_INDEX, f);
        if (r == 0)
                r = require(object, "", "manifests", json_type_array, &manifests, f);
        if (r == 0 && json_object_array_length(manifests) > INDEX_MANIFESTS_MAX)
                r = reader_fail(f, FAILURE_INVALID_SPEC, "/manifests", "it lists %zu, and may list %d", json_object_array_length(manifests), INDEX_MANIFESTS_MAX);
        if (r == 0)
                r = read_descriptors(manifests, "/manifests", &index.manifests, &index.n_manifests, f);
        if (r != 0)
                return r;
        *ret = index;
        index = (struct index_document) {};
        return 0;
}

static int check_layer(const struct descriptor *layer, size_t i, struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join_index("/layers", i), *type = place ? json_pointer_join(place, "mediaType") : NULL;

        if (!type)
                return log_oom();
        switch (media_of(layer->media_type)) {
        case MEDIA_LAYER:
                return 0;
        case MEDIA_FOREIGN:
                return reader_fail(f, FAILURE_NOT_SUPPORTED, type, "%s is a foreign (non-distributable) layer, which is to be had from its maker alone",
                                   layer->media_type);
        case MEDIA_INDEX:
        case MEDIA_MANIFEST:
        case MEDIA_CONFIG:
        case MEDIA_OTHER:
                break;
        }
        return reader_fail(f, FAILURE_NOT_SUPPORTED, type, "%.200s is no layer that podmount can unpack: tar, or tar with gzip or zstd", layer->media_type);
}

static int check_manifest(const struct manifest_document *manifest, struct failure *f) {
        int r = 0;

        if (media_of(manifest->config.media_type) != MEDIA_CONFIG)
                return reader_fail(f, FAILURE_NOT_SUPPORTED, "/config/mediaType", "%.200s is the config of no container image", manifest->config.media_type);
        if (manifest->n_layers == 0)
                return reader_fail(f, FAILURE_NOT_SUPPORTED, "/layers", "the image has no layers, so that there is nothing to import");
        if (manifest->n_layers > IMAGE_LAYERS_MAX)
                return reader_fail(f, FAILURE_NOT_SUPPORTED, "/layers", "the image has %zu layers, and the kernel puts at most %d on each other",
                                   manifest->n_layers, IMAGE_LAYERS_MAX);
        for (size_t i = 0; i < manifest->n_layers && r == 0; i++)
                r = check_layer(&manifest->layers[i], i, f);
        return r;
}

int document_read_manifest(const char *text, size_t size, const char *media_type, struct manifest_document *ret, struct failure *f) {
        _cleanup_json_ struct json_object *object = NULL;
        _cleanup_manifest_ struct manifest_document manifest = {};
        struct json_object *config, *layers;
        int r = parse_object(text, size, &object, f);

        if (r == 0)
                r = check_head(object, media_type, MEDIA_MANIFEST, f);
        if (r == 0)
                r = require(object, "", "config", json_type_object, &config, f);
        if (r == 0)
                r = read_descriptor(config, "/config", &manifest.config, f);
        if (r == 0)
                r = require(object, "", "layers", json_type_array, &layers, f);
        if (r == 0)
                r = read_descriptors(layers, "/layers", &manifest.layers, &manifest.n_layers, f);
        if (r == 0)
                r = check_manifest(&manifest, f);
        if (r != 0)
                return r;
        *ret = manifest;
        manifest = (struct manifest_document) {};
        return 0;
}

static int read_diff_ids(struct json_object *array, struct config_document *config, struct failure *f) {
        int r = 0;

        for (size_t i = 0; i < json_object_array_length(array) && r == 0; i++) {
                _cleanup_free_ char *place = json_pointer_join_index("/rootfs/diff_ids", i);
                struct digest *slot = place ? array_append(&config->diff_ids, &config->n_diff_ids) : NULL;

                r = slot ? read_digest(json_object_array_get_idx(array, i), place, slot, f) : log_oom();
        }
        return r;
}

static int read_rootfs(struct json_object *object, struct config_document *config, struct failure *f) {
        struct json_object *rootfs, *diff_ids;
        _cleanup_free_ char *type = NULL;
        int r = require(object, "", "rootfs", json_type_object, &rootfs, f);

        if (r == 0)
                r = require_text(rootfs, "/rootfs", "type", &type, f);
        if (r == 0 && strcmp(type, "layers") != 0)
                r = reader_fail(f, FAILURE_NOT_SUPPORTED, "/rootfs/type", "it must be \"layers\", not \"%.80s\"", type);
        if (r == 0)
                r = require(rootfs, "/rootfs", "diff_ids", json_type_array, &diff_ids, f);
        return r == 0 ? read_diff_ids(diff_ids, config, f) : r;
}

int document_read_config(const char *text, size_t size, size_t n_layers, struct config_document *ret, struct failure *f) {
        _cleanup_json_ struct json_object *object = NULL;
        _cleanup_config_ struct config_document config = {};
        int r = parse_object(text, size, &object, f);

        if (r == 0)
                r = read_platform(object, "", &config.platform, f);
        if (r == 0 && (!config.platform.os || !config.platform.architecture))
                r = reader_fail_member(f, FAILURE_INVALID_SPEC, "", config.platform.os ? "architecture" : "os", "it is missing");
        if (r == 0)
                r = read_rootfs(object, &config, f);
        if (r == 0 && config.n_diff_ids != n_layers)
                r = reader_fail(f, FAILURE_INVALID_SPEC, "/rootfs/diff_ids", "it has %zu diff-ids, and the manifest has %zu layers", config.n_diff_ids,
                                n_layers);
        if (r != 0)
                return r;
        *ret = config;
        config = (struct config_document) {};
        return 0;
}
