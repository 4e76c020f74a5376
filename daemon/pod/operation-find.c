/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The look-up of a program in a container. It takes its turn like any change of the pod, so that it never sees half of
 * one, and leaves nothing to be recorded or undone. */

#include <string.h>

#include "pod/container.h"
#include "util/array.h"
#include "util/log.h"

struct find {
        struct operation operation;
        char *container, *name, *path, *cwd;
        char *found;
};

static struct find *find_of(struct operation *operation) {
        return (struct find *) operation;
}

static void release(struct operation *operation) {
        struct find *find = find_of(operation);

        free(find->container);
        free(find->name);
        free(find->path);
        free(find->cwd);
        free(find->found);
}

static int find_container(const struct find *find, const char **ret, struct failure *f) {
        return container_find(find->operation.pod, *find->container ? find->container : NULL, ret, f);
}

static int validate(struct operation *operation, struct failure *f) {
        const char *container;
        int r = pods_check_runtime(operation->pods, f);

        if (r == 0)
                r = container_begin(operation, f);
        return r == 0 ? find_container(find_of(operation), &container, f) : r;
}

static int plan(struct operation *operation, struct failure *f) {
        const struct find *find = find_of(operation);
        struct job_caller caller;
        struct plan_pod pod;
        const char *container;
        int r = find_container(find, &container, f);

        if (r != 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        return plan_find(&pod, container, find->name, find->path, find->cwd, &operation->job, f);
}

static int intend(struct operation *operation _unused_, struct failure *f _unused_) {
        return 0; /* nothing is made */
}

static void take_back(struct operation *operation _unused_) {
}

static void result(struct operation *operation, const struct job_result *answer) {
        const struct step *step = &operation->job->steps[0];
        struct failure f = FAILURE_INIT;

        if (answer && answer->lost && operation_retry(operation, answer))
                return;
        if (answer && (answer->lost || answer->failure != FAILURE_NONE))
                (void) operation_failure(operation, answer, NULL, &f);
        else if (!answer || answer->n_steps != 1 || answer->steps[0].id == 0 ||
                 answer->steps[0].id > strv_length(step->stubs))
                (void) failure_from_errno(&f, -EIO);
        else {
                find_of(operation)->found = strdup(step->stubs[answer->steps[0].id - 1]);
                if (!find_of(operation)->found)
                        (void) failure_from_errno(&f, -ENOMEM);
        }
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_FIND,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

int operation_new_find(struct pods *pods, const struct caller *caller, struct pod *pod,
                       const struct find_arguments *arguments, struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        int r = operation_new(&class, sizeof(struct find), pods, caller, pod, pod->record->uuid, NULL, &operation, f);
        struct find *find;

        if (r != 0)
                return r;
        find = find_of(operation);
        find->container = strdup(arguments->container);
        find->name = strdup(arguments->name);
        find->path = strdup(arguments->path);
        find->cwd = strdup(arguments->cwd);
        if (!find->container || !find->name || !find->path || !find->cwd)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

const char *operation_found(const struct operation *operation) {
        return operation->class == &class ? ((const struct find *) operation)->found : NULL;
}
