/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The start: everything on record is loaded and compared with the kernel, and what a crash left half-done is undone
 * (creating, mounting) or done (unmounting, collecting) by the same operations that clients have.
 */

#include <inttypes.h>
#include <string.h>

#include "pod/cgroups.h"
#include "pod/directories.h"
#include "pod/history.h"
#include "pod/host.h"
#include "pod/intent-detail.h"
#include "pod/intent-files.h"
#include "pod/intent-replace.h"
#include "pod/layer-root.h"
#include "pod/lease.h"
#include "pod/links.h"
#include "pod/made.h"
#include "pod/operation-private.h"
#include "pod/own-table.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "pod/renewing.h"
#include "pod/use.h"
#include "pod/within.h"
#include "util/event.h"
#include "util/log.h"

static void collect(struct pods *pods, struct pod *pod, bool lazy, const char *reason) {
        const struct collect_arguments arguments = {.lazy = lazy, .reason = reason};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;
        int r = operation_new_collect(pods, &caller_house, pod, &arguments, &operation, &f);

        if (r == 0)
                operation_run_internal(operation);
        else
                event_log(EVENT_RECOVERY_FAILED, EVENT_OF_POD(pod->record->uuid), "Pod %s could not be collected at the start; podmountctl gc %s tries again",
                          pod->record->uuid, pod->record->uuid);
}

/* What an interrupted AddContainer() had made of the directories on the pod's record. */
static int keep_directories(const struct pods *pods, const struct record_intent *intent, const struct intent_mount *made,
                            size_t n) {
        struct pod *pod = map_get(pods->by_uuid, intent->uuid);

        if (!pod || pod->record->n_directories == 0 || n == 0)
                return 0;
        directories_settle_entries(pod->record, made, n);
        return store_put_pod(pods->store, pod->record);
}

/* The same, and its tmpfs, which its first step made. */
static int keep_tree(const struct pods *pods, const int *fds, size_t n_fds, struct record_intent *intent) {
        _cleanup_free_ struct intent_mount *made = NULL;
        _cleanup_free_ char *name = NULL, *detail = NULL;
        struct intent_mount tree;
        size_t n = 0, n_trees = 0;
        int r;

        r = intent_detail_read_container(intent->detail, &name, &tree);
        if (r < 0 || tree.mount_id != 0)
                return r;
        r = intent_files_read(fds, n_fds, intent->job, &made, &n);
        if (r == 0)
                r = keep_directories(pods, intent, made, n);
        for (size_t i = 0; i < n; i++)
                if (made[i].step == 0 && intent_is_mount(&made[i]))
                        made[n_trees++] = made[i];
        if (n_trees > 0)
                tree = *intent_files_choose(pods, intent->uuid, name, made, n_trees);
        if (r < 0 || tree.mount_id == 0)
                return r;
        r = intent_detail_write_container(name, &tree, &detail);
        if (r < 0)
                return r;
        free(intent->detail);
        intent->detail = TAKE_PTR(detail);
        return store_put_intent(pods->store, intent);
}

/* The mount that an interrupted Replace() had made, if it came so far. */
static int keep_replacement(const struct pods *pods, const int *fds, size_t n_fds, struct record_intent *intent) {
        _cleanup_intent_replace_ struct intent_replace replace = {};
        _cleanup_free_ struct intent_mount *made = NULL;
        _cleanup_free_ char *detail = NULL;
        size_t n = 0;
        int r = intent_replace_read(intent->detail, &replace);

        if (r < 0 || replace.made.mount_id != 0)
                return r;
        r = intent_files_read_mounts(fds, n_fds, intent->job, &made, &n);
        if (r < 0 || n == 0)
                return r;
        replace.made = *intent_files_choose(pods, intent->uuid, NULL, made, n);
        r = intent_replace_write(&replace, &detail);
        if (r < 0)
                return r;
        free(intent->detail);
        intent->detail = TAKE_PTR(detail);
        return store_put_intent(pods->store, intent);
}

/* What an interrupted Mount() had made in the namespace of a container. */
static int keep_inside(const struct pods *pods, const int *fds, size_t n_fds, struct record_intent *intent) {
        _cleanup_free_ struct intent_mount *known = NULL, *made = NULL;
        _cleanup_free_ char *detail = NULL;
        uint64_t namespace = 0;
        size_t n_known = 0, n = 0;
        int r = intent_detail_read_inside(intent->detail, &namespace, &known, &n_known);

        if (r < 0 || n_known > 0)
                return r;
        r = intent_files_read_mounts(fds, n_fds, intent->job, &made, &n);
        if (r < 0 || n == 0)
                return r;
        r = intent_detail_write_inside(namespace, made, n, &detail);
        if (r < 0)
                return r;
        free(intent->detail);
        intent->detail = TAKE_PTR(detail);
        return store_put_intent(pods->store, intent);
}

