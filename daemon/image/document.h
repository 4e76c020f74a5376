/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The documents of an OCI image layout: oci-layout (image-layout.md), index (image-index.md), manifest (manifest.md) and config
 * (config.md), and those of Docker's schema 2 where they are the same thing. Pure: text in, what podmount uses of it out. Keys that
 * are not known are passed over, as the image-spec has it; what is known must be right. Each refusal is FAILURE_INVALID_SPEC with a
 * JSON pointer to the place, or FAILURE_NOT_SUPPORTED for what is right and cannot be had here.
 */

#include <stddef.h>
#include <stdint.h>

#include "image/digest.h"
#include "image/platform.h"
#include "util/failure.h"

enum {
        DOCUMENT_BYTES_MAX = 4 * 1024 * 1024, /* of one document: what the image-spec has registries take of a manifest */
        DOCUMENT_VALUES_MAX = 128 * 1024,     /* in one document: each takes memory, however small it is written */
        INDEX_MANIFESTS_MAX = 4096,           /* that one index lists */
        IMAGE_LAYERS_MAX = 500,               /* what the kernel puts below each other */
};

enum media {
        MEDIA_INDEX,
        MEDIA_MANIFEST,
        MEDIA_CONFIG,
        MEDIA_LAYER,
        MEDIA_FOREIGN, /* a layer that is to be had from its maker alone */
        MEDIA_OTHER,
};
/* What a media type means. */
enum media media_of(const char *type);

struct descriptor {
        char *media_type;
        struct digest digest;
        uint64_t size;
        char *reference;          /* annotation org.opencontainers.image.ref.name, or NULL */
        struct platform platform; /* of what an index lists */
};
void descriptor_done(struct descriptor *descriptor);

struct index_document {
        struct descriptor *manifests;
        size_t n_manifests;
};
void index_document_done(struct index_document *index);
#define _cleanup_index_ _cleanup_(index_document_done)

struct manifest_document {
        struct descriptor config;
        struct descriptor *layers; /* the lowest first */
        size_t n_layers;
};
void manifest_document_done(struct manifest_document *manifest);
#define _cleanup_manifest_ _cleanup_(manifest_document_done)

struct config_document {
        struct platform platform;
        struct digest *diff_ids; /* in the order of the layers */
        size_t n_diff_ids;
};
void config_document_done(struct config_document *config);
#define _cleanup_config_ _cleanup_(config_document_done)

/* That it is a layout of a version that is known: 1.*. */
int document_read_layout(const char *text, size_t size, struct failure *f);
/* `media_type`: of the descriptor that led there, or NULL. */
int document_read_index(const char *text, size_t size, const char *media_type, struct index_document *ret, struct failure *f);
/* With 1 to IMAGE_LAYERS_MAX layers, each of a type that can be had here. */
int document_read_manifest(const char *text, size_t size, const char *media_type, struct manifest_document *ret, struct failure *f);
/* With `n_layers` diff-ids. */
int document_read_config(const char *text, size_t size, size_t n_layers, struct config_document *ret, struct failure *f);
