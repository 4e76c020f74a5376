/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Results on the wire, from an executor to the front. As strict as jobs: a front that is fed by a broken executor must
 * say so, not crash.
 *
 *     result  magic, job, failure, error, failed_step, lost, text, warnings, texts, steps, brought
 *     step    id, mount_id, attributes, device, made, made_file, made_upper, made_work, done
 *     brought step, id, mount_id, attributes, device, path, source, type
 */

#include <errno.h>
#include <stdlib.h>

#include "plan/step.h"
#include "plan/wire.h"
#include "util/array.h"
#include "util/channel.h"

enum {
        RESULT_MAGIC = 0x31524d50,  /* "PMR1" */
        RESULT_WARNINGS_MAX = 65536,
        RESULT_TEXTS_MAX = _EXAMINE_TEXT_MAX,
        RESULT_ERRNO_MAX = 4095, /* the kernel's own bound */
        RESULT_BROUGHT_SIZE = 3 * sizeof(uint64_t) + 5 * sizeof(uint32_t),
        RESULT_STEP_SIZE = 3 * sizeof(uint64_t) + 4 * sizeof(uint32_t) + 2,
};

static bool result_is_valid(const struct job_result *result) {
        if ((unsigned) result->failure >= _FAILURE_KIND_MAX)
                return false;
        if (result->error < 0 || result->error > RESULT_ERRNO_MAX)
                return false;
        for (size_t i = 0; i < result->n_brought; i++) {
                const struct brought *brought = &result->brought[i];

                if (brought->step >= result->n_steps || brought->id == 0 || !brought->path || !brought->source || !brought->type)
                        return false;
        }
        return result->failed_step == UINT32_MAX || result->failed_step < result->n_steps;
}

static void put_brought(struct wire_writer *writer, const struct brought *brought) {
        wire_put_u32(writer, brought->step);
        wire_put_u64(writer, brought->id);
        wire_put_u32(writer, brought->mount_id);
        wire_put_u64(writer, brought->attributes);
        wire_put_u64(writer, brought->device);
        wire_put_string(writer, brought->path);
        wire_put_string(writer, brought->source);
        wire_put_string(writer, brought->type);
}

int job_result_encode(const struct job_result *result, uint8_t **ret, size_t *ret_size) {
        struct wire_writer writer = {};

        if (result->n_steps > JOB_STEPS_MAX || result->n_brought > JOB_STEPS_MAX)
                return -E2BIG;
        if (!result_is_valid(result))
                return -EINVAL;
        wire_put_u32(&writer, RESULT_MAGIC);
        wire_put_u64(&writer, result->job);
        wire_put_u32(&writer, result->failure);
        wire_put_u32(&writer, (uint32_t) result->error);
        wire_put_u32(&writer, result->failed_step);
        wire_put_u8(&writer, result->lost);
        wire_put_string(&writer, result->text);
        wire_put_strv(&writer, result->warnings);
        wire_put_strv(&writer, result->texts);
        wire_put_count(&writer, result->n_steps);
        for (size_t i = 0; i < result->n_steps; i++) {
                const struct step_result *step = &result->steps[i];

                wire_put_u64(&writer, step->id);
                wire_put_u32(&writer, step->mount_id);
                wire_put_u64(&writer, step->attributes);
                wire_put_u64(&writer, step->device);
                wire_put_u32(&writer, step->made);
                wire_put_u8(&writer, step->made_file);
                wire_put_u32(&writer, step->made_upper);
                wire_put_u32(&writer, step->made_work);
                wire_put_u8(&writer, step->done);
        }
        wire_put_count(&writer, result->n_brought);
        for (size_t i = 0; i < result->n_brought; i++)
                put_brought(&writer, &result->brought[i]);
        return wire_finish(&writer, ret, ret_size);
}

static void take_steps(struct wire_reader *reader, struct job_result *result) {
        size_t n = wire_take_count(reader, JOB_STEPS_MAX, RESULT_STEP_SIZE);

        if (n == 0)
                return;
        result->steps = calloc(n, sizeof(*result->steps));
        if (!result->steps) {
                wire_fail(reader, -ENOMEM);
                return;
        }
        result->n_steps = n;
        for (size_t i = 0; i < n; i++) {
                struct step_result *step = &result->steps[i];

                step->id = wire_take_u64(reader);
                step->mount_id = wire_take_u32(reader);
                step->attributes = wire_take_u64(reader);
                step->device = wire_take_u64(reader);
                step->made = wire_take_u32(reader);
                step->made_file = wire_take_bool(reader);
                step->made_upper = wire_take_u32(reader);
                step->made_work = wire_take_u32(reader);
                step->done = wire_take_bool(reader);
        }
}

static void take_brought(struct wire_reader *reader, struct job_result *result) {
        size_t n = wire_take_count(reader, JOB_STEPS_MAX, RESULT_BROUGHT_SIZE);

        if (n == 0)
                return;
        result->brought = calloc(n, sizeof(*result->brought));
        if (!result->brought) {
                wire_fail(reader, -ENOMEM);
                return;
        }
        result->n_brought = n;
        for (size_t i = 0; i < n; i++) {
                struct brought *brought = &result->brought[i];

                brought->step = wire_take_u32(reader);
                brought->id = wire_take_u64(reader);
                brought->mount_id = wire_take_u32(reader);
                brought->attributes = wire_take_u64(reader);
                brought->device = wire_take_u64(reader);
                brought->path = wire_take_string(reader, true);
                brought->source = wire_take_string(reader, true);
                brought->type = wire_take_string(reader, true);
        }
}

int job_result_decode(const uint8_t *data, size_t size, struct job_result *ret) {
        struct wire_reader reader = {.data = data, .size = size};
        _cleanup_job_result_ struct job_result result = {};
        uint32_t failure, error;

        if (size > CHANNEL_MESSAGE_MAX || wire_take_u32(&reader) != RESULT_MAGIC)
                return -EBADMSG;
        result.job = wire_take_u64(&reader);
        failure = wire_take_u32(&reader);
        error = wire_take_u32(&reader);
        if (failure >= _FAILURE_KIND_MAX || error > RESULT_ERRNO_MAX)
                return -EBADMSG;
        result.failure = (enum failure_kind) failure;
        result.error = (int32_t) error;
        result.failed_step = wire_take_u32(&reader);
        result.lost = wire_take_bool(&reader);
        result.text = wire_take_string(&reader, false);
        result.warnings = wire_take_strv(&reader, RESULT_WARNINGS_MAX);
        result.texts = wire_take_strv(&reader, RESULT_TEXTS_MAX);
        take_steps(&reader, &result);
        take_brought(&reader, &result);
        if (reader.error < 0)
                return reader.error;
        if (reader.size > 0 || !result_is_valid(&result))
                return -EBADMSG;
        *ret = result;
        result = (struct job_result) {};
        return 0;
}