/* All that an interrupted creation had made, or was about to, outside the pod. */
static int keep_created(const struct pods *pods, const int *fds, size_t n_fds, const struct record_intent *intent) {
        struct pod *pod = map_get(pods->by_uuid, intent->uuid);
        _cleanup_free_ struct intent_mount *made = NULL;
        uint32_t first = 0;
        size_t n = 0;
        int r = 0;

        if (!pod)
                return 0;
        if (pod->record->n_host > 0)
                r = intent_detail_read_host(intent->detail, &first);
        if (r < 0)
                return log_errno(LOG_ERR, r, "read where pod %s has its mounts on the host", pod->record->uuid);
        r = intent_files_read(fds, n_fds, intent->job, &made, &n);
        directories_settle_entries(pod->record, made, n);
        host_settle_entries(pods->table, pod->record, first, made, n);
        cgroups_settle_entries(pod->record, made, n);
        if (r == 0 && pod->record->n_directories > 0)
                r = store_put_pod(pods->store, pod->record);
        if (r == 0)
                r = host_put(pods->store, pod->record);
        return r < 0 ? r : cgroups_put(pods->store, pod->record);
}

/* What an interrupted collection had mounted again, which is there still, or no more. */
static int keep_restored(struct pods *pods, const int *fds, size_t n_fds, const struct record_intent *intent) {
        struct pod *pod = map_get(pods->by_uuid, intent->uuid);
        _cleanup_free_ struct intent_mount *made = NULL;
        size_t n = 0;
        int r;

        if (!pod)
                return 0;
        r = intent_files_read(fds, n_fds, intent->job, &made, &n);
        if (r < 0 || n == 0)
                return r;
        host_find_restored(pods->table, pod->record, made, n);
        r = host_put(pods->store, pod->record);
        return r < 0 ? r : renewing_find(pods, pod, made, n);
}

/* Before any job runs, what the intent files say of an interrupted Mount() goes into the store: they serve the jobs of
 * this start next. */
static int keep_made(struct pods *pods, const int *fds, size_t n_fds, struct record_intent *intent) {
        _cleanup_free_ struct intent_mount *entries = NULL;
        struct made made = {};
        size_t n = 0;
        int r;

        if (intent->verb == RECORD_VERB_CREATE)
                return keep_created(pods, fds, n_fds, intent);
        if (intent->verb == RECORD_VERB_COLLECT)
                return keep_restored(pods, fds, n_fds, intent);
        if (intent->verb == RECORD_VERB_ADD_CONTAINER)
                return keep_tree(pods, fds, n_fds, intent);
        if (intent->verb == RECORD_VERB_MOUNT_INSIDE)
                return keep_inside(pods, fds, n_fds, intent);
        if (intent->verb == RECORD_VERB_REPLACE)
                return keep_replacement(pods, fds, n_fds, intent);
        if (intent->verb != RECORD_VERB_MOUNT || intent->detail)
                return 0;
        r = intent_files_read(fds, n_fds, intent->job, &entries, &n);
        if (r == 0)
                r = made_from_entries(entries, n, &made);
        if (r == 0)
                r = intent_detail_write_made(&made, &intent->detail);
        made_done(&made);
        return r < 0 ? r : store_put_intent(pods->store, intent);
}

static int keep_all_made(struct pods *pods, const int *fds, size_t n_fds, struct record_intent *intents,
                         size_t n) {
        int r = store_begin(pods->store);

        for (size_t i = 0; i < n && r == 0; i++) {
                r = keep_made(pods, fds, n_fds, &intents[i]);
                if (r == -EBADMSG) { /* one damaged row keeps no other pod from its recovery */
                        event_log(EVENT_RECOVERY_FAILED, EVENT_OF_POD(intents[i].uuid), "What an interrupted call had made in pod %s cannot be told from its record",
                                  intents[i].uuid);
                        r = 0;
                }
        }
        r = store_end(pods->store, r);
        return r < 0 ? log_errno(LOG_ERR, r, "write down what interrupted calls had made") : 0;
}

/* A Mount() whose record was made just before the crash: its intent was about to go. */
static bool is_recorded(const struct pod *pod, const struct record_intent *intent) {
        for (size_t i = 0; i < pod->record->n_mounts; i++)
                if (pod->record->mounts[i].job == intent->job)
                        return true;
        for (size_t i = 0; i < pod->record->n_host; i++)
                if (pod->record->host[i].job == intent->job)
                        return true;
        return false;
}

