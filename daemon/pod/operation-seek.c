/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What became of a pod's mounts in containers' own mount namespaces, before somebody is told of them. It takes its turn like
 * a change, because it drops the records of those that are gone. */

#include "pod/container.h"
#include "pod/turn.h"
#include "pod/within.h"
#include "util/log.h"

static int validate(struct operation *operation, struct failure *f) {
        if (!operation->pod)
                return failure_set(f, FAILURE_NO_SUCH_POD, "Pod %s was collected meanwhile.", operation->uuid);
        if (!turn_take(operation, operation->pod))
                return OPERATION_WAIT;
        if (operation->pod->record->state != RECORD_READY || operation->pod->record->n_inside == 0)
                return OPERATION_FINISHED;
        return 0;
}

static int plan(struct operation *operation, struct failure *f _unused_) {
        _cleanup_free_ struct plan_inside *known = NULL;
        struct job_caller caller;
        struct plan_pod pod;
        size_t n = 0;
        int r = within_list(operation->pod, NULL, &known, &n);

        if (r < 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        return plan_seek(&pod, known, n, false, &operation->job);
}

static int intend(struct operation *operation _unused_, struct failure *f _unused_) {
        return 0; /* nothing is made */
}

static void take_back(struct operation *operation _unused_) {
}

/* Whatever an executor could not say: the record is shown as it is. */
static void result(struct operation *operation, const struct job_result *answer) {
        struct failure f = FAILURE_INIT;

        if (answer && answer->lost && operation_retry(operation, answer))
                return;
        if (answer && !answer->lost && answer->failure == FAILURE_NONE)
                (void) within_learn(operation->pods, operation->pod, operation->job, answer);
        else
                log_warning("What became of the mounts in containers of pod %s could not be looked at: %s", operation->uuid,
                            answer && answer->text ? answer->text : "no answer");
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_SEEK,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
};

int operation_new_seek(struct pods *pods, const struct caller *caller, struct pod *pod, struct operation **ret,
                       struct failure *f) {
        return operation_new(&class, sizeof(struct operation), pods, caller, pod, pod->record->uuid, NULL, ret, f);
}
