/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Results on the wire: identity, and a decoder that no bytes can lead astray. */

#include "plan/step.h"

#include <errno.h>

#include "tests/unit/unit.h"
#include "util/array.h"
#include "wire-cases.h"

static void example(struct job_result *ret) {
        *ret = (struct job_result) {
                .job = 99,
                .failure = FAILURE_BUSY,
                .error = EBUSY,
                .failed_step = 2,
                .text = strdup("/data of main is busy; see its holders."),
                .steps = calloc(3, sizeof(struct step_result)),
                .n_steps = 3,
        };
        ck_assert_int_eq(strv_append(&ret->warnings, "one"), 0);
        ck_assert_int_eq(strv_append(&ret->warnings, "tw\xc3\xb6"), 0);
        ck_assert_int_eq(strv_append(&ret->texts, "/mnt"), 0);
        ck_assert_int_eq(strv_append(&ret->texts, ""), 0);
        ret->brought = calloc(1, sizeof(*ret->brought));
        ret->n_brought = 1;
        ret->brought[0] = (struct brought) {.step = 1, .id = UINT64_MAX - 1, .mount_id = 8, .attributes = 5, .device = 42,
                                            .path = strdup("/below"), .source = strdup(""), .type = strdup("tmpfs")};
        ret->steps[1] = (struct step_result) {
                .id = UINT64_MAX, .mount_id = 7, .attributes = 6, .device = 41, .made = 3, .made_file = true,
                .done = true};
}

static void check_canonical(const uint8_t *data, size_t size) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_free_ uint8_t *again = NULL;
        size_t again_size;
        int r = job_result_decode(data, size, &result);

        if (r < 0) {
                ck_assert_int_eq(r, -EBADMSG);
                ck_assert_ptr_null(result.steps);
                return;
        }
        ck_assert_int_eq(job_result_encode(&result, &again, &again_size), 0);
        ck_assert_uint_eq(again_size, size);
        ck_assert_int_eq(memcmp(again, data, size), 0);
}

START_TEST(test_identity) {
        _cleanup_job_result_ struct job_result result = {}, back = {};
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        example(&result);
        ck_assert_int_eq(job_result_encode(&result, &data, &size), 0);
        ck_assert_int_eq(job_result_decode(data, size, &back), 0);
        check_canonical(data, size);
        ck_assert_uint_eq(back.job, 99);
        ck_assert_int_eq(back.failure, FAILURE_BUSY);
        ck_assert_int_eq(back.error, EBUSY);
        ck_assert_uint_eq(back.failed_step, 2);
        ck_assert(!back.lost);
        ck_assert_str_eq(back.text, result.text);
        ck_assert_str_eq(back.warnings[1], "tw\xc3\xb6");
        ck_assert_uint_eq(strv_length(back.texts), 2);
        ck_assert_str_eq(back.texts[0], "/mnt");
        ck_assert_uint_eq(back.n_steps, 3);
        ck_assert_uint_eq(back.steps[1].id, UINT64_MAX);
        ck_assert_uint_eq(back.steps[1].mount_id, 7);
        ck_assert_uint_eq(back.steps[1].attributes, 6);
        ck_assert_uint_eq(back.steps[1].device, 41);
        ck_assert_uint_eq(back.steps[1].made, 3);
        ck_assert_uint_eq(back.n_brought, 1);
        ck_assert_uint_eq(back.brought[0].step, 1);
        ck_assert_uint_eq(back.brought[0].id, UINT64_MAX - 1);
        ck_assert_uint_eq(back.brought[0].mount_id, 8);
        ck_assert_uint_eq(back.brought[0].attributes, 5);
        ck_assert_uint_eq(back.brought[0].device, 42);
        ck_assert_str_eq(back.brought[0].path, "/below");
        ck_assert_str_eq(back.brought[0].source, "");
        ck_assert_str_eq(back.brought[0].type, "tmpfs");
        ck_assert(back.steps[1].made_file && back.steps[1].done && !back.steps[2].done);
}
END_TEST

START_TEST(test_hostile) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        example(&result);
        ck_assert_int_eq(job_result_encode(&result, &data, &size), 0);
        for (size_t i = 0; i < size; i++) {
                _cleanup_free_ uint8_t *exact = malloc(i > 0 ? i : 1);
                struct job_result back = {};

                memcpy(exact, data, i);
                ck_assert_int_eq(job_result_decode(exact, i, &back), -EBADMSG);
        }
        wire_cases_mutations(check_canonical, data, size);
        wire_cases_random(check_canonical, data, size, 20000);
}
END_TEST

START_TEST(test_encode_refuses) {
        _cleanup_job_result_ struct job_result result = {};
        uint8_t *data = NULL;
        size_t size;

        example(&result);
        result.failed_step = 3;
        ck_assert_int_eq(job_result_encode(&result, &data, &size), -EINVAL);
        result.failed_step = UINT32_MAX;
        result.error = -EBUSY;
        ck_assert_int_eq(job_result_encode(&result, &data, &size), -EINVAL);
        ck_assert_ptr_null(data);
}
END_TEST

UNIT_MAIN("result-wire", test_identity, test_hostile, test_encode_refuses)