static void undo_mount(struct pods *pods, struct pod *pod, const struct record_intent *intent) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct made made = {};
        struct operation *operation;
        int r;

        event_log(EVENT_RECOVERY, EVENT_OF_POD(pod->record->uuid), "Undoing a Mount() of pod %s that was interrupted", pod->record->uuid);
        history_add_event(pods, pod->record->uuid, EVENT_RECOVERY, 0, NULL, NULL);
        r = intent_detail_read_made(intent->detail, &made);
        if (r == 0)
                r = operation_new_undo(pods, pod, intent->job, &made, &operation, &f);
        made_done(&made);
        if (r == 0)
                operation_run_internal(operation);
        else
                event_log(EVENT_RECOVERY_FAILED, EVENT_OF_POD(pod->record->uuid), "Mounts of an interrupted call may stay in pod %s and then show as drift", pod->record->uuid);
}

static void run_or_log(const struct pod *pod, int r, struct operation *operation) {
        if (r == 0)
                operation_run_internal(operation);
        else
                event_log(EVENT_RECOVERY_FAILED, EVENT_OF_POD(pod->record->uuid), "What an interrupted call did to a container of pod %s stays and shows as drift",
                          pod->record->uuid);
}

static void undo_add(struct pods *pods, struct pod *pod, const struct record_intent *intent) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;
        int r;

        event_log(EVENT_RECOVERY, EVENT_OF_POD(pod->record->uuid), "Undoing an AddContainer() of pod %s that was interrupted", pod->record->uuid);
        history_add_event(pods, pod->record->uuid, EVENT_RECOVERY, 0, NULL, NULL);
        r = operation_new_undo_add(pods, pod, intent->job, intent->detail, &operation, &f);
        run_or_log(pod, r, operation);
}

static void finish_remove(struct pods *pods, struct pod *pod, const struct record_intent *intent) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *name = NULL;
        struct operation *operation = NULL;
        struct intent_mount none;
        int r;

        event_log(EVENT_RECOVERY, EVENT_OF_POD(pod->record->uuid), "Finishing a RemoveContainer() of pod %s that was interrupted", pod->record->uuid);
        history_add_event(pods, pod->record->uuid, EVENT_RECOVERY, 0, NULL, NULL);
        r = intent_detail_read_container(intent->detail, &name, &none);
        if (r == 0)
                r = operation_new_finish_remove(pods, pod, intent->job, name, &operation, &f);
        run_or_log(pod, r, operation);
}

/* Whether something may be left of a mount that is gone: what was made for it. */
static bool has_point(const struct pod *pod, int64_t row) {
        const struct record_mount *mount = recording_find_row(pod, row);

        return mount && mount->made > 0;
}

/* What is gone already leaves the record; what is still there is unmounted as it was asked for. */
static void finish_unmount(struct pods *pods, struct pod *pod, const struct record_intent *intent) {
        struct unmount_arguments arguments = {.lazy = intent->lazy, .missing_ok = true};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ int64_t *rows = NULL;
        const struct record_mount *mount;
        struct operation *operation;
        size_t n = 0;
        int64_t first;
        int r;

        r = intent_detail_read_rows(intent->detail, &rows, &n);
        if (r < 0) {
                (void) log_errno(LOG_ERR, r, "read what was being unmounted from pod %s", pod->record->uuid);
                n = 0;
        }
        first = n > 0 ? rows[0] : 0;
        n = recording_gone(pods, pod, rows, n);
        for (size_t i = 0; i < n && has_point(pod, first); i++)
                if (rows[i] == first) {
                        rows[i] = rows[--n];
                        break;
                }
        if (recording_drop(pods, pod, rows, n, intent->job) < 0)
                return; /* logged; its drift shows it */
        mount = recording_find_row(pod, first);
        if (!mount || mount->id == 0)
                return;
        arguments.mount_id = mount->id;
        r = operation_new_unmount(pods, &caller_house, pod, &arguments, &operation, &f);
        if (r == 0)
                operation_run_internal(operation);
        else
                event_log(EVENT_RECOVERY_FAILED, EVENT_OF_POD(pod->record->uuid), "An unmount in pod %s cannot be finished: the mount stays", pod->record->uuid);
}

