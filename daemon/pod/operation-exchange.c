/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replace() in a running container's own mount namespace: three jobs or five. The first says which namespace the fd means and
 * what is there; the second attaches the new mount beneath the old one and detaches that; the third, because the table shows
 * nothing of that namespace, looks which of both are there; and where the old one still is, a fourth detaches it, and the third
 * comes again.
 *
 * From the second on there is no way back, so that whatever dies, the replacement is brought to its end: by ids, and
 * without the client's fd, from the third job on.
 */

#include <inttypes.h>
#include <string.h>

#include "pod/container.h"
#include "pod/intent-replace.h"
#include "pod/source.h"
#include "pod/use.h"
#include "pod/volume.h"
#include "pod/within.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

enum stage { STAGE_LOOK, STAGE_MAKE, STAGE_FIND, STAGE_END };

struct exchange {
        struct operation operation;
        char *container; /* as given, or NULL */
        char *fd_name;
        char *target;
        uint64_t expected; /* id that the old mount has to have; 0: any */
        struct spec_mount *mounts;
        size_t n_mounts;
        enum stage stage;
        bool ended; /* the fourth job is over */
        struct intent_replace detail;
        uint64_t intent_job; /* whose intent it is, 0 for none; it stays while there is no way back */
        struct wanted *wanted;
        struct job_result found; /* STAGE_FIND's answer, the new mount first */
        struct failure cause; /* why the second job failed, if it did */
};

static struct exchange *exchange_of(struct operation *operation) {
        return (struct exchange *) operation;
}

static void release(struct operation *operation) {
        struct exchange *exchange = exchange_of(operation);

        free(exchange->container);
        free(exchange->fd_name);
        free(exchange->target);
        spec_mounts_free(exchange->mounts, exchange->n_mounts);
        intent_replace_done(&exchange->detail);
        wanted_free(exchange->wanted);
        job_result_done(&exchange->found);
        failure_clear(&exchange->cause);
}

static const struct record_mount *old_of(const struct exchange *exchange) {
        return within_find_row(exchange->operation.pod, exchange->detail.row);
}

static void forget_intent(struct exchange *exchange) {
        if (exchange->intent_job != 0)
                container_forget_job(&exchange->operation, exchange->intent_job);
        exchange->intent_job = 0;
}

static void end(struct exchange *exchange, struct failure *f) {
        exchange->operation.new_mounts = 0;
        operation_end(&exchange->operation, f);
}

/* With the cause, which would go with the operation before it was told. */
static void end_failed(struct exchange *exchange) {
        struct failure f = FAILURE_INIT;

        failure_move(&f, &exchange->cause);
        end(exchange, &f);
}

/* The record that is meant. */
static int find(struct exchange *exchange, uint64_t namespace, const char *container, struct failure *f) {
        const struct pod *pod = exchange->operation.pod;
        const struct record_mount *mount = within_find(pod, namespace, container, exchange->target);

        if (!mount || mount->lost || (exchange->expected != 0 && mount->id != exchange->expected))
                return failure_set(f, FAILURE_NO_SUCH_MOUNT,
                                   "%s is recorded at %s in that mount namespace of container %s; podmountctl show %s lists what is.",
                                   mount && !mount->lost ? "Another mount" : "Nothing that is still there", exchange->target, container,
                                   pod->record->uuid);
        if (!mount->request)
                return failure_set(f, FAILURE_INVALID_TARGET, "%s is a mount that came along with another one; only what a call has "
                                                              "mounted can be replaced.", exchange->target);
        exchange->detail.row = mount->row;
        exchange->detail.namespace = namespace;
        return 0;
}

