/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as each of the documents of an image layout: image/document. The first byte says which. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/document.h"
#include "util/cleanup.h"
#include "util/failure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_manifest_ struct manifest_document manifest = {};
        _cleanup_config_ struct config_document config = {};
        _cleanup_index_ struct index_document index = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *text = NULL;
        int r = 0;

        if (size < 2)
                return 0;
        text = malloc(size);
        if (!text)
                return 0;
        memcpy(text, data + 1, size - 1); /* of just its size, so that a look behind it is seen */
        text = realloc(text, size - 1) ?: text;
        switch (data[0] % 4) {
        case 0:
                r = document_read_layout(text, size - 1, &f);
                break;
        case 1:
                r = document_read_index(text, size - 1, NULL, &index, &f);
                break;
        case 2:
                r = document_read_manifest(text, size - 1, NULL, &manifest, &f);
                break;
        default:
                r = document_read_config(text, size - 1, data[0] / 4 % 8, &config, &f);
        }
        if (r > 0 && !f.text) /* a refusal has a sentence */
                abort();
        return 0;
}
