/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all operations share: their fds, their turn, their way through the stations, and their end.
 */

#include "pod/operation-private.h"

#include <fcntl.h>
#include <string.h>

#include "pod/cgroups.h"
#include "pod/history.h"
#include "pod/registry.h"
#include "pod/turn.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/log.h"

enum {
        DEATHS_MAX = 5, /* executors that one operation, or its undo, may cost: whoever kills them at random hits one twice */
        HANGS_MAX = 2,  /* and those among them that had to be ended, each of which had JobTimeoutSec= */
};

const struct caller caller_house = {
        .transport = CALLER_SOCKET,
        .host_mount_namespace = true,
        .host_user_namespace = true,
        .host_root_directory = true,
};

static int copy_fds(struct operation *operation, const struct operation_fds *fds, struct failure *f) {
        size_t n = fds && fds->names ? strv_length(fds->names) : 0;
        int r;

        if (n == 0)
                return 0;
        r = strv_copy(fds->names, &operation->fd_names);
        if (r < 0)
                return r;
        operation->fds = calloc(n, sizeof(*operation->fds));
        if (!operation->fds)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                int fd = fcntl(fds->fds[i], F_DUPFD_CLOEXEC, 3);

                if (fd < 0 && errno == EBADF)
                        return failure_set(f, FAILURE_INVALID_ARGS, "The file descriptor named %s is not open.",
                                           fds->names[i]);
                if (fd < 0)
                        return log_errno(LOG_ERR, errno, "duplicate a client's fd");
                operation->fds[operation->n_fds++] = fd;
        }
        return 0;
}

int operation_new(const struct operation_class *class, size_t size, struct pods *pods, const struct caller *caller,
                  struct pod *pod, const char *uuid, const struct operation_fds *fds, struct operation **ret,
                  struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = calloc(1, size);
        int r;

        if (!operation)
                return log_oom();
        operation->class = class;
        operation->pods = pods;
        operation->pod = pod;
        operation->uuid = strdup(uuid);
        if (!operation->uuid)
                return log_oom();
        r = caller_copy(caller, &operation->caller);
        if (r < 0)
                return log_oom();
        r = copy_fds(operation, fds, f);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(operation);
        return 0;
}

void operation_forget(struct operation *operation) {
        if (operation->class->release)
                operation->class->release(operation);
        (void) sd_event_source_disable_unref(operation->timer);
        for (size_t i = 0; i < operation->n_fds; i++)
                (void) close_fd(operation->fds[i]);
        free(operation->fds);
        strv_free(operation->fd_names);
        strv_free(operation->warnings);
        caller_done(&operation->caller);
        failure_clear(&operation->cause);
        job_free(operation->job);
        free(operation->plan_text);
        free(operation->ids);
        free(operation->uuid);
        free(operation);
}

struct operation *operation_free(struct operation *operation) {
        if (!operation)
                return NULL;
        if (operation->stage == OPERATION_EXECUTING) {
                (void) operation_abandon(operation);
                return NULL;
        }
        if (operation->stage == OPERATION_INTENDED)
                operation->class->take_back(operation);
        turn_release(operation);
        operation_forget(operation);
        return NULL;
}

void operation_set_resume(struct operation *operation, operation_resume_fn resume, void *userdata) {
        operation->resume = resume;
        operation->resume_userdata = userdata;
}

int operation_validate(struct operation *operation, struct failure *f) {
        int r = operation->class->validate(operation, f);

        if (r == OPERATION_GO_ON)
                operation->stage = OPERATION_VALIDATED;
        else if (r != OPERATION_WAIT)
                turn_release(operation);
        return r;
}

/* What did not get through its stations gives its turn back at once, not when its maker gets around to free it. */
int operation_plan(struct operation *operation, struct failure *f) {
        int r = operation->class->plan(operation, f);

        if (r != 0)
                turn_release(operation);
        return r;
}

