/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of layers' directories, and the jobs that make and remove them. */

#include "plan/layer.h"

#include <inttypes.h>
#include <string.h>

#include "util/log.h"
#include "util/text.h"

bool layer_id_is_valid(const char *id) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
        size_t length = strnlen(id, LAYER_ID_MAX + 1);

        return length > 0 && length <= LAYER_ID_MAX && strspn(id, letters) == length && !strchr("_.-", id[0]);
}

char *layer_new_name(uint64_t number) {
        return text_format(".new-%" PRIu64, number);
}

char *layer_removing_name(const char *id, uint64_t number) {
        return text_format(".%s-removing-%" PRIu64, id, number);
}

int plan_layer(uint64_t job, enum step_kind kind, const char *id, uint64_t number, struct job **ret) {
        _cleanup_(job_freep) struct job *made = job_new();
        struct step *step = made ? job_add(made, kind) : NULL;

        if (!step)
                return log_oom();
        made->id = job;
        step->serial = number;
        step->target = strdup(id);
        if (!step->target)
                return log_oom();
        *ret = TAKE_PTR(made);
        return 0;
}
