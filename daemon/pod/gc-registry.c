/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pod/gc-registry.h"

#include "pod/history.h"
#include "pod/registry.h"
#include "util/event.h"
#include "util/log.h"
#include "util/text.h"

bool gc_registry_is_due(const struct gc_registry *registry, const struct operation *operation) {
        return operation->pod && operation->pods->unregister && !registry->ended && pod_was_ready(operation->pod);
}

static void end(struct gc_registry *registry, const char *failure) {
        struct operation *operation = registry->operation;
        _cleanup_free_ char *text = failure ? text_format("the pod's registry was not told: %s", failure) : NULL;

        registry->question = NULL;
        registry->begun = false;
        registry->ended = true;
        if (failure) {
                if (!text || strv_append(&operation->warnings, text) < 0)
                        (void) log_oom();
                event_log(EVENT_REGISTRY_NOT_TOLD, EVENT_OF_POD(operation->uuid), "The registry was not told that pod %s goes: %s. The pod is collected all the same",
                          operation->uuid, failure);
                history_add_event(operation->pods, operation->uuid, EVENT_REGISTRY_NOT_TOLD, 0, NULL, failure);
        }
        registry->go_on(operation);
}

static void on_unregistered(const char *failure, void *userdata) {
        end(userdata, failure);
}

void gc_registry_tell(struct gc_registry *registry, struct operation *operation, void (*go_on)(struct operation *operation)) {
        struct pods *pods = operation->pods;
        _cleanup_free_ char *directory = pods_directory(pods, operation->uuid);

        registry->operation = operation;
        registry->go_on = go_on;
        if (directory && pods->unregister) /* the bus may have gone since */
                registry->question = pods->unregister(operation->uuid, directory, on_unregistered, registry, pods->unregister_userdata);
        if (!registry->question)
                end(registry, directory && !pods->unregister ? NULL : "the question could not be asked");
}

void gc_registry_done(struct gc_registry *registry) {
        if (registry->question)
                registry->operation->pods->cancel_unregister(registry->question);
        registry->question = NULL;
}
