/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as what executors and their workers answer, as the front takes it in: plan/result-wire.c, plan/holder.c, executor/image-message.c. The first byte
 * says which; portions have their size before them. */

#include <errno.h>

#include "executor/image-message.h"
#include "plan/holder.h"
#include "plan/step.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        fuzz_quiet();
        return 0;
}

static void check_result(const uint8_t *data, size_t size) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_free_ uint8_t *again = NULL;
        size_t again_size;
        int r = job_result_decode(data, size, &result);

        fuzz_check(r == 0 || r == -EBADMSG);
        if (r < 0)
                return;
        fuzz_check(result.failure < _FAILURE_KIND_MAX);
        fuzz_check(job_result_encode(&result, &again, &again_size) == 0);
        fuzz_check(size == again_size && memcmp(data, again, size) == 0);
}

static void check_holders(const uint8_t *data, size_t size) {
        struct mount_holder *holders = NULL;
        size_t n = 0;
        int r = holders_read(data, size, &holders, &n);

        fuzz_check(r == 0 || r == -EBADMSG);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *words = holder_describe(&holders[i]);
                uint8_t row[HOLDER_ROW_MAX];

                fuzz_check(words && holder_kind_name(holders[i].kind));
                fuzz_check(holder_write(&holders[i], row) <= sizeof(row));
        }
        holders_free(holders, n);
}

/* The first portion is about the image, the next ones about its layers. */
static void check_image(const uint8_t *data, size_t size) {
        struct image image = {};

        while (size >= 2) {
                size_t portion = (size_t) data[0] << 8 | data[1];
                _cleanup_free_ uint8_t *exact = NULL;
                int r;

                data += 2;
                size -= 2;
                portion = portion < size ? portion : size;
                exact = fuzz_exact(data, portion);
                r = image_message_take(&image, exact, portion);
                fuzz_check(r == 0 || r == -EBADMSG);
                if (r < 0)
                        break;
                data += portion;
                size -= portion;
        }
        (void) image_message_complete(&image);
        image_done(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *exact = size > 0 ? fuzz_exact(data + 1, size - 1) : NULL;

        if (size == 0)
                return 0;
        switch (data[0] % 3) {
        case 0:
                check_result(exact, size - 1);
                break;
        case 1:
                check_holders(exact, size - 1);
                break;
        default:
                check_image(exact, size - 1);
        }
        return 0;
}
