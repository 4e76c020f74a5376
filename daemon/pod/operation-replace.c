/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replacing a recorded mount: the new one comes beneath it, then the old one is detached. Until the new one is attached
 * a failure leaves everything as it was; from then on there is no way back (a mount cannot be taken away from under
 * another), so that whatever dies, the replacement is brought to its end. Which of both it is, the table says.
 */

#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>

#include "pod/container.h"
#include "pod/doom.h"
#include "pod/footing.h"
#include "pod/intent-replace.h"
#include "pod/operation-private.h"
#include "pod/overlay-facts.h"
#include "pod/own-table.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "pod/source.h"
#include "pod/use.h"
#include "pod/volume.h"
#include "pod/within.h"
#include "util/array.h"
#include "util/event.h"
#include "util/log.h"

struct replace {
        struct operation operation;
        char *container; /* as given, or NULL */
        char *target;
        uint64_t expected; /* id that the old mount has to have; 0: any */
        struct spec_mount *mounts;
        size_t n_mounts;
        struct intent_replace detail;
        struct wanted *wanted;
        bool resumed; /* found in the store at the start */
        bool forward; /* the new mount is there: nothing is taken back any more */
};

static struct replace *replace_of(struct operation *operation) {
        return (struct replace *) operation;
}

static void release(struct operation *operation) {
        struct replace *replace = replace_of(operation);

        free(replace->container);
        free(replace->target);
        spec_mounts_free(replace->mounts, replace->n_mounts);
        intent_replace_done(&replace->detail);
        wanted_free(replace->wanted);
}

/* The record that is meant. */
static int find(struct replace *replace, struct failure *f) {
        const struct pod *pod = replace->operation.pod;
        const struct record_mount *mount;
        const char *container;
        int r = container_find(pod, replace->container, &container, f);

        if (r != 0)
                return r;
        mount = pod_find_mount(pod, container, replace->target);
        if (!mount && within_find(pod, 0, container, replace->target))
                return failure_set(f, FAILURE_NO_SUCH_MOUNT, "What is recorded at %s is in the mount namespace of a running container; name "
                                                             "that with the option \"namespace\".", replace->target);
        if (!mount || (replace->expected != 0 && mount->id != replace->expected))
                return failure_set(f, FAILURE_NO_SUCH_MOUNT, "%s is recorded at %s in container %s of pod %s; "
                                                             "podmountctl tree %s shows what is.",
                                   mount ? "Another mount" : "Nothing", replace->target, container, pod->record->uuid,
                                   pod->record->uuid);
        if (!mount->request)
                return failure_set(f, FAILURE_INVALID_TARGET, "%s is %s; only what a spec or a call has mounted can be "
                                                              "replaced.", replace->target,
                                   mount->nested ? "a mount that came along with another one" : container_part(mount));
        if (mount->deferred)
                return failure_set(f, FAILURE_BUSY, "The mount at %s waits for its namespace, so there is nothing to "
                                                    "replace yet.", replace->target);
        replace->detail.row = mount->row;
        return 0;
}

static int compile(struct replace *replace, struct failure *f) {
        const struct record_mount *old = recording_find_row(replace->operation.pod, replace->detail.row);
        struct wanted_facts facts = replace->operation.pods->facts;
        _cleanup_free_ struct wanted_volume *volumes = NULL;
        int r;

        facts.caller_is_root = replace->detail.root;
        replace->wanted = wanted_free(replace->wanted);
        r = volume_facts(replace->operation.pod, &facts, &volumes);
        if (r == 0)
                r = overlay_facts(replace->operation.pod->record, old->container, &facts);
        if (r < 0)
                return r;
        r = wanted_from_mounts(old->container, replace->mounts, replace->n_mounts, &facts, &replace->wanted, f);
        if (r != 0)
                return r;
        if (replace->wanted->n_mounts != 1)
                return log_errno(LOG_ERR, EBADMSG, "compile one mount");
        if (strcmp(replace->wanted->mounts[0].type, "devtmpfs") == 0)
                return failure_set(f, FAILURE_NOT_SUPPORTED, "A devtmpfs is made of many mounts and cannot replace one in a "
                                                             "single step; unmount the old one and mount this.");
        if (replace->wanted->mounts[0].deferred)
                return failure_set(f, FAILURE_NOT_SUPPORTED, "A mount that waits for a namespace cannot replace another; "
                                                             "unmount that one and mount this.");
        return 0;
}

