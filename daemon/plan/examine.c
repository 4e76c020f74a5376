/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Makes the job that looks at what a path lies on. */

#include <limits.h>
#include <string.h>

#include "plan/make.h"
#include "util/log.h"

int plan_examine(const struct plan_pod *pod, const char *container, const char *path, struct job **ret,
        struct failure *f) {
        _cleanup_(job_freep) struct job *job = NULL;
        struct step *step;
        int r;

        if (*path != '/' || strlen(path) >= PATH_MAX)
                return failure_set(f, FAILURE_INVALID_ARGS, "\"%.255s\" is no absolute path of less than %d bytes.", path,
                        PATH_MAX);
        r = make_job(pod, &job);
        if (r < 0)
                return r;
        step = job_add(job, STEP_EXAMINE);
        if (!step)
                return log_oom();
        step->container = strdup(container);
        step->target = strdup(path);
        if (!step->container || !step->target)
                return log_oom();
        *ret = TAKE_PTR(job);
        return 0;
}
