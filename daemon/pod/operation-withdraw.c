/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unmounting in a container's own mount namespace, which an executor finds again by its id; also the undo of what a
 * Mount() attached there before a crash. A namespace that is gone has taken its mounts along: that is success.
 */

#include <inttypes.h>
#include <string.h>

#include "pod/container.h"
#include "pod/intent-detail.h"
#include "pod/within.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

struct withdraw {
        struct operation operation;
        char *container, *target; /* as given, or NULL */
        uint64_t mount_id, namespace;
        bool lazy, missing_ok;
        uint64_t old_job;         /* the one that a crash interrupted, 0 for a client's call… */
        struct plan_inside *made; /* …and what it had made; or else the mount that is meant, and strictly what came with it */
        size_t n_made;
        int64_t *rows;            /* of all records that go */
        size_t n_rows;
};

static struct withdraw *withdraw_of(struct operation *operation) {
        return (struct withdraw *) operation;
}

static void release(struct operation *operation) {
        struct withdraw *withdraw = withdraw_of(operation);

        free(withdraw->container);
        free(withdraw->target);
        free(withdraw->made);
        free(withdraw->rows);
}

static int missing(const struct withdraw *withdraw, struct failure *f) {
        const char *uuid = withdraw->operation.uuid;

        if (withdraw->missing_ok)
                return OPERATION_FINISHED;
        return failure_set(f, FAILURE_NO_SUCH_MOUNT,
                           "Pod %s has no such mount in a container's own namespace%s%s; podmountctl show %s lists them.", uuid,
                           withdraw->target ? ": " : "", withdraw->target ?: "", uuid);
}

static int find(struct withdraw *withdraw, struct record_mount **ret, struct failure *f) {
        const struct pod *pod = withdraw->operation.pod;
        struct record_mount *mount;
        const char *container;
        int r;

        if (withdraw->mount_id != 0) {
                mount = within_find_id(pod, withdraw->mount_id);
                if (mount && withdraw->namespace != 0 && mount->namespace != withdraw->namespace)
                        mount = NULL;
        } else {
                r = container_find(pod, withdraw->container, &container, f);
                if (r != 0)
                        return r;
                r = within_find_one(pod, withdraw->namespace, container, withdraw->target, &mount, f);
                if (r != 0)
                        return r;
        }
        if (!mount || (withdraw->target && strcmp(mount->target, withdraw->target) != 0))
                return missing(withdraw, f);
        *ret = mount;
        return 0;
}

static bool lies_on(const struct record_mount *mount, const struct record_mount *top) {
        return mount->namespace == top->namespace && strcmp(mount->container, top->container) == 0 &&
               strcmp(mount->target, top->target) != 0 && path_is_below(mount->target, top->target);
}

static int add(struct withdraw *withdraw, size_t i) {
        int64_t *row = array_append(&withdraw->rows, &withdraw->n_rows);

        if (!row)
                return log_oom();
        *row = withdraw->operation.pod->record->inside[i].row;
        return 0;
}

/* The mount with what came along with it; lazily, also what else is on record below it. */
static int list_rows(struct withdraw *withdraw, size_t top, struct failure *f) {
        const struct record_pod *record = withdraw->operation.pod->record;
        size_t end = within_end(record, top);
        int r = 0;

        for (size_t i = 0; i < record->n_inside && r == 0; i++) {
                const struct record_mount *mount = &record->inside[i];

                if ((i >= top && i < end) || (withdraw->lazy && lies_on(mount, &record->inside[top])))
                        r = add(withdraw, i);
                else if (lies_on(mount, &record->inside[top]) && !mount->lost)
                        r = failure_set(f, FAILURE_BUSY, "Mount %" PRIu64 " (%s) lies on it at %s; unmount that first, or unmount "
                                                         "lazily: it is in use.", mount->id, mount->type, mount->target);
        }
        return r;
}

static int choose(struct withdraw *withdraw, struct failure *f) {
        const struct record_pod *record = withdraw->operation.pod->record;
        _cleanup_free_ struct plan_inside *all = NULL;
        struct record_mount *mount = NULL;
        size_t n = 0, top, end;
        int r = find(withdraw, &mount, f);

        if (r != 0)
                return r;
        r = within_list(withdraw->operation.pod, NULL, &all, &n);
        if (r < 0)
                return r;
        withdraw->made = calloc(n, sizeof(*withdraw->made));
        if (!withdraw->made)
                return log_oom();
        top = (size_t) (mount - record->inside);
        end = withdraw->lazy ? top + 1 : within_end(record, top);
        for (size_t i = top; i < end; i++)
                withdraw->made[withdraw->n_made++] = all[i];
        withdraw->made[0].nested = false; /* it is meant itself */
        return list_rows(withdraw, top, f);
}

static int validate(struct operation *operation, struct failure *f) {
        struct withdraw *withdraw = withdraw_of(operation);
        int r = pods_check_runtime(operation->pods, f);

        if (r == 0)
                r = container_begin(operation, f);
        return r == 0 && !withdraw->made ? choose(withdraw, f) : r;
}