static int check_quota(struct operation *operation, struct failure *f) {
        const struct replace *replace = replace_of(operation);
        const struct record_mount *old = recording_find_row(operation->pod, replace->detail.row);
        const struct quota_ask ask = {.mounts = 1, .tmpfs = use_tmpfs_beyond(replace->wanted, old)};
        struct quota_use use = {
                .mounts_of_pod = use_mounts(operation->pod->record) - 1, /* the old one goes */
                .mounts_of_namespace = table_size(pods_table(operation->pods, operation->pod->record)),
                .mounts_max = operation->pods->mounts_max,
        };
        int r;

        operation->new_mounts = 1;
        r = use_check(operation, &use, &ask, 1, f);
        operation->new_mounts--;
        return r;
}

/* A replacement that a crash interrupted has nothing to end any more when its pod or its record is gone. */
static int validate_resumed(struct operation *operation, struct failure *f) {
        struct replace *replace = replace_of(operation);
        int r = container_begin(operation, f);

        if (r == 0 && !recording_find_row(operation->pod, replace->detail.row)) {
                container_forget_intent(operation);
                return OPERATION_FINISHED;
        }
        return r == 0 ? compile(replace, f) : r;
}

static int validate(struct operation *operation, struct failure *f) {
        struct replace *replace = replace_of(operation);
        int r = pods_check_runtime(operation->pods, f);

        if (r != 0)
                return r;
        if (replace->resumed)
                return validate_resumed(operation, f);
        r = container_begin(operation, f);
        if (r == 0)
                r = find(replace, f);
        if (r == 0)
                r = compile(replace, f);
        if (r == 0)
                r = source_check_paths(operation, replace->wanted, f);
        if (r != 0)
                return r;
        source_mark_devices(operation, replace->wanted);
        return check_quota(operation, f);
}

/* What hangs below the old mount has to have come along with it: it goes with it. */
static int check_below(const struct operation *operation, struct entry *old, struct failure *f) {
        _cleanup_(map_freep) struct map *records = NULL;
        _cleanup_free_ struct entry **entries = NULL;
        size_t n = 0;
        int r = doom_index(operation->pods, operation->pod->record, &records);

        if (r == 0)
                r = table_subtree(pods_table(operation->pods, operation->pod->record), old, &entries, &n);
        for (size_t i = 1; i < n && r == 0; i++) {
                const struct record_mount *record = map_get_u64(records, entries[i]->id);

                if (!record || !record->nested)
                        return failure_set(f, FAILURE_BUSY, "Mount %" PRIu64 " (%s) lies on it at %s; unmount that first.",
                                           record ? record->id : (entries[i]->unique_id ?: entries[i]->id),
                                           record ? record->type : "not made by podmountd",
                                           record ? record->target : entries[i]->point);
        }
        return r;
}

static int find_old(const struct replace *replace, struct entry **ret) {
        const struct operation *operation = &replace->operation;
        const struct record_mount *mount = recording_find_row(operation->pod, replace->detail.row);

        *ret = NULL;
        if (!mount)
                return log_errno(LOG_ERR, ENOENT, "find the record of a mount in pod %s", operation->uuid);
        *ret = doom_find_entry(operation->pods, operation->pod->record, mount);
        return 0;
}

static struct entry *find_new(const struct replace *replace) {
        const struct table *table = pods_table(replace->operation.pods, replace->operation.pod->record);
        const struct intent_mount *made = &replace->detail.made;
        struct entry *entry = made->id ? table_get_unique(table, made->id) : NULL;

        if (!entry && made->mount_id != 0)
                entry = table_get(table, made->mount_id);
        return entry && !(made->id && entry->unique_id && entry->unique_id != made->id) ? entry : NULL;
}

/* What is left of a replacement that has gone past its point of no return: the old mount is detached. NULL when there
 * is nothing to do. */
