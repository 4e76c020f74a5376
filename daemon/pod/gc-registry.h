/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The registry that knows of a pod, machined, is told before the pod is collected, and before its gc program runs. That it could not be
 * told is a warning.
 */

#include "pod/operation-private.h"

/* Where a collection stands with it. */
struct gc_registry {
        bool begun, ended;
        struct operation *operation;
        void (*go_on)(struct operation *operation);
        void *question;
};

/* Whether it is to be told before the collection goes on. */
bool gc_registry_is_due(const struct gc_registry *registry, const struct operation *operation);
/* Tells it. `go_on` is called once, from here or from the event loop; the operation may be gone afterwards. */
void gc_registry_tell(struct gc_registry *registry, struct operation *operation, void (*go_on)(struct operation *operation));
/* Waits no longer. */
void gc_registry_done(struct gc_registry *registry);