static int compile(struct exchange *exchange, struct failure *f) {
        struct wanted_facts facts = exchange->operation.pods->facts;
        _cleanup_free_ struct wanted_volume *volumes = NULL;
        int r;

        facts.caller_is_root = exchange->detail.root;
        exchange->wanted = wanted_free(exchange->wanted);
        r = volume_facts(exchange->operation.pod, &facts, &volumes);
        if (r == 0)
                r = wanted_from_mounts(old_of(exchange)->container, exchange->mounts, exchange->n_mounts, &facts, &exchange->wanted, f);
        if (r != 0)
                return r;
        if (exchange->wanted->n_mounts != 1)
                return log_errno(LOG_ERR, EBADMSG, "compile one mount");
        if (exchange->wanted->mounts[0].deferred)
                return failure_set(f, FAILURE_INVALID_ARGS, "The %s at %s names no namespace to show, and nothing waits for one in a "
                                                            "running container; name it in \"namespaces\" of the mount.",
                                   exchange->wanted->mounts[0].type, exchange->target);
        return strcmp(exchange->wanted->mounts[0].type, "devtmpfs") != 0 ? 0 :
                failure_set(f, FAILURE_NOT_SUPPORTED, "A devtmpfs is made of many mounts and cannot replace one in a single step.");
}

/* What hangs below the old mount has to have come along with it: it goes with it. The looks of the first job say what does. */
static int check_below(const struct exchange *exchange, const struct job_result *answer, struct failure *f) {
        const struct operation *operation = &exchange->operation;
        const struct record_mount *old = old_of(exchange);

        for (size_t i = 0; i < answer->n_brought; i++) {
                const struct brought *below = &answer->brought[i];
                const struct step *step = &operation->job->steps[below->step];
                const struct record_mount *record = within_find_id(operation->pod, below->id);

                if (step->kind != STEP_SEEK || step->id != old->id || below->id == old->id || (record && record->nested))
                        continue;
                return failure_set(f, FAILURE_BUSY, "Mount %" PRIu64 " (%s) lies on it at %s%s; unmount that first.", below->id,
                                   record ? record->type : "not made by podmountd", exchange->target, below->path);
        }
        return 0;
}

static int check_quota(struct operation *operation, struct failure *f) {
        const struct exchange *exchange = exchange_of(operation);
        const struct quota_ask ask = {.mounts = 1, .tmpfs = use_tmpfs_beyond(exchange->wanted, old_of(exchange))};
        struct quota_use use = {
                .mounts_of_pod = use_mounts(operation->pod->record) - 1, /* one goes */
                .mounts_max = operation->pods->mounts_max,
        };

        return use_check(operation, &use, &ask, 1, f);
}

/* A replacement that a crash interrupted has nothing to end when nothing had been made, or its record is gone. */
static int validate_resumed(struct exchange *exchange, struct failure *f) {
        if (exchange->detail.made.id == 0 || !old_of(exchange)) {
                forget_intent(exchange);
                return OPERATION_FINISHED;
        }
        return compile(exchange, f);
}

static int validate(struct operation *operation, struct failure *f) {
        struct exchange *exchange = exchange_of(operation);
        const char *container;
        int r = pods_check_runtime(operation->pods, f);

        if (r == 0)
                r = container_begin(operation, f);
        if (r != 0)
                return r;
        return exchange->stage == STAGE_FIND ? validate_resumed(exchange, f)
                                             : container_find(operation->pod, exchange->container, &container, f);
}

/* What lies on others is nobody's question. */
static bool may_be_meant(const struct exchange *exchange, size_t i, const char *container) {
        const struct record_mount *mount = &exchange->operation.pod->record->inside[i];

        return !mount->nested && strcmp(mount->container, container) == 0 && strcmp(mount->target, exchange->target) == 0;
}

static int plan_look(struct exchange *exchange, const struct plan_pod *pod, struct failure *f) {
        struct operation *operation = &exchange->operation;
        _cleanup_free_ struct plan_inside *known = NULL;
        const char *container = NULL;
        size_t n = 0;
        int r = container_find(operation->pod, exchange->container, &container, f);

        if (r == 0)
                r = within_list(operation->pod, NULL, &known, &n);
        for (size_t i = 0; i < n && r == 0; i++)
                r = plan_seek(pod, &known[i], 1, may_be_meant(exchange, i, container), &operation->job);
        return r == 0 ? plan_enter(pod, container, exchange->fd_name, 0, &operation->job, f) : r;
}

