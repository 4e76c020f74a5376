/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A clone of a part of a container, handed out. It takes its turn like any change of the pod, so that it never shows half
 * of one, and leaves nothing to be recorded or undone.
 */

#include <string.h>

#include "pod/container.h"
#include "util/log.h"
#include "util/path.h"

struct open_tree {
        struct operation operation;
        char *container, *path;
        int tree;
};

static struct open_tree *open_of(struct operation *operation) {
        return (struct open_tree *) operation;
}

static void release(struct operation *operation) {
        struct open_tree *opening = open_of(operation);

        free(opening->container);
        free(opening->path);
        (void) close_fd(opening->tree);
}

static int validate(struct operation *operation, struct failure *f) {
        const struct open_tree *opening = open_of(operation);
        const char *container;
        int r = pods_check_runtime(operation->pods, f);

        if (r == 0)
                r = container_begin(operation, f);
        return r != 0 ? r : container_find(operation->pod, *opening->container ? opening->container : NULL, &container, f);
}

static int plan(struct operation *operation, struct failure *f) {
        const struct open_tree *opening = open_of(operation);
        struct job_caller caller;
        struct plan_pod pod;
        const char *container;
        int r = container_find(operation->pod, *opening->container ? opening->container : NULL, &container, f);

        if (r != 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        return plan_open_tree(&pod, container, opening->path, &operation->job);
}

static int intend(struct operation *operation _unused_, struct failure *f _unused_) {
        return 0; /* the fd dies with its holder: nothing to know about after a crash */
}

static void take_back(struct operation *operation _unused_) {
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct open_tree *opening = open_of(operation);
        struct failure f = FAILURE_INIT;

        if (answer && answer->lost && operation_retry(operation, answer))
                return;
        if (!answer || answer->lost || answer->failure != FAILURE_NONE || !answer->fd) {
                if (answer)
                        (void) operation_failure(operation, answer, NULL, &f);
                else
                        (void) failure_from_errno(&f, -EIO);
        } else {
                opening->tree = TAKE_FD(*answer->fd);
                log_info("Opened %s of pod %s for uid %u", opening->path, operation->uuid, (unsigned) operation->caller.uid);
        }
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_OPEN_TREE,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

int operation_new_open_tree(struct pods *pods, const struct caller *caller, struct pod *pod, const char *container,
                            const char *path, struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        int r = operation_new(&class, sizeof(struct open_tree), pods, caller, pod, pod->record->uuid, NULL, &operation, f);

        if (r != 0)
                return r;
        open_of(operation)->tree = -1;
        r = path_normalize(path, &open_of(operation)->path);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return failure_set(f, FAILURE_INVALID_TARGET,
                                   "\"%.255s\" is no absolute path in the container, without \"..\"", path);
        open_of(operation)->container = strdup(container);
        if (!open_of(operation)->container)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

int operation_tree(const struct operation *operation) {
        return operation->class == &class ? ((const struct open_tree *) operation)->tree : -1;
}
