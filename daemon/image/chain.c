/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "image/chain.h"

#include <string.h>

#include "util/log.h"
#include "util/text.h"

int chain_next(const struct digest *below, const struct digest *diff_id, struct digest *ret) {
        char chain[DIGEST_TEXT_SIZE], diff[DIGEST_TEXT_SIZE];
        _cleanup_free_ char *text = NULL;

        if (!below) {
                *ret = *diff_id;
                return 0;
        }
        text = text_format("%s %s", digest_text(below, chain), digest_text(diff_id, diff));
        return text ? digest_of(DIGEST_SHA256, text, strlen(text), ret) : log_oom();
}