static int plan_make(struct exchange *exchange, const struct plan_pod *pod, struct failure *f) {
        struct operation *operation = &exchange->operation;
        const struct record_mount *old = old_of(exchange);
        int r = plan_replace(pod, exchange->wanted, old->id, &operation->job, f);

        if (r == 0)
                r = plan_enter(pod, old->container, exchange->fd_name, exchange->detail.namespace, &operation->job, f);
        return r == 0 ? volume_resolve(operation, f) : r;
}

static int plan(struct operation *operation, struct failure *f) {
        struct exchange *exchange = exchange_of(operation);
        const struct record_mount *old = old_of(exchange);
        const struct plan_inside both[] = {{.id = exchange->detail.made.id, .namespace = exchange->detail.namespace},
                                           {.id = old ? old->id : 0, .namespace = exchange->detail.namespace}};
        struct job_caller caller;
        struct plan_pod pod;

        operation_plan_pod(operation, false, &caller, &pod);
        if (exchange->stage == STAGE_LOOK)
                return plan_look(exchange, &pod, f);
        if (!old)
                return log_errno(LOG_ERR, ENOENT, "find the record of a mount in a container of pod %s", operation->uuid);
        if (exchange->stage == STAGE_MAKE)
                return plan_make(exchange, &pod, f);
        pod.fd_names = NULL;
        return exchange->stage == STAGE_FIND ? plan_seek(&pod, both, 2, true, &operation->job)
                                             : plan_withdraw(&pod, &both[1], 1, true, &operation->job);
}

static int write_intent(struct exchange *exchange) {
        const struct record_intent intent = {.job = exchange->intent_job, .uuid = exchange->operation.uuid, .verb = RECORD_VERB_REPLACE};
        struct store *store = exchange->operation.pods->store;
        _cleanup_free_ char *text = NULL;
        struct record_intent put = intent;
        int r = intent_replace_write(&exchange->detail, &text);

        if (r < 0)
                return r;
        put.detail = text;
        r = store_begin(store);
        if (r == 0)
                r = store_put_intent(store, &put);
        r = store_end(store, r);
        return r < 0 ? log_errno(LOG_ERR, r, "write down what is to be done to pod %s", exchange->operation.uuid) : 0;
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        struct exchange *exchange = exchange_of(operation);

        if (exchange->stage != STAGE_MAKE)
                return 0;
        exchange->intent_job = operation->job_id;
        return write_intent(exchange);
}

static void take_back(struct operation *operation) {
        if (exchange_of(operation)->stage == STAGE_MAKE)
                forget_intent(exchange_of(operation));
}

static void next(struct exchange *exchange, enum stage stage) {
        struct failure f = FAILURE_INIT;
        int r;

        exchange->stage = stage;
        r = operation_next(&exchange->operation, &f);
        if (r == 0)
                return;
        (void) failure_from_errno(&f, r);
        end(exchange, &f); /* past the second stage the intent stays for the next start */
}

/* What there is to do in the namespace that is known now. */
static void looked(struct exchange *exchange, const struct job_result *answer) {
        struct operation *operation = &exchange->operation;
        struct failure f = FAILURE_INIT;
        const char *container = NULL;
        int r = within_learn(operation->pods, operation->pod, operation->job, answer);

        if (r == 0)
                r = container_find(operation->pod, exchange->container, &container, &f);
        if (r == 0)
                r = find(exchange, answer->n_steps > 0 ? answer->steps[0].id : 0, container, &f);
        if (r == 0)
                r = check_below(exchange, answer, &f);
        if (r == 0)
                r = compile(exchange, &f);
        if (r == 0)
                r = source_check_paths(operation, exchange->wanted, &f);
        if (r == 0) {
                source_mark_devices(operation, exchange->wanted);
                r = check_quota(operation, &f);
        }
        if (r == 0) {
                next(exchange, STAGE_MAKE);
                return;
        }
        (void) failure_from_errno(&f, r);
        end(exchange, &f);
}

