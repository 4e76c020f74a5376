/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unmounting from a living pod: one recorded mount with what came along with it, or lazily with all that hangs below
 * it. Also the undo of what a Mount() attached before a crash. A record goes when its mount has gone, not before.
 */

#include <inttypes.h>
#include <string.h>

#include "pod/container.h"
#include "pod/directories.h"
#include "pod/doom.h"
#include "pod/host.h"
#include "pod/intent-detail.h"
#include "pod/made.h"
#include "pod/own-table.h"
#include "pod/points.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "pod/sharing.h"
#include "pod/volume.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

struct unmount {
        struct operation operation;
        char *container, *target; /* as given, or NULL */
        uint64_t mount_id;
        bool lazy, missing_ok;
        uint64_t undone_job;      /* the Mount() to be undone, 0 for a client's call… */
        struct made made;         /* …and what it had made */

        int64_t row;              /* the mount's own record */
        int64_t *rows;            /* of all records that go with it */
        size_t n_rows;
};

static struct unmount *unmount_of(struct operation *operation) {
        return (struct unmount *) operation;
}

static void release(struct operation *operation) {
        struct unmount *unmount = unmount_of(operation);

        free(unmount->container);
        free(unmount->target);
        free(unmount->rows);
        made_done(&unmount->made);
}

static int missing(const struct unmount *unmount, const char *container, struct failure *f) {
        if (unmount->missing_ok)
                return OPERATION_FINISHED;
        if (unmount->mount_id != 0)
                return failure_set(f, FAILURE_NO_SUCH_MOUNT, "Pod %s has no mount %" PRIu64 "; podmountctl tree %s "
                                                                                            "shows what it has.",
                                   unmount->operation.uuid, unmount->mount_id, unmount->operation.uuid);
        return failure_set(f, FAILURE_NO_SUCH_MOUNT, "Nothing is recorded at %s in container %s of pod %s; "
                                                     "podmountctl tree %s shows "
                           "what is.", unmount->target, container, unmount->operation.uuid, unmount->operation.uuid);
}

/* The record that is meant. */
static int find(struct unmount *unmount, const struct record_mount **ret, struct failure *f) {
        const struct pod *pod = unmount->operation.pod;
        const struct record_mount *mount;
        const char *container = NULL;
        int r;

        if (unmount->container || unmount->mount_id == 0) {
                r = container_find_place(pod, unmount->container, &container, f);
                if (r != 0)
                        return r;
        }
        mount = host_find(pod, unmount->mount_id, container, unmount->target);
        if (!mount)
                mount = unmount->mount_id != 0 ? pod_find_mount_id(pod, unmount->mount_id)
                                               : pod_find_mount(pod, container, unmount->target);
        if (!mount || (container && mount->container[0] && strcmp(mount->container, container) != 0) ||
            (unmount->target && strcmp(mount->target, unmount->target) != 0))
                return missing(unmount, container, f);
        if ((!mount->request && !mount->nested) || strcmp(mount->container, SPEC_HOST) == 0)
                return failure_set(f, FAILURE_INVALID_TARGET, "%s is %s of pod %s and goes with the whole pod alone; collect it with "
                                                              "podmountctl gc %s.",
                                   mount->target[0] ? mount->target : "This mount", container_part(mount), pod->record->uuid,
                                   pod->record->uuid);
        if (volume_is(mount)) {
                r = volume_check_unused(pod->record, mount, f);
                if (r != 0)
                        return r;
        }
        *ret = mount;
        return 0;
}

static int validate(struct operation *operation, struct failure *f) {
        struct unmount *unmount = unmount_of(operation);
        const struct record_mount *mount = NULL;
        int r;

        r = pods_check_runtime(operation->pods, f);
        if (r != 0)
                return r;
        r = container_begin(operation, f);
        if (r != 0 || unmount->undone_job != 0)
                return r;
        r = find(unmount, &mount, f);
        if (r != 0)
                return r;
        free(operation->ids); /* of a try before */
        unmount->row = mount->row;
        operation->ids = calloc(1, sizeof(*operation->ids));
        if (!operation->ids)
                return log_oom();
        operation->ids[0] = mount->id;
        operation->n_ids = 1;
        return 0;
}

static int compare_rows(const void *a, const void *b) {
        int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

        return (x > y) - (x < y);
}

/* Each row once, the mount's own first, as the intent has it. */
static void sort_rows(struct unmount *unmount) {
        size_t kept = 1;

        qsort(unmount->rows + 1, unmount->n_rows - 1, sizeof(*unmount->rows), compare_rows);
        for (size_t i = 1; i < unmount->n_rows; i++)
                if (unmount->rows[i] != unmount->row && unmount->rows[i] != unmount->rows[kept - 1])
                        unmount->rows[kept++] = unmount->rows[i];
        unmount->n_rows = kept;
}