int operation_intend(struct operation *operation, struct failure *f) {
        int r = operation->class->intend(operation, f);

        if (r == 0)
                operation->stage = OPERATION_INTENDED;
        else
                turn_release(operation);
        return r;
}

void operation_reserve(struct operation *operation, const struct quota_use *use) {
        if (caller_is_root(&operation->caller))
                return;
        operation->brought_max = quota_brought(operation->pods->settings, use, operation->new_mounts);
        operation->new_mounts += operation->brought_max;
}

void operation_plan_pod(struct operation *operation, bool dry, struct job_caller *caller, struct plan_pod *ret) {
        const struct record_pod *record = operation->pod ? operation->pod->record : NULL;

        if (operation->job_id == 0 && !dry)
                operation->job_id = store_next_job(operation->pods->store);
        *caller = (struct job_caller) {
                .root = caller_is_root(&operation->caller),
                .uid = operation->caller.uid,
                .gid = operation->caller.gid,
                .groups = operation->caller.groups,
                .n_groups = operation->caller.n_groups,
                .brought_max = operation->brought_max,
        };
        *ret = (struct plan_pod) {
                .job = operation->job_id,
                .uuid = operation->uuid,
                .private = record && record->private,
                .owner = record ? record->owner : operation->caller.uid,
                .owner_group = record ? record->owner_group : operation->caller.gid,
                .caller = caller,
                .fd_names = operation->fd_names,
                .cgroup_parent = cgroups_parent(operation->pods),
        };
}

/* What it is about, for people: " on pod UUID"; the first half, the second is `*ret_id`. */
static const char *subject(const struct operation *operation, const char **ret_id) {
        const bool layer = operation->layer && *operation->layer;

        *ret_id = layer ? operation->layer : operation->uuid;
        return layer ? " on layer " : *operation->uuid ? " on pod " : "";
}

/* Nobody hears of it but who reads the log. */
static void log_failed(const struct operation *operation, const struct failure *f) {
        const char *id, *words = subject(operation, &id);
        const char *const fields[] = {operation->layer && *operation->layer ? "LAYER=" : "POD=", id, NULL};

        event_log(EVENT_OPERATION_FAILED, *id ? fields : NULL, "An operation%s%s that nobody waits for failed: %s", words, id, f->text);
}

/* What takes mounts away has no undo. */
static bool leaves_what_it_did(const struct operation *operation) {
        const enum operation_verb verb = operation->class->verb;

        return verb == OPERATION_COLLECT || verb == OPERATION_UNMOUNT || verb == OPERATION_REMOVE_CONTAINER;
}

int operation_failure(const struct operation *operation, const struct job_result *result, const struct wanted *wanted,
                      struct failure *f) {
        const struct job *job = operation->job;
        const char *pointer = "";
        enum failure_kind kind;

        if (result->lost && result->failure != FAILURE_TIMED_OUT && leaves_what_it_did(operation))
                return failure_set(f, FAILURE_MOUNT_FAILED, "The executor died while it took mounts of pod %s away, and so did those "
                                                            "after it; what is unmounted stays so. Try again.",
                                   operation->uuid);
        if (result->lost && result->failure != FAILURE_TIMED_OUT) {
                const char *id, *words = subject(operation, &id);

                return failure_set(f, FAILURE_MOUNT_FAILED, "The executor died while it worked%s%s; nothing was changed; try again.", words, id);
        }
        if (wanted && job && result->failed_step < job->n_steps &&
            job->steps[result->failed_step].wanted < wanted->n_mounts)
                pointer = wanted->mounts[job->steps[result->failed_step].wanted].pointer ?: "";
        /* Not the call's time is over, but the job's: whatever it waits for does not answer. */
        kind = result->failure == FAILURE_TIMED_OUT ? FAILURE_MOUNT_FAILED : result->failure;
        if (result->failure == FAILURE_TIMED_OUT && job && result->failed_step < job->n_steps) {
                const struct step *step = &job->steps[result->failed_step];

                return failure_set(f, kind, "%s%sstep %s%s%s: %s", pointer, *pointer ? ": " : "", step_kind_name(step->kind),
                                   step->target ? " at " : "", step->target ?: "", result->text ?: "");
        }
        return failure_set(f, kind, "%s%s%s", pointer, *pointer ? ": " : "",
                           result->text ?: "The executor gave no reason; see the journal of podmountd.");
}

