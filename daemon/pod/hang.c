/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What hangs is known by its job. */

#include "pod/hang.h"

#include "pod/operation-private.h"
#include "util/clock.h"

/* Whoever may see the pod; where there is none (yet), whoever asked. */
static bool may_see(const struct pods *pods, const struct operation *operation, const struct caller *caller) {
        const struct pod *pod = operation && operation->uuid ? map_get(pods->by_uuid, operation->uuid) : NULL;

        if (!caller || caller_is_root(caller))
                return true;
        return pod ? pods_may_see(pod, caller) : operation && caller->uid != 0 && operation->caller.uid == caller->uid;
}

size_t hang_list(const struct pods *pods, const struct caller *caller, struct hang ret[POOL_SLOTS_MAX]) {
        const uint64_t ahead = clock_us(CLOCK_REALTIME) - clock_us(CLOCK_MONOTONIC);
        struct pool_hang hangs[POOL_SLOTS_MAX];
        size_t n_hangs = executor_pool_hanging(pods->executors, HANG_AFTER_US, hangs), n = 0;

        for (size_t i = 0; i < n_hangs; i++) {
                const struct operation *operation = map_get_u64(pods->operations, hangs[i].job);
                const struct job *job = operation ? operation->job : NULL;
                const struct step *step = job && hangs[i].step < job->n_steps ? &job->steps[hangs[i].step] : NULL;

                if (!may_see(pods, operation, caller))
                        continue;
                ret[n++] = (struct hang) {
                        .uuid = operation && operation->uuid ? operation->uuid : "",
                        .operation = operation ? operation_verb_name(operation->class->verb) : "identify",
                        .step = step ? step_kind_name(step->kind) : "",
                        .container = step && step->container ? step->container : "",
                        .target = step && step->target ? step->target : "",
                        .since_us = ahead + hangs[i].begun_us,
                        .deadline_us = ahead + hangs[i].deadline_us,
                };
        }
        return n;
}
