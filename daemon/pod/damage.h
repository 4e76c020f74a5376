/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Damage: each mount of a pod that is not as recorded, and what Repair() does about it. Only what is missing is made
 * again; the rest is told and left. Pure.
 */

#include "pod/drift.h"
#include "util/failure.h"

enum damage_outcome {
        DAMAGE_PENDING,      /* missing, and to be made again */
        DAMAGE_REPAIRED,
        DAMAGE_WOULD_REPAIR, /* a dry run */
        DAMAGE_LEFT,         /* not repaired by intention: the message says why and what to do */
        DAMAGE_FAILED,       /* tried, and nothing of it is left */
        DAMAGE_DEFERRED,     /* no damage: waits for its namespace */
};
/* The word of the contract; NULL for DAMAGE_PENDING. */
const char *damage_outcome_name(enum damage_outcome outcome);

struct damage {
        enum damage_outcome outcome;
        enum failure_kind failure; /* of DAMAGE_FAILED */
        const char *state;         /* "missing", "extra", "changed", "deferred" */
        int64_t row, ground_row;   /* of the record and of that of the mount that it lies on; 0 without one */
        size_t ground;             /* the damage of that mount, SIZE_MAX for none */
        uint64_t id;               /* the mount's; once repaired, the new one's */
        char *container, *target;
        char *message;             /* one sentence; NULL while it is pending */
};

/* Whether it is a path of a container that is hidden or read-only: target and type say all of it. */
bool damage_is_path(const struct record_mount *mount);

/* What there is of it: recorded mounts in the record's order, then foreign ones. `drifts` as drift_judge() says of this
 * record; `container` NULL for all. What came along with a recursive clone that is pending has none of its own: it comes
 * along again. The array is the caller's. -ENOMEM. */
int damage_survey(const struct record_pod *record, const struct drift *drifts, size_t n_drifts, const char *container,
                  struct damage **ret, size_t *ret_n);
void damages_free(struct damage *damages, size_t n);

/* Ends a damage; a message that memory is too short for is left out. */
void damage_settle(struct damage *damage, enum damage_outcome outcome, const char *format, ...) _printf_(3, 4);