static void finish_replace(struct pods *pods, struct pod *pod, const struct record_intent *intent) {
        _cleanup_intent_replace_ struct intent_replace replace = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;
        int r = intent_replace_read(intent->detail, &replace);

        event_log(EVENT_RECOVERY, EVENT_OF_POD(pod->record->uuid), "Ending a Replace() of pod %s that was interrupted", pod->record->uuid);
        history_add_event(pods, pod->record->uuid, EVENT_RECOVERY, 0, NULL, NULL);
        if (r == 0 && replace.namespace != 0)
                r = operation_new_exchange_resumed(pods, pod, intent->job, intent->detail, &operation, &f);
        else if (r == 0)
                r = operation_new_resumed(pods, pod, intent->job, intent->detail, &operation, &f);
        if (r == 0)
                operation_run_internal(operation);
        else
                event_log(EVENT_RECOVERY_FAILED, EVENT_OF_POD(pod->record->uuid), "Mounts of an interrupted call may stay in pod %s and then show as drift", pod->record->uuid);
}

static void finish_remount(struct pods *pods, struct pod *pod, const struct record_intent *intent) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;

        event_log(EVENT_RECOVERY, EVENT_OF_POD(pod->record->uuid), "Finishing a remount of pod %s that was interrupted", pod->record->uuid);
        history_add_event(pods, pod->record->uuid, EVENT_RECOVERY, 0, NULL, NULL);
        if (operation_new_remount_again(pods, pod, intent, &operation, &f) == 0)
                operation_run_internal(operation);
        else
                event_log(EVENT_RECOVERY_FAILED, EVENT_OF_POD(pod->record->uuid), "A remount of pod %s cannot be finished; what it changed shows as drift", pod->record->uuid);
}

static void undo_inside(struct pods *pods, struct pod *pod, const struct record_intent *intent) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;

        event_log(EVENT_RECOVERY, EVENT_OF_POD(pod->record->uuid), "Undoing a Mount() in a container of pod %s that was interrupted", pod->record->uuid);
        history_add_event(pods, pod->record->uuid, EVENT_RECOVERY, 0, NULL, NULL);
        if (operation_new_undo_within(pods, pod, intent->job, intent->detail, &operation, &f) == 0)
                operation_run_internal(operation);
        else
                event_log(EVENT_RECOVERY_FAILED, EVENT_OF_POD(pod->record->uuid), "Mounts of an interrupted call may stay in a container of pod %s", pod->record->uuid);
}

static void finish_withdraw(struct pods *pods, struct pod *pod, const struct record_intent *intent) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;

        if (operation_new_finish_withdraw(pods, pod, intent, &operation, &f) == 0)
                operation_run_internal(operation);
        else
                event_log(EVENT_RECOVERY_FAILED, EVENT_OF_POD(pod->record->uuid), "An unmount in a container of pod %s cannot be finished", pod->record->uuid);
}

static void settle(struct pods *pods, const struct record_intent *intent) {
        struct pod *pod = map_get(pods->by_uuid, intent->uuid);

        if (!pod || pod->record->state != RECORD_READY)
                return; /* it goes as a whole, or has gone already */
        switch (intent->verb) {
        case RECORD_VERB_CREATE:
        case RECORD_VERB_COLLECT:
        case _RECORD_VERB_MAX:
                return; /* the pod's state says it all */
        case RECORD_VERB_MOUNT:
                if (!is_recorded(pod, intent))
                        undo_mount(pods, pod, intent);
                return;
        case RECORD_VERB_UNMOUNT:
                finish_unmount(pods, pod, intent);
                return;
        case RECORD_VERB_REMOUNT:
                finish_remount(pods, pod, intent);
                return;
        case RECORD_VERB_ADD_CONTAINER:
                undo_add(pods, pod, intent);
                return;
        case RECORD_VERB_REMOVE_CONTAINER:
                finish_remove(pods, pod, intent);
                return;
        case RECORD_VERB_REPLACE:
                finish_replace(pods, pod, intent);
                return;
        case RECORD_VERB_MOUNT_INSIDE:
                undo_inside(pods, pod, intent);
                return;
        case RECORD_VERB_WITHDRAW:
                finish_withdraw(pods, pod, intent);
                return;
        }
}

static void bring_links_back(struct pods *pods, struct pod *pod) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;

        if (pod->record->state != RECORD_READY || links_count(pod->record, NULL, RECORD_LINK_MOVING) == 0)
                return;
        event_log(EVENT_RECOVERY, EVENT_OF_POD(pod->record->uuid), "Undoing a PrepareProcess() of pod %s that was interrupted", pod->record->uuid);
        history_add_event(pods, pod->record->uuid, EVENT_RECOVERY, 0, NULL, NULL);
        if (operation_new_links_back(pods, pod, &operation, &f) == 0)
                operation_run_internal(operation);
        else
                event_log(EVENT_RECOVERY_FAILED, EVENT_OF_POD(pod->record->uuid), "Network interfaces of pod %s stay where they are", pod->record->uuid);
}