static void made(struct exchange *exchange, const struct job_result *answer) {
        struct operation *operation = &exchange->operation;
        bool failed = !answer || answer->failure != FAILURE_NONE;

        if (!answer)
                (void) failure_from_errno(&exchange->cause, -EIO);
        else if (failed || answer->lost)
                (void) operation_failure(operation, answer, exchange->wanted, &exchange->cause);
        else if (answer->warnings)
                (void) strv_copy(answer->warnings, &operation->warnings); /* words for people alone */
        if (answer && answer->n_steps > 1)
                exchange->detail.made = (struct intent_mount) {.id = answer->steps[1].id, .mount_id = answer->steps[1].mount_id};
        if (exchange->detail.made.id == 0 && exchange->cause.kind == FAILURE_NONE)
                (void) failure_from_errno(&exchange->cause, -EBADMSG); /* an answer that does not say what was made */
        if (exchange->detail.made.id == 0 || (failed && answer && !answer->lost)) {
                forget_intent(exchange);
                end_failed(exchange);
                return;
        }
        if (write_intent(exchange) < 0)
                log_error("A crash now would leave a mount in a container of pod %s that no record names", operation->uuid);
        next(exchange, STAGE_FIND);
}

static void record(struct exchange *exchange) {
        struct operation *operation = &exchange->operation;
        struct failure f = FAILURE_INIT;
        int r = within_replace(operation->pods, operation->pod, exchange->detail.row, exchange->wanted, exchange->detail.key,
                               &exchange->found, exchange->intent_job);

        if (r == 0) {
                operation->ids[0] = exchange->detail.made.id;
                exchange->intent_job = 0;
        }
        (void) failure_from_errno(&f, r); /* the intent stays: the next start ends it */
        end(exchange, &f);
}

/* Neither of both was touched, or all is gone. */
static void came_to_nothing(struct exchange *exchange, enum seek_state state) {
        forget_intent(exchange);
        if (exchange->cause.kind == FAILURE_NONE)
                (void) failure_set(&exchange->cause, FAILURE_BUSY, state == SEEK_GONE ? "The container has ended meanwhile."
                                                                                      : "The container has unmounted it meanwhile.");
        end_failed(exchange);
}

/* The rows of what was found: the mount itself comes first, as if it had come along with itself. */
static void found(struct exchange *exchange, const struct job_result *answer) {
        struct operation *operation = &exchange->operation;
        enum seek_state new = (enum seek_state) answer->steps[0].attributes, old = (enum seek_state) answer->steps[1].attributes;
        struct failure f = FAILURE_INIT;
        int r = 0;

        if (new != SEEK_THERE) {
                (void) within_learn(operation->pods, operation->pod, operation->job, answer);
                came_to_nothing(exchange, new);
                return;
        }
        job_result_done(&exchange->found);
        for (size_t i = 0; i < answer->n_brought && r == 0; i++)
                if (answer->brought[i].step == 0)
                        r = brought_append(&exchange->found, &answer->brought[i]);
        if (r == 0 && exchange->found.n_brought == 0)
                r = -EBADMSG;
        if (r < 0) {
                (void) failure_from_errno(&f, r);
                end(exchange, &f);
                return;
        }
        if (old != SEEK_THERE)
                record(exchange);
        else if (!exchange->ended)
                next(exchange, STAGE_END); /* what lies on the new one is told anew, then */
        else {
                (void) failure_set(&f, FAILURE_MOUNT_FAILED, "The old mount at %s was not detached.", exchange->target);
                end(exchange, &f);
        }
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct exchange *exchange = exchange_of(operation);
        struct failure f = FAILURE_INIT;

        if (exchange->stage == STAGE_MAKE) {
                made(exchange, answer);
                return;
        }
        if (!answer || answer->lost || answer->failure != FAILURE_NONE) {
                if (answer && operation_retry(operation, answer))
                        return;
                if (answer)
                        (void) operation_failure(operation, answer, NULL, &f);
                else
                        (void) failure_from_errno(&f, -EIO);
                end(exchange, &f);
                return;
        }
        switch (exchange->stage) {
        case STAGE_LOOK:
                looked(exchange, answer);
                return;
        case STAGE_FIND:
                found(exchange, answer);
                return;
        case STAGE_END:
        case STAGE_MAKE:
                exchange->ended = true;
                next(exchange, STAGE_FIND);
        }
}

