/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "plan/make.h"
#include "util/log.h"

int plan_gc_program(const struct plan_pod *pod, const char *container, const char *path, uint32_t flags, struct job **ret) {
        _cleanup_(job_freep) struct job *job = NULL;
        struct step *step;
        int r = make_job(pod, &job);

        if (r < 0)
                return r;
        step = job_add(job, STEP_GC_PROGRAM);
        if (!step)
                return log_oom();
        step->flags = flags;
        step->container = strdup(container);
        step->target = strdup(path);
        if (!step->container || !step->target)
                return log_oom();
        *ret = TAKE_PTR(job);
        return 0;
}
