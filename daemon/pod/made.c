/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps and undoes what a job has made that is not going to be recorded.
 */

#include "pod/made.h"

#include <string.h>

#include "pod/container.h"
#include "pod/directories.h"
#include "pod/doom.h"
#include "pod/intent-detail.h"
#include "pod/own-table.h"
#include "pod/points.h"
#include "pod/registry.h"
#include "pod/sharing.h"
#include "util/array.h"
#include "util/log.h"
#include "util/text.h"

void made_done(struct made *made) {
        for (size_t i = 0; i < made->n_points; i++)
                free(made->points[i].place);
        free(made->points);
        free(made->mounts);
        *made = (struct made) {};
}

int made_add_point(struct made *made, const char *place, uint32_t components, bool file) {
        char *copy = strdup(place);
        struct made_point *point = copy ? array_append(&made->points, &made->n_points) : NULL;

        if (!point) {
                free(copy);
                return log_oom();
        }
        *point = (struct made_point) {.place = copy, .made = components, .file = file};
        return 0;
}

int made_from_entries(const struct intent_mount *entries, size_t n, struct made *made) {
        made->mounts = calloc(n + 1, sizeof(*made->mounts));
        if (!made->mounts)
                return log_oom();
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *place = NULL;
                uint32_t components = 0;
                enum intent_directory which = intent_is_directory(&entries[i], &components);
                int r;

                if (intent_is_mount(&entries[i]))
                        made->mounts[made->n_mounts++] = entries[i];
                if (which != INTENT_POINT && which != INTENT_POINT_FILE)
                        continue;
                r = intent_place_of(entries, i, &place);
                if (r == 1)
                        r = made_add_point(made, place, components, which == INTENT_POINT_FILE);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The points among what a job that ran to its end, or was lost, has made; what lies on its own mounts goes with these. */
static int keep_points(const struct job *job, const struct job_result *answer, struct made *made) {
        for (size_t i = 0; job && i < answer->n_steps && i < job->n_steps; i++) {
                const struct step *step = &job->steps[i];
                const struct step_result *result = &answer->steps[i];
                _cleanup_free_ char *place = NULL;
                int r;

                if (result->made == 0 || step->create != STEP_CREATE_AS_CALLER || step->cover_step != STEP_NO_COVER)
                        continue;
                place = text_format("%s%s", step->container, step->target);
                r = place ? made_add_point(made, place, result->made, result->made_file) : log_oom();
                if (r < 0)
                        return r;
        }
        return 0;
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
        r = keep_points(operation->job, answer, made);
        if (r == 0)
                r = intent_detail_write_made(made, &detail);
        return r < 0 ? r : container_intend(operation, RECORD_VERB_MOUNT, false, detail);
}

int made_undo_job(struct operation *operation, const struct made *made, struct job **ret, struct failure *f) {
        _cleanup_free_ struct plan_directory *directories = NULL;
        _cleanup_free_ struct plan_doomed *doomed = NULL;
        size_t n = 0, n_directories = 0;
        struct job_caller caller;
        struct plan_pod pod;
        int r;

        r = pods_sync_pod(operation->pods, operation->pod);
        if (r >= 0)
                r = doom_made(operation->pods, operation->uuid, made->mounts, made->n_mounts, &doomed, &n);
        if (r >= 0)
                r = points_doom_made(operation->pod->record, made, &directories, &n_directories);
        if (r >= 0)
                r = sharing_spare(operation->pods, operation->pod, "", doomed, n, directories, n_directories);
        if (r < 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        pod.fd_names = NULL;
        if (n_directories > 0)
                caller = directories_owner(operation->pod->record);
        r = n > 0 ? plan_unmount(&pod, doomed, n, true, ret, f) : 0;
        return r != 0 || n_directories == 0 ? r : plan_unmake(&pod, directories, n_directories, ret);
}
