/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ways in to a living pod: whose turn it is, whether its state allows a change, which container is meant.
 */

#include "pod/container.h"

#include <string.h>

#include "pod/turn.h"
#include "util/array.h"
#include "util/log.h"

int container_begin(struct operation *operation, struct failure *f) {
        struct pod *pod = operation->pod;

        if (!pod)
                return failure_set(f, FAILURE_NO_SUCH_POD, "Pod %s was collected meanwhile.", operation->uuid);
        if (!turn_take(operation, pod))
                return OPERATION_WAIT;
        switch (pod->record->state) {
        case RECORD_READY:
                return 0;
        case RECORD_CREATING:
                return failure_set(f, FAILURE_BUSY, "Pod %s is left over from an interrupted creation; collect it "
                                                    "with podmountctl "
                                   "gc %s.", operation->uuid, operation->uuid);
        case RECORD_STOPPING:
                return failure_set(f, FAILURE_BUSY, "Pod %s is being collected.", operation->uuid);
        case RECORD_FAILED:
        case _RECORD_STATE_MAX:
                break;
        }
        return failure_set(f, FAILURE_BUSY, "Pod %s failed (%s); collect it with podmountctl gc %s.", operation->uuid,
                           pod->record->reason ?: "no reason is on record", operation->uuid);
}

int container_find(const struct pod *pod, const char *name, const char **ret, struct failure *f) {
        _cleanup_free_ char *names = strv_join(pod->record->containers, ", ");

        if (!names)
                return log_oom();
        if (!name) {
                if (strv_length(pod->record->containers) != 1)
                        return failure_set(f, FAILURE_INVALID_ARGS, "Pod %s has several containers; name one of "
                                                                    "them: %s.",
                                           pod->record->uuid, names);
                *ret = pod->record->containers[0];
                return 0;
        }
        for (char **container = pod->record->containers; container && *container; container++)
                if (strcmp(*container, name) == 0) {
                        *ret = *container;
                        return 0;
                }
        return failure_set(f, FAILURE_NO_SUCH_CONTAINER, "Pod %s has no container \"%.128s\"; it has: %s.",
                           pod->record->uuid, name, names);
}

const char *container_part(const struct record_mount *mount) {
        if (mount->container[0] == '\0')
                return "the tree";
        if (strcmp(mount->container, SPEC_HOST) == 0)
                return "a mount on the host";
        if (strcmp(mount->type, "mask") == 0)
                return "a hidden path";
        return strcmp(mount->type, "readonly") == 0 ? "a read-only path" : "the root of a container";
}

int container_find_place(const struct pod *pod, const char *name, const char **ret, struct failure *f) {
        const bool host = name && strcmp(name, SPEC_HOST) == 0 && pod->record->n_host > 0;

        if (!name || (strcmp(name, SPEC_VOLUMES) != 0 && !host))
                return container_find(pod, name, ret, f);
        *ret = host ? SPEC_HOST : SPEC_VOLUMES;
        return 0;
}

int container_intend(struct operation *operation, enum record_verb verb, bool lazy, const char *detail) {
        _cleanup_free_ char *copy = detail ? strdup(detail) : NULL;
        const struct record_intent intent = {
                .job = operation->job_id, .uuid = operation->uuid, .verb = verb, .lazy = lazy, .detail = copy};
        struct store *store = operation->pods->store;
        int r;

        if (detail && !copy)
                return log_oom();
        if (verb == RECORD_VERB_MOUNT && store_note_intent(store, &intent))
                return 0;
        r = store_begin(store);
        if (r == 0)
                r = store_put_intent(store, &intent);
        r = store_end(store, r);
        return r < 0 ? log_errno(LOG_ERR, r, "write down what is to be done to pod %s", operation->uuid) : 0;
}

void container_forget_intent(struct operation *operation) {
        if (!store_forget_noted(operation->pods->store, operation->job_id))
                container_forget_job(operation, operation->job_id);
}

void container_forget_job(struct operation *operation, uint64_t job) {
        struct store *store = operation->pods->store;
        int r = store_begin(store);

        if (r == 0)
                r = store_delete_intent(store, job);
        r = store_end(store, r);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "forget a job of pod %s", operation->uuid); /* the next start does it */
}