static int add_row(struct unmount *unmount, int64_t row) {
        int64_t *added = array_append(&unmount->rows, &unmount->n_rows);

        if (!added)
                return log_oom();
        *added = row;
        return 0;
}

/* As people know the place: the target within a container, or else the path. */
static int refuse_child(const struct record_mount *record, const struct entry *child, struct failure *f) {
        return failure_set(f, FAILURE_BUSY, "Mount %" PRIu64 " (%s) lies on it at %s; unmount that first, or "
                                                             "unmount lazily.",
                           record ? record->id : (child->unique_id ?: child->id),
                           record ? record->type : "not made by podmountd", record ? record->target : child->point);
}

/* What hangs below goes along if it came along; lazily, it goes with the mount whatever it is. */
static int list(struct unmount *unmount, struct entry *top, const char *directory, struct plan_doomed **doomed,
                size_t *n, struct failure *f) {
        const struct pods *pods = unmount->operation.pods;
        _cleanup_(map_freep) struct map *records = NULL;
        _cleanup_free_ struct entry **entries = NULL;
        size_t n_entries = 0;
        int r = 0;

        r = doom_index(pods, unmount->operation.pod->record, &records);
        if (r == 0)
                r = table_subtree(pods_table(pods, unmount->operation.pod->record), top, &entries, &n_entries);
        for (size_t i = n_entries; i > 0 && r == 0; i--) {
                struct entry *entry = entries[i - 1];
                const struct record_mount *record = map_get_u64(records, entry->id);

                if (entry != top && !unmount->lazy && (!record || !record->nested))
                        return refuse_child(record, entry, f);
                if (record && record->row != unmount->row)
                        r = add_row(unmount, record->row);
                if (r == 0 && (!unmount->lazy || entry == top))
                        r = doom_append(doomed, n, entry, record, directory);
        }
        return r;
}

/* The mount that is to go, with exact paths below it; `ret` is NULL when it is gone already. */
static int find_top(const struct operation *operation, const struct record_mount *mount, struct entry **ret) {
        struct entry *top = doom_find_entry(operation->pods, operation->pod->record, mount);
        _cleanup_free_ char *point = NULL;
        int r;

        if (top) {
                point = strdup(top->point);
                if (!point)
                        return log_oom();
                r = pods_sync_pod_below(operation->pods, operation->pod, point);
                if (r < 0)
                        return log_errno(LOG_ERR, r, "read the mount table");
                top = doom_find_entry(operation->pods, operation->pod->record, mount);
        }
        *ret = top;
        return 0;
}

static int list_mount(struct unmount *unmount, struct plan_doomed **doomed, size_t *n, struct failure *f) {
        const struct operation *operation = &unmount->operation;
        const struct record_mount *mount = recording_find_row(operation->pod, unmount->row);
        _cleanup_free_ char *directory = pods_directory(operation->pods, operation->uuid);
        struct entry *top;
        int r;

        if (!directory)
                return log_oom();
        if (!mount)
                return log_errno(LOG_ERR, ENOENT, "find the record of a mount in pod %s", operation->uuid);
        /* After an attempt whose executor died, the rows of that one stay: what it had unmounted, the table has no more. */
        r = unmount->n_rows == 0 ? add_row(unmount, unmount->row) : 0;
        if (r < 0)
                return r;
        r = find_top(operation, mount, &top);
        if (r < 0)
                return r;
        r = top ? list(unmount, top, directory, doomed, n, f) : 0; /* gone already: the record is all there is */
        if (r == 0)
                sort_rows(unmount);
        return r;
}

