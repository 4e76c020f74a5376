/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Removes what pods that are gone have left of cgroups, which were busy then. It waits for no pod, for no pod has them; what is
 * still busy stays on record. */

#include <string.h>

#include "pod/cgroups.h"
#include "pod/operation-private.h"
#include "store/cgroups.h"
#include "util/array.h"
#include "util/log.h"

enum { AT_ONCE_MAX = 1024 };

static int validate(struct operation *operation, struct failure *f _unused_) {
        return operation->pods->n_cgroups_left > 0 ? 0 : OPERATION_FINISHED;
}

static int plan(struct operation *operation, struct failure *f _unused_) {
        struct pods *pods = operation->pods;
        struct job_caller caller;
        struct plan_pod pod;
        int r = 0;

        operation_plan_pod(operation, false, &caller, &pod);
        for (size_t i = 0; r == 0 && i < pods->n_cgroups_left && i < AT_ONCE_MAX; i++) {
                const struct record_cgroup *cgroup = &pods->cgroups_left[(pods->cgroups_turn + i) % pods->n_cgroups_left];

                r = plan_cgroup(&pod, STEP_CGROUP_REMOVE, cgroup->name, cgroup->parent, &operation->job);
        }
        pods->cgroups_turn += AT_ONCE_MAX; /* busy ones keep no others from their turn */
        return r;
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        operation->pods->removing_cgroups = true;
        return 0; /* they are on record */
}

static void take_back(struct operation *operation) {
        operation->pods->removing_cgroups = false;
}

static struct record_cgroup *find(struct pods *pods, const struct step *step) {
        for (size_t i = 0; i < pods->n_cgroups_left; i++)
                if (strcmp(pods->cgroups_left[i].name, step->target) == 0 && strcmp(pods->cgroups_left[i].parent, step->source.path ?: "") == 0)
                        return &pods->cgroups_left[i];
        return NULL;
}

static int forget(struct operation *operation, const struct job_result *answer) {
        struct pods *pods = operation->pods;
        int r = store_begin(pods->store);

        for (size_t i = 0; r == 0 && i < operation->job->n_steps && i < answer->n_steps; i++) {
                const struct record_cgroup *cgroup = answer->steps[i].attributes == CGROUP_LEFT ? NULL : find(pods, &operation->job->steps[i]);

                if (cgroup)
                        r = store_delete_cgroup(pods->store, cgroup);
        }
        r = store_end(pods->store, r);
        for (size_t i = 0; r == 0 && i < operation->job->n_steps && i < answer->n_steps; i++) {
                struct record_cgroup *cgroup = answer->steps[i].attributes == CGROUP_LEFT ? NULL : find(pods, &operation->job->steps[i]);

                if (!cgroup)
                        continue;
                record_cgroup_done(cgroup);
                *cgroup = pods->cgroups_left[--pods->n_cgroups_left];
        }
        return r;
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct failure f = FAILURE_INIT;
        int r;

        if (answer && answer->lost && operation_retry(operation, answer))
                return;
        if (answer && (answer->lost || answer->failure != FAILURE_NONE))
                (void) operation_failure(operation, answer, NULL, &f);
        else if (answer) {
                r = forget(operation, answer);
                if (r < 0)
                        (void) failure_from_errno(&f, r);
                for (char **warning = answer->warnings; warning && *warning; warning++)
                        log_notice("Left over from a pod that is gone: %s", *warning);
        }
        operation->pods->removing_cgroups = false;
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_REMOVE_CGROUPS,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
};

void cgroups_retry(struct pods *pods) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;

        if (pods->n_cgroups_left == 0 || pods->removing_cgroups || pods->stopping)
                return;
        if (operation_new(&class, sizeof(struct operation), pods, &caller_house, NULL, pods->cgroups_left[0].uuid, NULL, &operation, &f) == 0)
                operation_run_internal(operation);
}
