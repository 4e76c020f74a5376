/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the operations on a pod that is there begin and end with: its state, its container, their intent. */

#include "pod/operation-private.h"

/* Takes the pod's turn and checks that it may be changed: 0, OPERATION_WAIT, FAILURE_NO_SUCH_POD or FAILURE_BUSY. */
int container_begin(struct operation *operation, struct failure *f);
/* The container of this name, or the only one for NULL; the pod's string. */
int container_find(const struct pod *pod, const char *name, const char **ret, struct failure *f);
/* The same, and SPEC_VOLUMES for itself. */
int container_find_place(const struct pod *pod, const char *name, const char **ret, struct failure *f);

/* What a mount is that no request of a client names and that did not come along with one: "the root of a container"… */
const char *container_part(const struct record_mount *mount);

/* One transaction each. `detail` may be NULL; written again, it replaces the one before. */
int container_intend(struct operation *operation, enum record_verb verb, bool lazy, const char *detail);
void container_forget_intent(struct operation *operation);
/* The same for the intent of another job of the same operation, which is in the store. */
void container_forget_job(struct operation *operation, uint64_t job);