static int plan(struct operation *operation, struct failure *f) {
        struct unmount *unmount = unmount_of(operation);
        _cleanup_free_ struct plan_directory *directories = NULL;
        _cleanup_free_ struct plan_doomed *doomed = NULL;
        struct job_caller caller;
        struct plan_pod pod;
        size_t n = 0, n_directories = 0;
        int r;

        r = pods_sync_pod(operation->pods, operation->pod);
        if (r < 0)
                return log_errno(LOG_ERR, r, "read the mount table");
        if (unmount->undone_job != 0)
                r = doom_made(operation->pods, operation->uuid, unmount->made.mounts, unmount->made.n_mounts, &doomed, &n);
        else
                r = list_mount(unmount, &doomed, &n, f);
        if (r == 0 && unmount->undone_job != 0)
                r = points_doom_made(operation->pod->record, &unmount->made, &directories, &n_directories);
        else if (r == 0)
                r = points_doom(operation->pods, operation->pod->record, (struct points_which) {.row = unmount->row},
                                &directories, &n_directories);
        if (r == 0)
                r = sharing_spare(operation->pods, operation->pod, "", doomed, n, directories, n_directories);
        if (r != 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        pod.fd_names = NULL;
        if (n_directories > 0)
                caller = directories_owner(operation->pod->record);
        r = n > 0 ? plan_unmount(&pod, doomed, n, unmount->lazy, &operation->job, f) : 0;
        return r != 0 || n_directories == 0 ? r : plan_unmake(&pod, directories, n_directories, &operation->job);
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        struct unmount *unmount = unmount_of(operation);
        _cleanup_free_ char *detail = NULL;
        int r;

        if (unmount->undone_job != 0)
                return 0; /* the Mount()'s own intent stands until this is done */
        r = intent_detail_write_rows(unmount->rows, unmount->n_rows, &detail);
        return r < 0 ? r : container_intend(operation, RECORD_VERB_UNMOUNT, unmount->lazy, detail);
}

static uint64_t intent_of(const struct unmount *unmount) {
        return unmount->undone_job ?: unmount->operation.job_id;
}

/* What is gone leaves the record, whatever became of the rest. */
static void take_back(struct operation *operation) {
        struct unmount *unmount = unmount_of(operation);
        size_t n = 0;

        if (unmount->undone_job != 0)
                return;
        if (operation->stage == OPERATION_EXECUTING && pods_sync_pod(operation->pods, operation->pod) >= 0)
                n = recording_gone(operation->pods, operation->pod, unmount->rows, unmount->n_rows);
        if (recording_drop(operation->pods, operation->pod, unmount->rows, n, intent_of(unmount)) == 0 && n > 0)
                tell_changed(operation->pods, operation->pod);
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct unmount *unmount = unmount_of(operation);
        struct failure f = FAILURE_INIT;

        if (answer && (answer->lost || answer->failure != FAILURE_NONE)) {
                if (operation_retry(operation, answer))
                        return;
                (void) operation_failure(operation, answer, NULL, &f);
                take_back(operation);
        } else {
                int r = recording_drop(operation->pods, operation->pod, unmount->rows, unmount->n_rows,
                                       intent_of(unmount));

                if (r < 0) /* it cannot be undone: so the record gets another chance to follow */
                        r = recording_drop(operation->pods, operation->pod, unmount->rows, unmount->n_rows, intent_of(unmount));
                (void) failure_from_errno(&f, r);
                log_debug("Unmounted %zu from pod %s", unmount->n_rows, operation->uuid);
                tell_changed(operation->pods, operation->pod);
        }
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_UNMOUNT,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

static int take_arguments(struct unmount *unmount, const struct unmount_arguments *arguments, struct failure *f) {
        int r;

        unmount->mount_id = arguments->mount_id;
        unmount->lazy = arguments->lazy;
        unmount->missing_ok = arguments->missing_ok;
        if (arguments->container) {
                unmount->container = strdup(arguments->container);
                if (!unmount->container)
                        return log_oom();
        }
        if (!arguments->target)
                return arguments->mount_id != 0 ? 0 : failure_set(f, FAILURE_INVALID_ARGS, "Neither a target nor a "
                                                                                           "mount id is given.");
        r = path_normalize(arguments->target, &unmount->target);
        if (r == -EXDEV)
                return failure_set(f, FAILURE_INVALID_TARGET, "The target %.256s has a component \"..\"; write it "
                                                              "without.",
                                   arguments->target);
        if (r == -ENAMETOOLONG)
                return failure_set(f, FAILURE_INVALID_TARGET, "The target is longer than a path can be.");
        if (r == -EINVAL)
                return failure_set(f, FAILURE_INVALID_TARGET, "The target \"%.256s\" is no absolute path.",
                                   arguments->target);
        return r < 0 ? log_oom() : 0;
}

int operation_new_unmount(struct pods *pods, const struct caller *caller, struct pod *pod,
                          const struct unmount_arguments *arguments, struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        int r;

        r = operation_new(&class, sizeof(struct unmount), pods, caller, pod, pod->record->uuid, NULL, &operation, f);
        if (r == 0)
                r = take_arguments(unmount_of(operation), arguments, f);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(operation);
        return 0;
}

int operation_new_undo(struct pods *pods, struct pod *pod, uint64_t job, struct made *made,
                       struct operation **ret, struct failure *f) {
        struct operation *operation;
        struct unmount *unmount;
        int r;

        r = operation_new(&class, sizeof(struct unmount), pods, &caller_house, pod, pod->record->uuid, NULL, &operation,
                          f);
        if (r != 0) {
                made_done(made);
                return r;
        }
        unmount = unmount_of(operation);
        unmount->undone_job = job;
        unmount->made = *made;
        *made = (struct made) {};
        unmount->lazy = true;
        *ret = operation;
        return 0;
}