static void on_result(const struct job_result *result, void *userdata);

static int on_empty(sd_event_source *source _unused_, void *userdata) {
        struct operation *operation = userdata;

        operation->timer = sd_event_source_disable_unref(operation->timer);
        operation->class->result(operation, NULL);
        return 0;
}

/* Hands the job over; one without steps is answered from the loop as well, so that no caller meets its answer early. */
static int submit(struct operation *operation) {
        int r;

        if (operation->job && operation->job->n_steps > 0)
                return executor_pool_submit(operation->pods->executors, operation->job, operation->fds,
                                            operation->job->n_fds, on_result, operation, &operation->pool_job);
        operation->timer = sd_event_source_disable_unref(operation->timer);
        r = sd_event_add_defer(operation->pods->event, &operation->timer, on_empty, operation);
        return r < 0 ? log_errno(LOG_ERR, r, "add the source that ends an operation") : 0;
}

int operation_execute(struct operation *operation, operation_done_fn done, void *userdata, struct failure *f _unused_) {
        int r = map_put_u64(operation->pods->operations, operation->job_id, operation);

        if (r < 0)
                (void) log_errno(LOG_ERR, r, "register a job");
        else
                r = submit(operation);
        if (r < 0) {
                (void) map_remove_u64(operation->pods->operations, operation->job_id);
                operation->class->take_back(operation);
                operation->stage = OPERATION_ENDED;
                turn_release(operation);
                return r;
        }
        operation->done = done;
        operation->done_userdata = userdata;
        operation->begun_us = clock_us(CLOCK_MONOTONIC);
        operation->stage = OPERATION_EXECUTING;
        return 0;
}

bool operation_abandon(struct operation *operation) {
        if (operation->stage == OPERATION_EXECUTING) {
                bool untouched = operation->tries == 0 && !operation->begun && !operation->undoing && operation->pool_job &&
                                 executor_pool_cancel(operation->pods->executors, operation->pool_job);

                if (!untouched) {
                        operation->internal = operation->abandoned = true;
                        operation->done = NULL;
                        if (operation->class->abandoned)
                                operation->class->abandoned(operation);
                        return false;
                }
                (void) map_remove_u64(operation->pods->operations, operation->job_id);
                operation->stage = OPERATION_INTENDED;
        }
        operation_free(operation);
        return true;
}

static const char *const verb_names[_OPERATION_VERB_MAX] = {
        [OPERATION_CREATE] = "create",
        [OPERATION_MOUNT] = "mount",
        [OPERATION_UNMOUNT] = "unmount",
        [OPERATION_COLLECT] = "collect",
        [OPERATION_ADD_CONTAINER] = "add-container",
        [OPERATION_REMOVE_CONTAINER] = "remove-container",
        [OPERATION_REPAIR] = "repair",
        [OPERATION_OPEN_TREE] = "open-tree",
        [OPERATION_REPLACE] = "replace",
        [OPERATION_SET_NAMESPACES] = "set-namespaces",
        [OPERATION_PREPARE_PROCESS] = "prepare-process",
        [OPERATION_FIND] = "find",
        [OPERATION_EXAMINE] = "examine",
        [OPERATION_SEEK] = "seek",
        [OPERATION_LAYER_CREATE] = "layer-create",
        [OPERATION_LAYER_REMOVE] = "layer-remove",
        [OPERATION_LAYER_PURGE] = "layer-purge",
        [OPERATION_LAYER_GET] = "layer-get",
        [OPERATION_LAYER_PUT] = "layer-put",
        [OPERATION_LAYER_APPLY] = "layer-apply",
        [OPERATION_LAYER_IMPORT] = "layer-import",
        [OPERATION_LAYER_READ] = "layer-read",
        [OPERATION_HOLDERS] = "holders",
        [OPERATION_REMOVE_CGROUPS] = "remove-cgroups",
};
_Static_assert((int) _OPERATION_VERB_MAX <= (int) COUNTER_VERBS_MAX, "there is a counter for each verb");

