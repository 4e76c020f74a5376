/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a path lies on. In a container the question takes its turn like any change of the pod, so that it never sees
 * half of one; about the host it waits for nobody. It leaves nothing to be recorded or undone. */

#include <string.h>

#include "pod/container.h"
#include "util/array.h"
#include "util/log.h"

struct examine {
        struct operation operation; /* its uuid is "" for a path of the host: its pod may go while it waits */
        char *container, *path;
        char **texts;
        struct examined examined;
};

static struct examine *examine_of(struct operation *operation) {
        return (struct examine *) operation;
}

static void release(struct operation *operation) {
        struct examine *examine = examine_of(operation);

        free(examine->container);
        free(examine->path);
        strv_free(examine->texts);
}

static bool is_of_host(const struct operation *operation) {
        return !*operation->uuid;
}

static int find_container(const struct examine *examine, const char **ret, struct failure *f) {
        if (!is_of_host(&examine->operation))
                return container_find(examine->operation.pod, *examine->container ? examine->container : NULL, ret, f);
        if (*examine->container)
                return failure_set(f, FAILURE_INVALID_ARGS, "A path in container \"%.128s\" needs the pod's id, too.",
                                   examine->container);
        *ret = "";
        return 0;
}

static int validate(struct operation *operation, struct failure *f) {
        const char *container;
        int r = 0;

        if (is_of_host(operation) && !caller_sees_host_paths(&operation->caller))
                return failure_set(f, FAILURE_SOURCE_DENIED,
                                   "%s is another file for a caller in another mount namespace or below another root "
                                   "directory than for podmountd; ask from the host's.", examine_of(operation)->path);
        if (!is_of_host(operation)) {
                r = pods_check_runtime(operation->pods, f);
                if (r == 0)
                        r = container_begin(operation, f);
        }
        return r == 0 ? find_container(examine_of(operation), &container, f) : r;
}

static int plan(struct operation *operation, struct failure *f) {
        const struct examine *examine = examine_of(operation);
        struct job_caller caller;
        struct plan_pod pod;
        const char *container;
        int r = find_container(examine, &container, f);

        if (r != 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        return plan_examine(&pod, container, examine->path, &operation->job, f);
}

static int intend(struct operation *operation _unused_, struct failure *f _unused_) {
        return 0; /* nothing is made */
}

static void take_back(struct operation *operation _unused_) {
}

static int take_answer(struct examine *examine, const struct job_result *answer) {
        const struct step_result *step = answer->steps;
        int r;

        if (answer->n_steps != 1 || strv_length(answer->texts) != _EXAMINE_TEXT_MAX)
                return log_errno(LOG_ERR, EBADMSG, "read what an executor says of a path");
        r = strv_copy(answer->texts, &examine->texts);
        if (r < 0)
                return r;
        examine->examined = (struct examined) {
                .texts = examine->texts,
                .mount_id = step->id,
                .device = (dev_t) step->device,
                .system_mount = step->attributes & EXAMINE_SYSTEM_MOUNT,
                .host_device = step->attributes & EXAMINE_HOST_DEVICE,
        };
        return 0;
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct failure f = FAILURE_INIT;
        int r;

        if (answer && answer->lost && operation_retry(operation, answer))
                return;
        if (answer && answer->lost && answer->failure != FAILURE_TIMED_OUT)
                (void) failure_set(&f, FAILURE_MOUNT_FAILED, "The executor died while it looked at %s; try again.",
                                   examine_of(operation)->path);
        else if (answer && (answer->lost || answer->failure != FAILURE_NONE))
                (void) operation_failure(operation, answer, NULL, &f);
        else {
                r = answer ? take_answer(examine_of(operation), answer) : -EIO;
                if (r < 0)
                        (void) failure_from_errno(&f, r);
        }
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_EXAMINE,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

int operation_new_examine(struct pods *pods, const struct caller *caller, struct pod *pod, const char *container,
                          const char *path, struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        int r = operation_new(&class, sizeof(struct examine), pods, caller, pod, pod ? pod->record->uuid : "", NULL,
                              &operation, f);

        if (r != 0)
                return r;
        examine_of(operation)->container = strdup(container);
        examine_of(operation)->path = strdup(path);
        if (!examine_of(operation)->container || !examine_of(operation)->path)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

const struct examined *operation_examined(const struct operation *operation) {
        const struct examine *examine = (const struct examine *) operation;

        return operation->class == &class && examine->texts ? &examine->examined : NULL;
}
