/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bringing network interfaces back that were on the way to a container's process when a crash came. No intent says so: their
 * own records do, until they are where they were.
 */

#include <string.h>

#include "pod/container.h"
#include "pod/links.h"
#include "pod/operation-private.h"
#include "pod/registry.h"
#include "util/event.h"
#include "util/log.h"

static int validate(struct operation *operation, struct failure *f) {
        return container_begin(operation, f);
}

static int plan(struct operation *operation, struct failure *f _unused_) {
        struct job_caller caller;
        struct plan_pod pod;

        operation_plan_pod(operation, false, &caller, &pod);
        return links_plan_leave(&pod, operation->pod->record, NULL, true, &operation->job);
}

static int intend(struct operation *operation _unused_, struct failure *f _unused_) {
        return 0;
}

static void take_back(struct operation *operation _unused_) {
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct record_pod *record = operation->pod->record;
        struct store *store = operation->pods->store;
        struct failure f = FAILURE_INIT;
        int r = 0;

        if (answer && (answer->lost || answer->failure != FAILURE_NONE)) {
                if (operation_retry(operation, answer))
                        return;
                (void) operation_failure(operation, answer, NULL, &f);
                event_log(EVENT_RECOVERY_FAILED, EVENT_OF_POD(operation->uuid),
                          "Network interfaces of pod %s are half on the way to a process: %s", operation->uuid, f.text);
        } else {
                links_set(record, NULL, RECORD_LINK_MOVING, RECORD_LINK_OUTSIDE);
                r = store_begin(store);
                if (r == 0)
                        r = store_put_pod(store, record);
                r = store_end(store, r);
                if (r < 0)
                        (void) failure_from_errno(&f, r); /* logged; the next start does it once more */
        }
        operation_end(operation, &f);
}

static void release(struct operation *operation _unused_) {
}

static const struct operation_class class = {
        .verb = OPERATION_PREPARE_PROCESS,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

int operation_new_links_back(struct pods *pods, struct pod *pod, struct operation **ret, struct failure *f) {
        return operation_new(&class, sizeof(struct operation), pods, &caller_house, pod, pod->record->uuid, NULL, ret, f);
}