const char *operation_verb_name(enum operation_verb verb) {
        return verb_names[verb];
}

static void count(const struct operation *operation, const struct failure *f) {
        enum counter_outcome outcome = f->kind == FAILURE_NONE ? COUNTER_DONE : f->kind == FAILURE_BUSY ? COUNTER_BUSY : COUNTER_FAILED;

        counters_operation(&operation->pods->counters, operation->class->verb, outcome, clock_us(CLOCK_MONOTONIC) - operation->begun_us);
}

/* Whoever asked for it heard nothing of how it ended: the history of the pod does. */
static void tell_history(const struct operation *operation, const struct failure *f) {
        const struct history_request row = {
                .method = verb_names[operation->class->verb],
                .caller = &operation->caller,
                .mount_id = operation->n_ids > 0 && f->kind == FAILURE_NONE ? operation->ids[0] : 0,
                .outcome = f->kind == FAILURE_NONE ? "done" : "failed",
                .detail = f->kind == FAILURE_NONE ? "after its caller had gone" : f->text,
        };

        history_add_request(operation->pods, operation->uuid, &row);
}

void operation_end(struct operation *operation, struct failure *f) {
        (void) map_remove_u64(operation->pods->operations, operation->job_id);
        operation->stage = OPERATION_ENDED;
        operation->timer = sd_event_source_disable_unref(operation->timer);
        turn_release(operation);
        count(operation, f);
        if (operation->abandoned && operation->class->verb < OPERATION_LAYER_CREATE)
                tell_history(operation, f);
        if (operation->internal) {
                if (f->kind != FAILURE_NONE)
                        log_failed(operation, f);
                operation_forget(operation);
        } else if (operation->done) /* else it has answered, and whoever heard that frees it */
                operation->done(operation, f, operation->done_userdata);
        failure_clear(f);
}

void operation_answer(struct operation *operation) {
        _cleanup_failure_ struct failure none = FAILURE_INIT;
        operation_done_fn done = operation->done;

        operation->done = NULL;
        if (done)
                done(operation, &none, operation->done_userdata);
}

void operation_again(struct operation *operation) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r;

        operation->timer = sd_event_source_disable_unref(operation->timer);
        operation->job = job_free(operation->job);
        r = operation->class->plan(operation, &f);
        if (r == 0)
                r = submit(operation);
        if (r == 0)
                return;
        (void) failure_from_errno(&f, r);
        operation->class->take_back(operation);
        operation_end(operation, &f);
}

static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        operation_again(userdata);
        return 0;
}

static bool may_retry(struct operation *operation, const struct job_result *result) {
        const unsigned lost_max = result->failure == FAILURE_TIMED_OUT ? HANGS_MAX : DEATHS_MAX;

        if (result->lost)
                return ++operation->n_lost < lost_max;
        return result->failure == FAILURE_BUSY && operation->tries < operation->pods->settings->busy_retries;
}

bool operation_retry(struct operation *operation, const struct job_result *result) {
        const char *id, *words = subject(operation, &id);
        int r;

        if (!may_retry(operation, result))
                return false;
        operation->tries++;
        operation->pods->counters.retries++;
        log_debug("A job%s%s is tried again: %s", words, id, result->text ?: "its executor died");
        r = sd_event_add_time_relative(operation->pods->event, &operation->timer, CLOCK_MONOTONIC,
                                       operation->pods->settings->busy_interval_us, 0, on_retry, operation);
        if (r < 0) {
                (void) log_errno(LOG_ERR, r, "arm the timer of a busy mount"); /* then this was the last try */
                return false;
        }
        return true;
}

