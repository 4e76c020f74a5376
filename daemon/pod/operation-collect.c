/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Collecting a pod, or the leftovers of one that nobody knows. Strictly it is all or nothing: whatever is busy keeps the whole
 * pod, for what was unmounted before is mounted again, under new ids. Lazily, one detach of its tree takes all.
 */

#include <string.h>

#include "pod/cgroups.h"
#include "pod/directories.h"
#include "pod/doom.h"
#include "pod/footing.h"
#include "pod/gc-program.h"
#include "pod/gc-registry.h"
#include "pod/layer-root.h"
#include "pod/links.h"
#include "pod/operation-private.h"
#include "pod/own-table.h"
#include "pod/points.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "pod/renewing.h"
#include "pod/sharing.h"
#include "pod/turn.h"
#include "pod/within.h"
#include "util/event.h"
#include "util/log.h"

struct collect {
        struct operation operation;
        bool lazy, dry_run, orphan;
        char *reason;
        struct gc_registry registry; /* is told first, or… */
        struct gc_program registry_program; /* …this one, if the configuration has one… */
        struct gc_program program;   /* …then this one runs */
        bool begun_to_unmount;       /* none of them is due any more */
        enum record_state before; /* what the pod goes back to when it is busy */
};

static struct collect *collect_of(struct operation *operation) {
        return (struct collect *) operation;
}

static void release(struct operation *operation) {
        gc_registry_done(&collect_of(operation)->registry);
        gc_program_done(&collect_of(operation)->registry_program, operation->pods);
        gc_program_done(&collect_of(operation)->program, operation->pods);
        free(collect_of(operation)->reason);
}

static int check_leftover(const struct operation *operation, struct failure *f) {
        if (!map_get(operation->pods->by_uuid, operation->uuid))
                return 0;
        return failure_set(f, FAILURE_BUSY, "Pod %s is no leftover any more; it was created meanwhile.", operation->uuid);
}

static int validate_orphan(const struct collect *collect, struct failure *f) {
        const struct operation *operation = &collect->operation;
        _cleanup_free_ char *uuid = NULL;
        int r;

        if (pod_uuid_canonical(operation->uuid, &uuid) < 0 || strcmp(uuid, operation->uuid) != 0)
                return failure_set(f, FAILURE_INVALID_TARGET, "%s/pods/%s is no directory that podmountd made; "
                                                              "unmount and remove it by "
                                   "hand.", operation->pods->runtime_directory, operation->uuid);
        r = check_leftover(operation, f);
        return r == 0 && collect->dry_run ? OPERATION_FINISHED : r;
}

static int validate(struct operation *operation, struct failure *f) {
        struct collect *collect = collect_of(operation);
        int r;

        r = pods_check_runtime(operation->pods, f);
        if (r != 0)
                return r;
        if (collect->orphan)
                return validate_orphan(collect, f);
        if (!operation->pod)
                return failure_set(f, FAILURE_NO_SUCH_POD, "Pod %s was collected meanwhile.", operation->uuid);
        if (collect->dry_run)
                return OPERATION_FINISHED;
        return turn_take(operation, operation->pod) ? 0 : OPERATION_WAIT;
}

/* What is to go. Lazily, only those are looked at again whose mount points, which podmount made in somebody's root, are to go as well, wherever a rename has
 * taken them: all else goes with the tree, and never comes back. */
static int doom(const struct collect *collect, const char *directory, struct plan_doomed **doomed, size_t *n) {
        const struct operation *operation = &collect->operation;
        const struct record_pod *record = operation->pod ? operation->pod->record : NULL;
        _cleanup_free_ uint64_t *ids = NULL;
        size_t n_ids = 0, n_unknown = 0;
        int r = doom_pod(operation->pods, operation->uuid, record, collect->lazy, doomed, n);

        if (r < 0 || !collect->lazy || !operation->pod)
                return r;
        ids = calloc(*n + 1, sizeof(*ids));
        if (!ids)
                return log_oom();
        for (size_t i = 0; i < *n; i++)
                if ((*doomed)[i].made > 0 && !(*doomed)[i].host) {
                        ids[n_ids++] = (*doomed)[i].id;
                        n_unknown += (*doomed)[i].id == 0;
                }
        if (n_ids == 0)
                return 0;
        r = n_unknown > 0 ? pods_sync_pod_below(operation->pods, operation->pod, directory) : footing_look_at(operation->pods, operation->pod, ids, n_ids);
        if (r < 0)
                return r;
        free(TAKE_PTR(*doomed));
        return doom_pod(operation->pods, operation->uuid, record, true, doomed, n);
}

