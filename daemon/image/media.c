/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Media types: media-types.md of the image-spec has the first ones and says which of Docker's are the same. */

#include <string.h>

#include "image/document.h"

static const struct {
        const char *type;
        enum media media;
} types[] = {
        {"application/vnd.oci.image.index.v1+json", MEDIA_INDEX},
        {"application/vnd.oci.image.manifest.v1+json", MEDIA_MANIFEST},
        {"application/vnd.oci.image.config.v1+json", MEDIA_CONFIG},
        {"application/vnd.oci.image.layer.v1.tar", MEDIA_LAYER},
        {"application/vnd.oci.image.layer.v1.tar+gzip", MEDIA_LAYER},
        {"application/vnd.oci.image.layer.v1.tar+zstd", MEDIA_LAYER},
        {"application/vnd.oci.image.layer.nondistributable.v1.tar", MEDIA_FOREIGN},
        {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", MEDIA_FOREIGN},
        {"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", MEDIA_FOREIGN},
        {"application/vnd.docker.distribution.manifest.list.v2+json", MEDIA_INDEX},
        {"application/vnd.docker.distribution.manifest.v2+json", MEDIA_MANIFEST},
        {"application/vnd.docker.container.image.v1+json", MEDIA_CONFIG},
        {"application/vnd.docker.image.rootfs.diff.tar", MEDIA_LAYER},
        {"application/vnd.docker.image.rootfs.diff.tar.gzip", MEDIA_LAYER},
        {"application/vnd.docker.image.rootfs.diff.tar.zstd", MEDIA_LAYER},
        {"application/vnd.docker.image.rootfs.foreign.diff.tar", MEDIA_FOREIGN},
        {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", MEDIA_FOREIGN},
};

enum media media_of(const char *type) {
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (strcmp(types[i].type, type) == 0)
                        return types[i].media;
        return MEDIA_OTHER;
}
