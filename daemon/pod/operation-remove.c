/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of one container of a living pod. Strictly it goes as a whole: where something is busy, the executor mounts
 * again what it had unmounted, and the record learns the new ids. What a crash interrupts is finished lazily, since half
 * a container is of no use to anybody.
 */

#include <string.h>

#include "pod/container.h"
#include "pod/directories.h"
#include "pod/doom.h"
#include "pod/intent-detail.h"
#include "pod/layer-root.h"
#include "pod/links.h"
#include "pod/own-table.h"
#include "pod/points.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "pod/renewing.h"
#include "pod/sharing.h"
#include "pod/within.h"
#include "util/array.h"
#include "util/event.h"
#include "util/log.h"
#include "util/path.h"

struct remove {
        struct operation operation;
        char *name;
        bool lazy, missing_ok;
        bool finish; /* what a crash interrupted: its intent is there */
};

static struct remove *remove_of(struct operation *operation) {
        return (struct remove *) operation;
}

static void release(struct operation *operation) {
        free(remove_of(operation)->name);
}

static int validate(struct operation *operation, struct failure *f) {
        struct remove *remove = remove_of(operation);
        const char *name;
        int r;

        r = pods_check_runtime(operation->pods, f);
        if (r == 0)
                r = container_begin(operation, f);
        if (r != 0 || remove->finish)
                return r;
        if (remove->missing_ok && !pod_has_container(operation->pod, remove->name))
                return OPERATION_FINISHED;
        r = container_find(operation->pod, remove->name, &name, f);
        if (r != 0)
                return r;
        if (strv_length(operation->pod->record->containers) == 1)
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "Container %s is the only one of pod %s; collect the pod with podmountctl gc %s.",
                                   remove->name, operation->uuid, operation->uuid);
        return 0;
}