static int forward_job(struct operation *operation, struct job **ret, struct failure *f) {
        struct replace *replace = replace_of(operation);
        _cleanup_free_ char *directory = pods_directory(operation->pods, operation->uuid);
        _cleanup_free_ struct plan_doomed *doomed = NULL;
        struct job_caller caller;
        struct entry *old = NULL;
        struct plan_pod pod;
        size_t n = 0;
        int r;

        if (!directory)
                return log_oom();
        r = pods_sync_pod(operation->pods, operation->pod);
        if (r >= 0)
                r = find_old(replace, &old);
        if (r == 0 && old && find_new(replace))
                r = doom_append(&doomed, &n, old, NULL, directory);
        if (r < 0 || n == 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        pod.fd_names = NULL;
        return plan_unmount(&pod, doomed, n, true, ret, f);
}

static int plan(struct operation *operation, struct failure *f) {
        struct replace *replace = replace_of(operation);
        const struct record_mount *mount = recording_find_row(operation->pod, replace->detail.row);
        _cleanup_free_ char *point = NULL;
        struct job_caller caller;
        struct entry *old = NULL;
        struct plan_pod pod;
        int r;

        if (replace->resumed)
                return forward_job(operation, &operation->job, f);
        r = footing_look(operation->pods, operation->pod, replace->wanted);
        if (r >= 0)
                r = pods_sync_pod(operation->pods, operation->pod);
        if (r >= 0)
                r = find_old(replace, &old);
        if (r == 0 && old) {
                point = strdup(old->point);
                if (!point)
                        return log_oom();
                r = pods_sync_pod_below(operation->pods, operation->pod, point);
                if (r >= 0)
                        r = find_old(replace, &old);
        }
        if (r < 0)
                return r;
        if (!old)
                return failure_set(f, FAILURE_NO_SUCH_MOUNT, "The mount recorded at %s is missing; podmountctl repair %s "
                                                             "makes it again.", replace->target, operation->uuid);
        r = check_below(operation, old, f);
        if (r != 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        r = plan_replace(&pod, replace->wanted, mount->id, &operation->job, f);
        return r != 0 ? r : volume_resolve(operation, f);
}

static int write_intent(struct replace *replace) {
        _cleanup_free_ char *text = NULL;
        int r = intent_replace_write(&replace->detail, &text);

        return r < 0 ? r : container_intend(&replace->operation, RECORD_VERB_REPLACE, false, text);
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        return replace_of(operation)->resumed ? 0 : write_intent(replace_of(operation));
}

static void take_back(struct operation *operation) {
        operation->new_mounts = 0;
        if (!replace_of(operation)->forward)
                container_forget_intent(operation);
}

/* Records the new mount in the place of the old one, as the table has it. */
static int record(struct replace *replace, const struct entry *entry) {
        struct operation *operation = &replace->operation;
        struct step_result step = {
                .id = replace->detail.made.id,
                .mount_id = entry->id,
                .attributes = entry->attributes | (entry->superblock_readonly ? MOUNT_ATTR_RDONLY : 0),
                .device = entry->device,
                .done = true,
        };
        const struct job_result result = {.failed_step = UINT32_MAX, .steps = &step, .n_steps = 1};
        _cleanup_(job_freep) struct job *job = job_new();
        struct step *made = job ? job_add(job, STEP_BIND) : NULL;
        struct pod *pod = operation->pod;
        size_t from = pod->record->n_mounts;
        int r;

        if (!made)
                return log_oom();
        made->wanted = 0;
        r = recording_append(operation->pods, pod, replace->wanted, &replace->detail.key, job, &result, operation->ids);
        if (r < 0)
                return r;
        r = recording_replace(operation->pods, pod, &replace->detail.row, 1, from, operation->job_id);
        if (r < 0)
                recording_truncate(pod, from);
        return r;
}

/* The end, by what the table says: neither of both was touched (`f` says why), or the new one is alone; else the old one
 * is still there. */
static void conclude(struct replace *replace, struct failure *f) {
        struct operation *operation = &replace->operation;
        struct entry *old = NULL, *new = NULL;
        int r = pods_sync_pod(operation->pods, operation->pod);

        if (r >= 0)
                r = find_old(replace, &old);
        new = r == 0 ? find_new(replace) : NULL;
        if (r == 0 && !new) {
                replace->forward = false;
                take_back(operation);
                operation_end(operation, f);
                return;
        }
        if (r == 0 && old && !replace->forward) {
                replace->forward = true;
                (void) failure_set(f, FAILURE_MOUNT_FAILED, "The old mount at %s was not detached.", replace->target);
                if (write_intent(replace) < 0)
                        log_error("A crash now would leave mounts in pod %s that no record names", operation->uuid);
                operation_undo(operation, f);
                return;
        }
        failure_clear(f);
        if (r == 0)
                r = old ? -EBUSY : record(replace, new);
        operation->new_mounts = 0;
        if (r < 0) {
                (void) failure_from_errno(f, r);
                (void) write_intent(replace); /* the next start ends it; logged */
        } else
                tell_changed(operation->pods, operation->pod);
        operation_end(operation, f);
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct replace *replace = replace_of(operation);
        struct failure f = FAILURE_INIT;

        if (replace->resumed && answer && (answer->lost || answer->failure != FAILURE_NONE)) {
                (void) operation_failure(operation, answer, NULL, &f);
                operation_end(operation, &f); /* the intent stays for the next start */
                return;
        }
        if (answer && !replace->resumed) {
                if (answer->n_steps > 0)
                        replace->detail.made = (struct intent_mount) {.id = answer->steps[0].id, .mount_id = answer->steps[0].mount_id};
                if (answer->n_steps == 0) /* memory was short when the intent file was to be read */
                        (void) failure_set(&f, FAILURE_MOUNT_FAILED, "What became of the mount at %s is not known, for its executor died; "
                                                                     "podmountctl tree %s shows what is there.",
                                           replace->target, operation->uuid);
                else if (answer->lost || answer->failure != FAILURE_NONE)
                        (void) operation_failure(operation, answer, replace->wanted, &f);
                else if (answer->warnings)
                        (void) strv_copy(answer->warnings, &operation->warnings); /* words for people alone */
        }
        conclude(replace, &f);
}

static void undone(struct operation *operation, struct failure *cause) {
        struct failure f = FAILURE_INIT;

        failure_move(&f, cause);
        conclude(replace_of(operation), &f);
}

/* Both are there, the new one beneath, and the old one is on record; the intent stays, so that the next start ends it. */
static void undo_failed(struct operation *operation, const char *reason) {
        event_log(EVENT_MOUNTS_LEFT, EVENT_OF_POD(operation->uuid), "A replaced mount stays in pod %s: %s", operation->uuid, reason);
}

static const struct operation_class class = {
        .verb = OPERATION_REPLACE,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .undo_job = forward_job,
        .undo_failed = undo_failed,
        .undone = undone,
        .release = release,
};

static int take_arguments(struct replace *replace, const struct replace_arguments *arguments) {
        replace->expected = arguments->mount_id;
        replace->target = strdup(replace->mounts[0].destination);
        replace->container = arguments->container ? strdup(arguments->container) : NULL;
        replace->operation.ids = calloc(1, sizeof(*replace->operation.ids));
        replace->operation.n_ids = 1;
        if (!replace->target || (arguments->container && !replace->container) || !replace->operation.ids)
                return log_oom();
        return spec_mount_to_text(&replace->mounts[0], &replace->detail.request);
}

int operation_new_replace(struct pods *pods, const struct caller *caller, struct pod *pod,
                          struct replace_arguments *arguments, const struct operation_fds *fds, struct operation **ret,
                          struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        _cleanup_strv_ char **names = NULL;
        struct spec_mount *mounts = TAKE_PTR(arguments->mounts);
        struct replace *replace;
        int r;

        r = operation_new(&class, sizeof(struct replace), pods, caller, pod, pod->record->uuid, fds, &operation, f);
        if (r != 0) {
                spec_mounts_free(mounts, arguments->n_mounts);
                return r;
        }
        replace = replace_of(operation);
        replace->mounts = mounts;
        replace->n_mounts = arguments->n_mounts;
        if (replace->n_mounts != 1)
                return failure_set(f, FAILURE_INVALID_ARGS, "One mount replaces one; this call has %zu.", replace->n_mounts);
        r = take_arguments(replace, arguments);
        if (r == 0)
                r = spec_mounts_fd_names(replace->mounts, 1, &names);
        if (r == 0)
                r = source_check_fds(operation, names, f);
        if (r == 0)
                r = source_key(operation, &replace->mounts[0], &replace->detail.key);
        if (r != 0)
                return r;
        replace->detail.root = caller_is_root(caller);
        *ret = TAKE_PTR(operation);
        return 0;
}

int operation_new_resumed(struct pods *pods, struct pod *pod, uint64_t job, const char *detail, struct operation **ret,
                          struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        struct replace *replace;
        int r;

        r = operation_new(&class, sizeof(struct replace), pods, &caller_house, pod, pod->record->uuid, NULL, &operation,
                          f);
        if (r != 0)
                return r;
        replace = replace_of(operation);
        replace->resumed = true;
        operation->job_id = job;
        operation->ids = calloc(1, sizeof(*operation->ids));
        operation->n_ids = 1;
        if (!operation->ids)
                return log_oom();
        r = intent_replace_resume(detail, pods->settings->spec_size_max, &replace->detail, &replace->mounts, &replace->n_mounts,
                                  &replace->target, f);
        if (r == 0)
                *ret = TAKE_PTR(operation);
        return r;
}
