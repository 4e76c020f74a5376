/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a job on a living pod had made when its executor was lost or its record could not be written: kept in the
 * store, so that a crash now loses none of it, and detached.
 */

#include "pod/operation-private.h"

struct made_point {
        char *place;   /* the container's name followed by the target */
        uint32_t made; /* trailing components of it */
        bool file;     /* the last of them */
};

struct made {
        struct intent_mount *mounts;
        size_t n_mounts;
        struct made_point *points; /* mount points on what the pod stood on before */
        size_t n_points;
};
void made_done(struct made *made);
/* Copies the place. -ENOMEM. */
int made_add_point(struct made *made, const char *place, uint32_t components, bool file);
/* What a job had made, by what is left of its intent file. `made` is empty before. -ENOMEM. */
int made_from_entries(const struct intent_mount *entries, size_t n, struct made *made);

/* Takes from the answer what was made and writes it into the operation's intent: the intent file of the executor serves
 * other jobs from now on. `made` is empty before. -ENOMEM, or as store_put_intent(). */
int made_keep(struct operation *operation, const struct job_result *answer, struct made *made);
/* The job that detaches it; NULL when the kernel has none of it. A function for operation_class.undo_job. */
int made_undo_job(struct operation *operation, const struct made *made, struct job **ret, struct failure *f);
