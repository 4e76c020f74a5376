/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a job on a living pod had made when its executor was lost or its record could not be written: kept in the
 * store, so that a crash now loses none of it, and detached.
 */

#include "pod/operation-private.h"

struct made {
        struct intent_mount *mounts;
        size_t n_mounts;
};
void made_done(struct made *made);

/* Takes from the answer what was made and writes it into the operation's intent: the intent file of the executor serves
 * other jobs from now on. `made` is empty before. -ENOMEM, or as store_put_intent(). */
int made_keep(struct operation *operation, const struct job_result *answer, struct made *made);
/* The job that detaches it; NULL when the kernel has none of it. A function for operation_class.undo_job. */
int made_undo_job(struct operation *operation, const struct made *made, struct job **ret, struct failure *f);