static int plan(struct operation *operation, struct failure *f) {
        struct collect *collect = collect_of(operation);
        _cleanup_free_ char *directory = pods_directory(operation->pods, operation->uuid);
        const struct record_pod *record = operation->pod ? operation->pod->record : NULL;
        _cleanup_free_ struct plan_doomed *doomed = NULL;
        _cleanup_free_ struct plan_directory *directories = NULL;
        _cleanup_free_ struct plan_inside *inside = NULL;
        struct job_caller caller;
        struct plan_pod pod;
        size_t n = 0, n_directories = 0, n_points = 0, n_inside = 0;
        bool deserted;
        int r;

        if (!directory)
                return log_oom();
        r = collect->orphan ? check_leftover(operation, f) : 0; /* it may be another try */
        if (r != 0)
                return r;
        /* Whatever was begun is not told, and nothing runs in it. */
        if (!collect->begun_to_unmount && gc_program_is_due(&collect->registry_program, operation))
                return gc_program_plan(&collect->registry_program, operation);
        if (!collect->begun_to_unmount && operation->pods->settings->registry_program[0] == '\0' && gc_registry_is_due(&collect->registry, operation)) {
                operation_plan_pod(operation, false, &caller, &pod); /* no job, but its number */
                collect->registry.begun = true;
                return 0;
        }
        if (!collect->begun_to_unmount && gc_program_is_due(&collect->program, operation))
                return gc_program_plan(&collect->program, operation);
        collect->begun_to_unmount = true;
        r = collect->lazy ? pods_sync_pod(operation->pods, operation->pod) : pods_sync_pod_below(operation->pods, operation->pod, directory);
        if (r < 0)
                return log_errno(LOG_ERR, r, "read the mount table");
        deserted = operation->pod && !collect->lazy && own_table_is_astray(operation->pods, operation->pod); /* what cannot be found goes with it */
        r = operation->pod ? footing_look_host(operation->pods, operation->pod) : 0;
        if (r < 0)
                return r;
        r = doom(collect, directory, &doomed, &n);
        if (r == 0)
                r = points_doom(operation->pods, record, (struct points_which) {}, &directories, &n_directories);
        n_points = n_directories;
        if (r == 0)
                r = directories_doom(record, (struct directories_which) {}, &directories, &n_directories);
        if (r == 0)
                r = sharing_spare(operation->pods, operation->pod, NULL, doomed, n, directories, n_directories);
        if (r < 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        if (!operation->pod && n == 0) /* what lies in the namespace goes with it */
                pod.private = pods_has_pin(operation->pods, operation->uuid);
        if (n_directories > 0)
                caller = directories_owner(record);
        r = plan_collect(&pod, doomed, n, directories, n_directories, collect->lazy, &operation->job, f);
        if (r == 0 && deserted)
                operation->job->steps[operation->job->n_steps - 1].flags |= STEP_DESERTED;
        if (r == 0)
                r = plan_unmake_first(&pod, directories, n_points, &operation->job);
        if (r == 0 && operation->pod)
                r = links_plan_leave(&pod, record, NULL, false, &operation->job);
        if (r != 0 || !operation->pod)
                return r;
        r = within_list(operation->pod, NULL, &inside, &n_inside);
        if (r == 0)
                r = plan_withdraw(&pod, inside, n_inside, collect->lazy, &operation->job);
        return r < 0 ? r : cgroups_doom(record, &pod, &operation->job);
}

static int set_state(struct operation *operation, enum record_state state, const struct record_intent *intent) {
        struct store *store = operation->pods->store;
        int r = store_begin(store);

        if (r == 0)
                r = store_set_state(store, operation->uuid, state, operation->pod->record->reason);
        if (r == 0)
                r = intent ? store_put_intent(store, intent) : store_delete_intent(store, operation->job_id);
        if (r == 0 && operation->pod->collection != 0) /* this one takes its place */
                r = store_delete_intent(store, operation->pod->collection);
        r = store_end(store, r);
        if (r < 0)
                return log_errno(LOG_ERR, r, "set pod %s to %s", operation->uuid, record_state_name(state));
        operation->pod->collection = 0;
        operation->pod->record->state = state;
        tell_changed(operation->pods, operation->pod);
        return 0;
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        struct collect *collect = collect_of(operation);
        const struct record_intent intent = {
                .job = operation->job_id, .uuid = operation->uuid, .verb = RECORD_VERB_COLLECT, .lazy = collect->lazy};

        if (collect->orphan)
                return 0;
        collect->before = operation->pod->record->state;
        if (collect->before == RECORD_STOPPING) /* a start found it so: if it was ready once, it is again when busy */
                collect->before = pod_was_ready(operation->pod) ? RECORD_READY : RECORD_FAILED;
        else if (collect->before == RECORD_CREATING)
                collect->before = RECORD_FAILED;
        return set_state(operation, RECORD_STOPPING, &intent);
}

/* Puts the pod back where it was. Its record is as whole as it is itself: what was unmounted before the busy mount is there again. */
static void take_back(struct operation *operation) {
        struct collect *collect = collect_of(operation);

        if (collect->orphan)
                return;
        operation->pod->judge_again = true;
        (void) set_state(operation, collect->before, NULL); /* logged; the next start collects it */
}

static void removed(struct collect *collect, struct failure *f) {
        struct operation *operation = &collect->operation;

        if (collect->orphan) {
                event_log(EVENT_POD_COLLECTED, EVENT_OF_POD(operation->uuid), "Collected what was left of pod %s", operation->uuid);
                return;
        }
        if (recording_forget(operation->pods, operation->uuid, collect->reason, operation->job_id) < 0) {
                (void) failure_from_errno(f, -EIO);
                return;
        }
        layer_roots_release(operation->pods, operation->pod);
        pods_purge_later(operation->pods);
        event_log(EVENT_POD_REMOVED, ((const char *const[]) {"POD=", operation->uuid, "REASON=", collect->reason, NULL}),
                   "Removed pod %s (%s)", operation->uuid, collect->reason);
        tell_removed(operation->pods, operation->pod, collect->reason);
        pods_remove(operation->pods, operation->pod);
}

/* Nobody is in the way, and something may be gone: it stays a collection, which the next GC or the next start completes. */
static bool is_begun(const struct job_result *answer) {
        return answer->lost && answer->failure != FAILURE_TIMED_OUT;
}

/* When the registry was told, or the program has ended. A collection that podmountd's end interrupts is completed by the next start. */
static void go_on(struct operation *operation) {
        struct failure f = FAILURE_INIT;

        if (!operation->pods->stopping) {
                operation_again(operation);
                return;
        }
        (void) failure_set(&f, FAILURE_MOUNT_FAILED, "podmountd is stopping: pod %s is collected when it runs again", operation->uuid);
        operation->pod->collection = operation->job_id;
        operation_end(operation, &f);
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct collect *collect = collect_of(operation);
        struct failure f = FAILURE_INIT;
        struct gc_program *program;

        if (collect->registry.begun) {
                gc_registry_tell(&collect->registry, operation, go_on);
                return;
        }
        program = collect->registry_program.begun ? &collect->registry_program : collect->program.begun ? &collect->program : NULL;
        if (program) {
                if (!answer || !answer->lost || !operation_retry(operation, answer))
                        gc_program_result(program, operation, answer, go_on);
                return;
        }
        if (answer && (answer->lost || answer->failure != FAILURE_NONE)) {
                if (operation->pod)
                        (void) renewing_take(operation->pods, operation->pod, operation->job, answer, 0); /* logged; drift shows it */
                if (operation_retry(operation, answer))
                        return;
                (void) operation_failure(operation, answer, NULL, &f);
                if (operation->pod)
                        (void) within_drop_gone(operation->pods, operation->pod, operation->job, answer, 0, &f); /* logged; a look tells, too */
                if (!is_begun(answer))
                        take_back(operation);
                else if (operation->pod)
                        operation->pod->collection = operation->job_id;
        } else {
                for (char **warning = answer ? answer->warnings : NULL; warning && *warning; warning++)
                        if (strv_append(&operation->warnings, *warning) < 0)
                                (void) log_oom(); /* one sentence fewer */
                if (operation->pod && answer)
                        cgroups_gone(operation->pods, operation->pod->record, operation->job, answer);
                removed(collect, &f);
        }
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_COLLECT,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

static int new_collect(struct pods *pods, const struct caller *caller, struct pod *pod, const char *uuid,
                       const struct collect_arguments *arguments, struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        struct collect *collect;
        int r;

        r = operation_new(&class, sizeof(struct collect), pods, caller, pod, uuid, NULL, &operation, f);
        if (r != 0)
                return r;
        collect = collect_of(operation);
        collect->lazy = arguments->lazy;
        collect->dry_run = arguments->dry_run;
        collect->orphan = !pod;
        collect->registry_program.registry = true;
        collect->registry.ended = collect->registry_program.ended = collect->program.ended = arguments->gc_ended;
        collect->reason = strdup(arguments->reason ?: "collected");
        if (!collect->reason || strv_copy(arguments->warnings, &operation->warnings) < 0)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

bool operation_gc_ended(const struct operation *operation) {
        return operation->class == &class && ((const struct collect *) operation)->begun_to_unmount;
}

int operation_new_collect(struct pods *pods, const struct caller *caller, struct pod *pod,
                          const struct collect_arguments *arguments, struct operation **ret, struct failure *f) {
        return new_collect(pods, caller, pod, pod->record->uuid, arguments, ret, f);
}

int operation_new_collect_orphan(struct pods *pods, const struct caller *caller, const char *directory,
                                 const struct collect_arguments *arguments, struct operation **ret, struct failure *f) {
        return new_collect(pods, caller, NULL, directory, arguments, ret, f);
}
