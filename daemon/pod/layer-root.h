/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Layers that containers have as their roots. A pod holds each as "pod:<uuid>", as often as containers of it stand on it: from
 * before it is on record until after it is forgotten, so that what a crash leaves is at most a holder without a pod, which the
 * next start lets go. Of the two databases that of the pods is right.
 */

#include "pod/operation-private.h"
#include "spec/wanted.h"

/* What a spec's roots are of. */
struct layer_roots {
        struct wanted_layer *layers;
        const char ***below;  /* of each, owned… */
        struct idmap *idmaps; /* …and its mappings */
        size_t n;
};
void layer_roots_done(struct layer_roots *roots);
#define _cleanup_layer_roots_ _cleanup_(layer_roots_done)

/* Looks up all of them, for the operation's caller, into the facts. OPERATION_WAIT while one is being changed, FAILURE_NO_SUCH_LAYER,
 * FAILURE_LAYER_IN_USE for a read-write one that somebody has, FAILURE_NOT_SUPPORTED without a layer store. Not `wait`: a dry run. */
int layer_roots_find(struct operation *operation, const struct spec *spec, bool wait, struct wanted_facts *facts, struct layer_roots *ret,
                     struct failure *f);

/* Holds what the roots among `wanted` (NULL: none) are of, beside what the pod's record has. FAILURE_QUOTA_EXCEEDED on a full
 * disk; nothing is changed when it fails. */
int layer_roots_hold(struct pods *pods, struct pod *pod, const struct wanted *wanted, struct failure *f);
/* Lets go what the pod's record has not. Logs what goes wrong: the next start does it. */
void layer_roots_settle(struct pods *pods, struct pod *pod);
/* Lets all go, when the pod is on no record any more. Logs likewise. */
void layer_roots_release(struct pods *pods, struct pod *pod);

/* At the start, when the pods are loaded: holders of pods that are no more go, and each pod knows what it holds. */
void layer_roots_recover(struct pods *pods);
/* Then: the pod's record against that, unless an interrupted call is still to be undone or finished. */
void layer_roots_compare(struct pods *pods, struct pod *pod, const struct record_intent *intents, size_t n_intents);