static bool was_lazy(const struct record_intent *intents, size_t n, const struct pod *pod) {
        for (size_t i = 0; i < n; i++)
                if (intents[i].verb == RECORD_VERB_COLLECT && strcmp(intents[i].uuid, pod->record->uuid) == 0)
                        return intents[i].lazy;
        return false;
}

/* A creation that never ended is nobody's yet, so it goes lazily: nothing may keep it. */
static void settle_state(struct pods *pods, struct pod *pod, const struct record_intent *intents, size_t n_intents) {
        switch (pod->record->state) {
        case RECORD_CREATING:
                event_log(EVENT_RECOVERY, EVENT_OF_POD(pod->record->uuid), "Collecting pod %s, whose creation was interrupted", pod->record->uuid);
                history_add_event(pods, pod->record->uuid, EVENT_RECOVERY, 0, NULL, NULL);
                collect(pods, pod, true, "failed");
                return;
        case RECORD_STOPPING:
                event_log(EVENT_RECOVERY, EVENT_OF_POD(pod->record->uuid), "Collecting pod %s, as was begun before", pod->record->uuid);
                history_add_event(pods, pod->record->uuid, EVENT_RECOVERY, 0, NULL, NULL);
                collect(pods, pod, was_lazy(intents, n_intents, pod), "collected");
                return;
        case RECORD_READY:
        case RECORD_FAILED:
        case _RECORD_STATE_MAX:
                return;
        }
}

/* Of these the pod's state says all; those of Mount() and Unmount() go with the operations that settle them. */
static int forget_intents(struct pods *pods, const struct record_intent *intents, size_t n) {
        int r = store_begin(pods->store);

        for (size_t i = 0; i < n && r == 0; i++) {
                const struct pod *pod = map_get(pods->by_uuid, intents[i].uuid);

                if (intents[i].verb == RECORD_VERB_CREATE || intents[i].verb == RECORD_VERB_COLLECT || !pod ||
                    is_recorded(pod, &intents[i]))
                        r = store_delete_intent(pods->store, intents[i].job);
        }
        r = store_end(pods->store, r);
        return r < 0 ? log_errno(LOG_ERR, r, "forget the jobs of the last run") : 0;
}

static int load(struct pods *pods, struct record_intent **ret_intents, size_t *ret_n_intents) {
        struct record_pod **records = NULL;
        size_t n = 0;
        int r;

        r = store_load(pods->store, &records, &n, ret_intents, ret_n_intents);
        if (r < 0)
                return log_errno(LOG_ERR, r, "load the records");
        for (size_t i = 0; i < n; i++) {
                struct pod *pod = NULL;

                if (r == 0)
                        r = pod_new(records[i], &pod);
                else
                        record_pod_free(records[i]);
                if (r < 0 || !pod)
                        continue;
                pod->announced = pod->record->state != RECORD_CREATING;
                use_load(pods, pod);
                r = pods_add(pods, pod);
                if (r < 0)
                        pod_free(pod);
                else if (pod->record->private)
                        r = own_table_resume(pods, pod);
        }
        free(records);
        return r;
}

int pods_recover(struct pods *pods, const int *intent_fds, size_t n_intent_fds) {
        struct record_intent *intents = NULL;
        size_t n_intents = 0;
        struct pod *pod;
        int r;

        r = load(pods, &intents, &n_intents);
        if (r == 0)
                r = cgroups_load(pods);
        if (r == 0)
                layer_roots_recover(pods);
        if (r == 0)
                r = pods_sync(pods);
        if (r >= 0)
                r = keep_all_made(pods, intent_fds, n_intent_fds, intents, n_intents);
        if (r >= 0) {
                MAP_FOREACH(pod, pods->by_uuid) {
                        layer_roots_compare(pods, pod, intents, n_intents);
                        /* Also of one that comes back because it is busy. */
                        if (pod->record->state == RECORD_READY || pod->record->state == RECORD_STOPPING)
                                lease_resume(pods, pod);
                        settle_state(pods, pod, intents, n_intents);
                        bring_links_back(pods, pod);
                }
                for (size_t i = 0; i < n_intents; i++)
                        settle(pods, &intents[i]);
                r = forget_intents(pods, intents, n_intents);
                pods_judge_drift(pods, NULL);
                cgroups_retry(pods);
        }
        record_intents_free(intents, n_intents);
        return r < 0 ? r : 0;
}