static int plan(struct operation *operation, struct failure *f _unused_) {
        struct withdraw *withdraw = withdraw_of(operation);
        struct job_caller caller;
        struct plan_pod pod;

        operation_plan_pod(operation, false, &caller, &pod);
        return plan_withdraw(&pod, withdraw->made, withdraw->n_made, withdraw->lazy, &operation->job);
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        struct withdraw *withdraw = withdraw_of(operation);
        _cleanup_free_ char *detail = NULL;
        int r;

        if (withdraw->old_job != 0)
                return 0; /* its own intent stands until this is done */
        r = intent_detail_write_rows(withdraw->rows, withdraw->n_rows, &detail);
        return r < 0 ? r : container_intend(operation, RECORD_VERB_WITHDRAW, withdraw->lazy, detail);
}

static void take_back(struct operation *operation) {
        if (withdraw_of(operation)->old_job == 0)
                container_forget_intent(operation);
}

/* What is gone leaves the record, whatever keeps the rest. True: the intent has gone with it. */
static bool drop_gone(struct withdraw *withdraw, const struct job_result *answer) {
        const struct operation *operation = &withdraw->operation;

        return withdraw->old_job == 0 && within_drop_gone(operation->pods, operation->pod, operation->job, answer, operation->job_id, NULL) > 0;
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct withdraw *withdraw = withdraw_of(operation);
        struct failure f = FAILURE_INIT;

        if (answer && (answer->lost || answer->failure != FAILURE_NONE)) {
                if (operation_retry(operation, answer))
                        return;
                (void) operation_failure(operation, answer, NULL, &f);
                if (!drop_gone(withdraw, answer))
                        take_back(operation);
        } else
                (void) failure_from_errno(&f, within_drop(operation->pods, operation->pod, withdraw->rows, withdraw->n_rows,
                                                          withdraw->old_job ?: operation->job_id));
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

static int new_withdraw(struct pods *pods, const struct caller *caller, struct pod *pod, struct operation **ret,
                        struct failure *f) {
        return operation_new(&class, sizeof(struct withdraw), pods, caller, pod, pod->record->uuid, NULL, ret, f);
}

int operation_new_withdraw(struct pods *pods, const struct caller *caller, struct pod *pod,
                           const struct unmount_arguments *arguments, struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        struct withdraw *withdraw;
        int r = new_withdraw(pods, caller, pod, &operation, f);

        if (r != 0)
                return r;
        withdraw = withdraw_of(operation);
        withdraw->mount_id = arguments->mount_id;
        withdraw->namespace = arguments->namespace;
        withdraw->lazy = arguments->lazy;
        withdraw->missing_ok = arguments->missing_ok;
        withdraw->container = arguments->container ? strdup(arguments->container) : NULL;
        if (arguments->container && !withdraw->container)
                return log_oom();
        if (!arguments->target && arguments->mount_id == 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "Neither a target nor a mount id is given.");
        r = arguments->target ? path_normalize(arguments->target, &withdraw->target) : 0;
        if (r == -ENOMEM)
                return log_oom();
        if (r < 0)
                return failure_set(f, FAILURE_INVALID_TARGET, "The target \"%.256s\" is no absolute path without \"..\".",
                                   arguments->target);
        *ret = TAKE_PTR(operation);
        return 0;
}

int operation_new_undo_within(struct pods *pods, struct pod *pod, uint64_t job, const char *detail, struct operation **ret,
                              struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        _cleanup_free_ struct intent_mount *mounts = NULL;
        struct withdraw *withdraw;
        uint64_t namespace = 0;
        size_t n = 0;
        int r = intent_detail_read_inside(detail, &namespace, &mounts, &n);

        if (r == 0)
                r = new_withdraw(pods, &caller_house, pod, &operation, f);
        if (r != 0)
                return r;
        withdraw = withdraw_of(operation);
        withdraw->old_job = job;
        withdraw->lazy = true;
        withdraw->made = calloc(n + 1, sizeof(*withdraw->made));
        if (!withdraw->made)
                return log_oom();
        for (size_t i = 0; i < n; i++)
                if (mounts[i].id != 0)
                        withdraw->made[withdraw->n_made++] = (struct plan_inside) {.id = mounts[i].id, .namespace = namespace};
        *ret = TAKE_PTR(operation);
        return 0;
}

int operation_new_finish_withdraw(struct pods *pods, struct pod *pod, const struct record_intent *intent,
                                  struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        _cleanup_free_ struct plan_inside *all = NULL;
        struct withdraw *withdraw;
        size_t n = 0;
        int r = new_withdraw(pods, &caller_house, pod, &operation, f);

        if (r != 0)
                return r;
        withdraw = withdraw_of(operation);
        withdraw->old_job = intent->job;
        withdraw->lazy = intent->lazy;
        r = intent_detail_read_rows(intent->detail, &withdraw->rows, &withdraw->n_rows);
        if (r < 0)
                return r;
        withdraw->made = calloc(withdraw->n_rows + 1, sizeof(*withdraw->made));
        if (!withdraw->made)
                return log_oom();
        r = within_list(pod, NULL, &all, &n);
        for (size_t i = 0; i < withdraw->n_rows && r == 0; i++) {
                const struct record_mount *mount = within_find_row(pod, withdraw->rows[i]);

                for (size_t j = 0; mount && j < n; j++)
                        if (all[j].id == mount->id)
                                withdraw->made[withdraw->n_made++] = all[j];
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(operation);
        return 0;
}
