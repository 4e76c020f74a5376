/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "plan/make.h"
#include "util/array.h"
#include "util/log.h"

static int fill(struct step *step, const char *name, const char *parent) {
        step->target = strdup(name);
        if (parent && parent[0] != '\0') {
                step->source.kind = STEP_SOURCE_PATH;
                step->source.path = strdup(parent);
                if (!step->source.path)
                        return log_oom();
        }
        return step->target ? 0 : log_oom();
}

/* A pod's directory is removed last. */
static void put_before_removal(struct job *job) {
        struct step *last = &job->steps[job->n_steps - 1], added = *last;

        if (job->n_steps < 2 || last[-1].kind != STEP_REMOVE_POD)
                return;
        *last = last[-1];
        last[-1] = added;
}

int plan_cgroup(const struct plan_pod *pod, enum step_kind kind, const char *name, const char *parent, struct job **job) {
        int r = *job ? 0 : make_job(pod, job);
        struct step *step = r == 0 ? job_add(*job, kind) : NULL;

        if (!step)
                return r < 0 ? r : log_oom();
        r = fill(step, name, parent);
        put_before_removal(*job);
        return r;
}
