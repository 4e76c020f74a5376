/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps and undoes what a job has made that is not going to be recorded.
 */

#include "pod/made.h"

#include "pod/container.h"
#include "pod/doom.h"
#include "pod/intent-detail.h"
#include "pod/own-table.h"
#include "pod/registry.h"
#include "util/log.h"

void made_done(struct made *made) {
        free(made->mounts);
        *made = (struct made) {};
}

int made_keep(struct operation *operation, const struct job_result *answer, struct made *made) {
        _cleanup_free_ char *detail = NULL;
        int r;

        made->mounts = calloc(answer->n_steps + 1, sizeof(*made->mounts));
        if (!made->mounts)
                return log_oom();
        for (size_t i = 0; i < answer->n_steps; i++)
                if (answer->steps[i].mount_id != 0)
                        made->mounts[made->n_mounts++] = (struct intent_mount) {
                                .step = (uint32_t) i,
                                .id = answer->steps[i].id,
                                .mount_id = answer->steps[i].mount_id,
                        };
        r = intent_detail_write_mounts(made->mounts, made->n_mounts, &detail);
        return r < 0 ? r : container_intend(operation, RECORD_VERB_MOUNT, false, detail);
}

int made_undo_job(struct operation *operation, const struct made *made, struct job **ret, struct failure *f) {
        _cleanup_free_ struct plan_doomed *doomed = NULL;
        struct job_caller caller;
        struct plan_pod pod;
        size_t n = 0;
        int r;

        r = pods_sync_pod(operation->pods, operation->pod);
        if (r >= 0)
                r = doom_made(operation->pods, operation->uuid, made->mounts, made->n_mounts, &doomed, &n);
        if (r < 0 || n == 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        pod.fd_names = NULL;
        return plan_unmount(&pod, doomed, n, true, ret, f);
}