static int plan(struct operation *operation, struct failure *f) {
        struct remove *remove = remove_of(operation);
        _cleanup_free_ char *directory = pods_directory(operation->pods, operation->uuid);
        _cleanup_free_ char *point = directory ? path_join(directory, remove->name) : NULL;
        _cleanup_free_ char *rootfs = path_join(remove->name, "rootfs");
        _cleanup_free_ struct plan_doomed *doomed = NULL;
        _cleanup_free_ struct plan_directory *directories = NULL;
        _cleanup_free_ struct plan_inside *inside = NULL;
        const struct directories_which which = {.container = remove->name};
        struct job_caller caller;
        struct plan_pod pod;
        size_t n = 0, n_directories = 0, n_points = 0, n_inside = 0;
        int r;

        if (!point || !rootfs)
                return log_oom();
        r = pods_sync_pod_below(operation->pods, operation->pod, point);
        if (r < 0)
                return log_errno(LOG_ERR, r, "read the mount table");
        r = doom_container(operation->pods, operation->pod->record, remove->name, &doomed, &n);
        /* A crash may have come between the last mount and its mount point. */
        if (r == 0 && n == 0)
                r = doom_place(operation->pod->record, remove->name, rootfs, &doomed, &n);
        if (r == 0)
                r = points_doom(operation->pods, operation->pod->record, (struct points_which) {.container = remove->name},
                                &directories, &n_directories);
        n_points = n_directories;
        if (r == 0)
                r = directories_doom(operation->pod->record, which, &directories, &n_directories);
        if (r == 0)
                r = sharing_spare(operation->pods, operation->pod, remove->name, doomed, n, directories, n_directories);
        if (r < 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        pod.fd_names = NULL;
        if (n_directories > 0)
                caller = directories_owner(operation->pod->record);
        r = plan_remove_container(&pod, doomed, n, remove->lazy, &operation->job, f);
        if (r == 0)
                r = plan_unmake(&pod, directories, n_directories, &operation->job);
        if (r == 0)
                r = plan_unmake_first(&pod, directories, n_points, &operation->job);
        if (r == 0)
                r = within_list(operation->pod, remove->name, &inside, &n_inside);
        if (r == 0)
                r = plan_withdraw(&pod, inside, n_inside, remove->lazy, &operation->job);
        return r != 0 ? r : links_plan_leave(&pod, operation->pod->record, remove->name, false, &operation->job);
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        struct remove *remove = remove_of(operation);
        _cleanup_free_ char *detail = NULL;
        int r;

        if (remove->finish)
                return 0;
        r = intent_detail_write_container(remove->name, NULL, &detail);
        return r < 0 ? r : container_intend(operation, RECORD_VERB_REMOVE_CONTAINER, remove->lazy, detail);
}

static void take_back(struct operation *operation) {
        if (!remove_of(operation)->finish)
                container_forget_intent(operation);
}

static bool is_of(const struct record_mount *mount, const char *container) {
        return strcmp(mount->container, container) == 0 ||
               (mount->container[0] == '\0' && strcmp(mount->target, container) == 0);
}

static int drop(struct remove *remove) {
        struct operation *operation = &remove->operation;
        const struct record_pod *record = operation->pod->record;
        _cleanup_free_ int64_t *rows = calloc(record->n_mounts + 1, sizeof(*rows));
        _cleanup_free_ int64_t *inside = NULL;
        struct links_change links = {};
        size_t n = 0, n_inside = 0;
        int r;

        if (!rows)
                return log_oom();
        for (size_t i = 0; i < record->n_mounts; i++)
                if (is_of(&record->mounts[i], remove->name))
                        rows[n++] = record->mounts[i].row;
        r = within_rows(operation->pod, remove->name, &inside, &n_inside);
        if (r == 0 && n_inside > 0)
                r = within_drop(operation->pods, operation->pod, inside, n_inside, 0);
        if (r == 0)
                r = links_leave(operation->pod->record, remove->name, &links);
        if (r < 0)
                return r;
        r = recording_drop_container(operation->pods, operation->pod, remove->name, rows, n, operation->job_id);
        links_end(operation->pod->record, &links, r == 0);
        return r;
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct remove *remove = remove_of(operation);
        struct failure f = FAILURE_INIT;

        if (answer && answer->lost) {
                remove->lazy = true; /* some of it may be gone */
                if (operation_retry(operation, answer))
                        return;
        }
        if (answer && (answer->lost || answer->failure != FAILURE_NONE)) {
                (void) operation_failure(operation, answer, NULL, &f);
                (void) within_drop_gone(operation->pods, operation->pod, operation->job, answer, 0, &f); /* logged; a look tells, too */
                (void) renewing_take(operation->pods, operation->pod, operation->job, answer, operation->job_id); /* logged; drift shows it */
        } else if (drop(remove) < 0)
                (void) failure_from_errno(&f, -EIO);
        else {
                layer_roots_settle(operation->pods, operation->pod);
                event_log(EVENT_CONTAINER_REMOVED, EVENT_OF_POD(operation->uuid), "Removed container %s from pod %s", remove->name, operation->uuid);
                tell_changed(operation->pods, operation->pod);
        }
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_REMOVE_CONTAINER,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

static int new_remove(struct pods *pods, const struct caller *caller, struct pod *pod, const char *name,
                      struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        int r;

        r = operation_new(&class, sizeof(struct remove), pods, caller, pod, pod->record->uuid, NULL, &operation, f);
        if (r != 0)
                return r;
        remove_of(operation)->name = strdup(name);
        if (!remove_of(operation)->name)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

int operation_new_remove_container(struct pods *pods, const struct caller *caller, struct pod *pod,
                                   const struct container_arguments *arguments, struct operation **ret,
                                   struct failure *f) {
        int r = new_remove(pods, caller, pod, arguments->name, ret, f);

        if (r != 0)
                return r;
        remove_of(*ret)->lazy = arguments->lazy;
        remove_of(*ret)->missing_ok = arguments->missing_ok;
        return 0;
}

int operation_new_finish_remove(struct pods *pods, struct pod *pod, uint64_t job, const char *container,
                                struct operation **ret, struct failure *f) {
        int r = new_remove(pods, &caller_house, pod, container, ret, f);

        if (r != 0)
                return r;
        remove_of(*ret)->lazy = remove_of(*ret)->finish = true;
        (*ret)->job_id = job;
        return 0;
}