static const struct operation_class class = {
        .verb = OPERATION_REPLACE,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

static int new_exchange(struct pods *pods, const struct caller *caller, struct pod *pod, const struct operation_fds *fds,
                        struct operation **ret, struct failure *f) {
        struct operation *operation;
        int r = operation_new(&class, sizeof(struct exchange), pods, caller, pod, pod->record->uuid, fds, &operation, f);

        if (r != 0)
                return r;
        *ret = operation;
        operation->ids = calloc(1, sizeof(*operation->ids));
        operation->n_ids = 1;
        return operation->ids ? 0 : log_oom();
}

static int take_arguments(struct exchange *exchange, const char *fd_name, const struct replace_arguments *arguments, struct failure *f) {
        struct operation *operation = &exchange->operation;
        _cleanup_strv_ char **names = NULL;
        int r;

        if (exchange->n_mounts != 1)
                return failure_set(f, FAILURE_INVALID_ARGS, "One mount replaces one; this call has %zu.", exchange->n_mounts);
        exchange->expected = arguments->mount_id;
        exchange->detail.root = caller_is_root(&operation->caller);
        exchange->target = strdup(exchange->mounts[0].destination);
        exchange->fd_name = strdup(fd_name);
        exchange->container = arguments->container ? strdup(arguments->container) : NULL;
        if (!exchange->target || !exchange->fd_name || (arguments->container && !exchange->container))
                return log_oom();
        r = spec_mount_to_text(&exchange->mounts[0], &exchange->detail.request);
        if (r == 0)
                r = spec_mounts_fd_names(exchange->mounts, 1, &names);
        if (r == 0 && strv_append(&names, fd_name) < 0)
                return log_oom();
        if (r == 0)
                r = source_check_fds(operation, names, f);
        return r == 0 ? source_key(operation, &exchange->mounts[0], &exchange->detail.key) : r;
}

int operation_new_exchange(struct pods *pods, const struct caller *caller, struct pod *pod, const char *fd_name,
                           struct replace_arguments *arguments, const struct operation_fds *fds, struct operation **ret,
                           struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        struct spec_mount *mounts = TAKE_PTR(arguments->mounts);
        int r = new_exchange(pods, caller, pod, fds, &operation, f);

        if (!operation) {
                spec_mounts_free(mounts, arguments->n_mounts);
                return r;
        }
        exchange_of(operation)->mounts = mounts;
        exchange_of(operation)->n_mounts = arguments->n_mounts;
        if (r == 0)
                r = take_arguments(exchange_of(operation), fd_name, arguments, f);
        if (r == 0)
                *ret = TAKE_PTR(operation);
        return r;
}

int operation_new_exchange_resumed(struct pods *pods, struct pod *pod, uint64_t job, const char *detail, struct operation **ret,
                                   struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        struct exchange *exchange;
        int r = new_exchange(pods, &caller_house, pod, NULL, &operation, f);

        if (r != 0)
                return r;
        exchange = exchange_of(operation);
        exchange->stage = STAGE_FIND;
        exchange->intent_job = job;
        r = intent_replace_resume(detail, pods->settings->spec_size_max, &exchange->detail, &exchange->mounts, &exchange->n_mounts,
                                  &exchange->target, f);
        if (r == 0)
                *ret = TAKE_PTR(operation);
        return r;
}