int operation_next(struct operation *operation, struct failure *f) {
        int r;

        (void) map_remove_u64(operation->pods->operations, operation->job_id);
        operation->job_id = 0;
        operation->job = job_free(operation->job);
        operation->tries = operation->n_lost = 0;
        operation->undoing = false;
        operation->begun = true;
        r = operation->class->plan(operation, f);
        if (r == 0)
                r = operation->class->intend(operation, f);
        if (r != 0)
                return r;
        r = map_put_u64(operation->pods->operations, operation->job_id, operation);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "register a job");
        else
                r = submit(operation);
        if (r < 0) {
                (void) map_remove_u64(operation->pods->operations, operation->job_id);
                operation->class->take_back(operation);
        }
        return r;
}

static void end_undone(struct operation *operation) {
        struct failure cause = FAILURE_INIT;

        operation->class->take_back(operation);
        failure_move(&cause, &operation->cause);
        if (operation->class->undone) {
                operation->class->undone(operation, &cause);
                failure_clear(&cause);
        } else
                operation_end(operation, &cause);
}

static void end_not_undone(struct operation *operation, const char *reason) {
        struct failure cause = FAILURE_INIT;

        operation->class->undo_failed(operation, reason);
        (void) failure_set(&cause, operation->cause.kind, "%s What had been done could not be undone: %s",
                           operation->cause.text, reason);
        operation_end(operation, &cause);
}

void operation_undo(struct operation *operation, struct failure *cause) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r;

        if (operation->cause.kind == FAILURE_NONE)
                failure_move(&operation->cause, cause);
        if (!operation->undoing)
                operation->pods->counters.undone++;
        operation->undoing = true;
        operation->job = job_free(operation->job);
        r = operation->class->undo_job(operation, &operation->job, &f);
        if (r == 0 && !operation->job) {
                end_undone(operation);
                return;
        }
        if (r == 0)
                r = submit(operation);
        if (r != 0) {
                (void) failure_from_errno(&f, r);
                end_not_undone(operation, f.text);
        }
}

static void undo_result(struct operation *operation, const struct job_result *result) {
        if (!result || (result->failure == FAILURE_NONE && !result->lost))
                end_undone(operation);
        else if (result->lost && ++operation->tries < DEATHS_MAX)
                operation_undo(operation, &operation->cause);
        else
                end_not_undone(operation, result->text ?: "the executor died.");
}

static void on_result(const struct job_result *result, void *userdata) {
        struct operation *operation = userdata;

        operation->pool_job = NULL;
        if (operation->undoing)
                undo_result(operation, result);
        else
                operation->class->result(operation, result);
}

static void run(struct operation *operation, void *userdata _unused_) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r;

        r = operation_validate(operation, &f);
        if (r == OPERATION_WAIT)
                return;
        if (r == 0)
                r = operation_plan(operation, &f);
        if (r == 0)
                r = operation_intend(operation, &f);
        if (r == 0)
                r = operation_execute(operation, NULL, NULL, &f);
        if (r == 0)
                return;
        if (r != OPERATION_FINISHED) {
                (void) failure_from_errno(&f, r);
                log_failed(operation, &f);
        }
        operation_free(operation);
}

void operation_run_internal(struct operation *operation) {
        operation->internal = true;
        operation_set_resume(operation, run, NULL);
        run(operation, NULL);
}

struct pod *operation_pod(const struct operation *operation) {
        return operation->pod;
}

const char *operation_uuid(const struct operation *operation) {
        return operation->uuid;
}

enum operation_verb operation_verb(const struct operation *operation) {
        return operation->class->verb;
}

const uint64_t *operation_ids(const struct operation *operation, size_t *ret_n) {
        *ret_n = operation->n_ids;
        return operation->ids;
}

const char *operation_plan_text(const struct operation *operation) {
        return operation->plan_text;
}

char *const *operation_warnings(const struct operation *operation) {
        return operation->warnings;
}
