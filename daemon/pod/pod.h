/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A pod: its record, what runs on it, and how far the kernel departs from the record. It knows no bus.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"
#include "table/entry.h"

struct operation;

enum pod_state { POD_CREATING, POD_READY, POD_DEGRADED, POD_STOPPING, POD_FAILED };
/* The word of the contract. */
const char *pod_state_name(enum pod_state state);

enum drift_kind { DRIFT_MISSING, DRIFT_EXTRA, DRIFT_CHANGED };
/* The word of the contract. */
const char *drift_kind_name(enum drift_kind kind);

struct drift {
        enum drift_kind kind;
        uint64_t id;       /* of the record's or the foreign mount */
        int64_t row;       /* of the record; 0 for a foreign mount */
        char *container;
        char *target;      /* as the container sees it */
        char *detail;      /* what is different: "rw -> ro", "unmounted"… */
};

struct pod {
        struct record_pod *record;
        char *object_path;
        struct drift *drifts;
        size_t n_drifts;
        struct operation *running; /* the operation that changes it now; drift is not judged meanwhile */
        struct operation *waiting; /* those whose turn comes after it, in order */
        char *name_key;            /* "<owner>:<name>", the key in the registry's names; NULL without a name */
        char **layers;             /* that its containers stand on, an id for each of them: they are held (pod/layer-root.h) */
        uint64_t collection;       /* a collection that was begun and left so: the job of its intent, else 0 */
        struct lease *lease;       /* NULL: it stays until it is collected (pod/lease.h) */
        struct own_table *own;     /* of one with a mount namespace to itself, else NULL (pod/own-table.h); the pods' */
        bool announced;            /* the observer was told of it: not so while it is created */
        bool judge_again;          /* the table changed while an operation ran */
        bool judge_next;           /* mounts were recorded that may be gone before the table has ever seen them */
};

/* Takes the record over (also on failure). */
int pod_new(struct record_pod *record, struct pod **ret);
struct pod *pod_free(struct pod *pod);
DEFINE_CLEANUP(struct pod *, pod_free)

/* The state that clients see: the record's, and POD_DEGRADED for a ready one with drift. */
enum pod_state pod_get_state(const struct pod *pod);
/* The pod's own tmpfs; NULL before it is published. */
const struct record_mount *pod_tree_mount(const struct pod *pod);
/* Whether it is ready, or was before its collection: that of a creation that failed has no tree on record. */
bool pod_was_ready(const struct pod *pod);
/* The mount recorded last at a container's target; NULL if there is none. */
struct record_mount *pod_find_mount(const struct pod *pod, const char *container, const char *target);
struct record_mount *pod_find_mount_id(const struct pod *pod, uint64_t id);
bool pod_has_container(const struct pod *pod, const char *container);
/* "/org/podmount1/pod/<uuid with _>"; NULL when memory is short. */
char *pod_object_path(const char *uuid);

/* Any spelling of a UUID as the store keeps it: lower-case, with dashes. -EINVAL, also for the UUID of zeros,
 * -ENOMEM. */
int pod_uuid_canonical(const char *text, char **ret);
/* Whether this could be a UUID, or at least 8 leading digits of one, in any spelling: no name may look like that. */
bool pod_looks_like_uuid(const char *text);
/* Whether `prefix`, which looks like one, is how `uuid` (canonical) begins. */
bool pod_uuid_has_prefix(const char *uuid, const char *prefix);
