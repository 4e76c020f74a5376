/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as each of the documents of an image layout: image/document. The first byte says which. */

#include "image/document.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        fuzz_quiet();
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_manifest_ struct manifest_document manifest = {};
        _cleanup_config_ struct config_document config = {};
        _cleanup_index_ struct index_document index = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *text = size > 0 ? (char *) fuzz_exact(data + 1, size - 1) : NULL;
        int r;

        if (size == 0)
                return 0;
        switch (data[0] % 4) {
        case 0:
                r = document_read_layout(text, size - 1, &f);
                break;
        case 1:
                r = document_read_index(text, size - 1, NULL, &index, &f);
                break;
        case 2:
                r = document_read_manifest(text, size - 1, NULL, &manifest, &f);
                fuzz_check(r != 0 || (manifest.n_layers >= 1 && manifest.n_layers <= IMAGE_LAYERS_MAX));
                break;
        default:
                r = document_read_config(text, size - 1, data[0] / 4 % 8, &config, &f);
                fuzz_check(r != 0 || config.n_diff_ids == (size_t) (data[0] / 4 % 8));
        }
        fuzz_outcome(r, &f);
        return 0;
}
