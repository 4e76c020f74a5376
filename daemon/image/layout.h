/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An OCI image layout, a directory (image-layout.md), of which nothing is trusted: read by the fd of the directory alone, as whoever
 * calls this. Every file is opened beneath it without following a symbolic link, has to be a regular one of the size that led to it
 * says, and its digest is that of the bytes that were used.
 */

#include "image/document.h"

enum { LAYOUT_INDEX_DEPTH_MAX = 8 /* indexes in an index */ };

struct image_layer {
        char *media_type;
        struct digest digest; /* of the blob, as it lies there */
        uint64_t size;        /* the blob's */
        struct digest diff_id; /* of the tar stream in it, uncompressed */
};

struct image {
        char *reference; /* the name that the layout has for it, or NULL */
        struct digest manifest, config;
        struct image_layer *layers; /* the lowest first, 1 to IMAGE_LAYERS_MAX */
        size_t n_layers;
};
void image_done(struct image *image);
#define _cleanup_image_ _cleanup_(image_done)

/* What an image is made of, by its reference (select_reference()). No blob of a layer is opened. FAILURE_INVALID_SPEC for what is not as
 * the image-spec or a digest has it, FAILURE_NO_SUCH_SOURCE for what is missing, FAILURE_SOURCE_DENIED for what may not be opened,
 * FAILURE_NOT_SUPPORTED, FAILURE_INVALID_ARGS. */
int layout_read(int layout, const char *reference, const struct platform *wanted, struct image *ret, struct failure *f);

/* Where a blob lies in a layout; NULL when memory is short. */
char *layout_blob_path(const struct digest *digest);
/* What resolve_open_beneath() said of that path, an fd, which is taken over, or a negative errno: that it is a regular file of this size; its
 * digest is still to be verified. The failures are the same. */
int layout_check_blob(int fd, const char *path, uint64_t size, int *ret_fd, struct failure *f);
