/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Creating a pod, and planning to. The pod is in the registry from the moment the store knows of it, so that its name
 * is taken and a retry finds it; it is announced when it stands whole.
 */

#include <string.h>
#include <systemd/sd-id128.h>

#include "pod/cgroups.h"
#include "pod/directories.h"
#include "pod/doom.h"
#include "pod/forecast.h"
#include "pod/gc-program.h"
#include "pod/host.h"
#include "pod/intent-detail.h"
#include "pod/layer-root.h"
#include "pod/layer-turn.h"
#include "pod/lease.h"
#include "pod/links.h"
#include "pod/operation-private.h"
#include "pod/own-table.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "pod/source.h"
#include "pod/turn.h"
#include "pod/use.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/log.h"
#include "util/path.h"

struct create {
        struct operation operation;
        char *name, *lease;
        enum lease_kind lease_kind;
        enum spec_visibility visibility; /* that the caller asks for beside the spec */
        uint64_t lease_ttl_us, connection;
        struct record_lease lease_on;
        struct spec *spec;
        struct wanted *wanted;
        struct quota_use use; /* before it */
        bool private;
        bool dry_run;
};

static struct create *create_of(struct operation *operation) {
        return (struct create *) operation;
}

static void release(struct operation *operation) {
        struct create *create = create_of(operation);

        layer_turn_leave(operation);
        free(create->name);
        free(create->lease);
        spec_free(create->spec);
        wanted_free(create->wanted);
}

/* The fd that came with a name, or -1. */
static int find_fd(const struct operation *operation, const char *name) {
        for (size_t i = 0; i < operation->n_fds; i++)
                if (strcmp(operation->fd_names[i], name) == 0)
                        return operation->fds[i];
        return -1;
}

static bool same_text(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Whoever asks again may have another connection, and the one before may be gone. */
static int meet_lease(const struct create *create, struct pod *pod, struct failure *f) {
        const struct record_lease *on = &pod->record->lease_on;
        uint64_t until;

        if (create->lease_kind == LEASE_PID && (create->lease_on.pid != on->pid || create->lease_on.start != on->start))
                return failure_set(f, FAILURE_POD_EXISTS, "Pod %s exists with a lease of another process; choose another id.", pod->record->uuid);
        if (create->lease_kind != LEASE_CALLER && create->lease_kind != LEASE_TTL)
                return 0;
        return lease_renew(create->operation.pods, pod, create->connection, create->operation.caller.pid, &until, f);
}

/* The pod of this UUID is there already: a retry, or somebody's else. */
static int meet(struct create *create, struct pod *pod, struct failure *f) {
        struct operation *operation = &create->operation;
        const struct record_pod *record = pod->record;
        int r;

        if (record->owner != operation->caller.uid || !pods_may_see(pod, &operation->caller))
                return failure_set(f, FAILURE_POD_EXISTS, "The id %s is taken; leave it out to get a new one.",
                                   operation->uuid);
        if (!same_text(record->spec, create->spec->canonical) || !same_text(record->name, create->name) ||
            !same_text(record->lease, create->lease) || (create->visibility != SPEC_VISIBILITY_UNSAID && record->private != create->private))
                return failure_set(f, FAILURE_POD_EXISTS, "Pod %s exists with another spec, name, lease or visibility; choose "
                                                          "another id, or "
                                   "collect it with podmountctl gc %s.", operation->uuid, operation->uuid);
        switch (record->state) {
        case RECORD_READY:
                r = meet_lease(create, pod, f);
                if (r != 0)
                        return r;
                operation->pod = pod;
                return OPERATION_FINISHED;
        case RECORD_CREATING:
                if (!turn_take(operation, pod))
                        return OPERATION_WAIT;
                return failure_set(f, FAILURE_BUSY, "Pod %s is left over from an interrupted creation; collect it "
                                                    "with podmountctl "
                                   "gc %s and try again.", operation->uuid, operation->uuid);
        case RECORD_STOPPING:
                return failure_set(f, FAILURE_BUSY, "Pod %s is being collected; try again when it is gone.",
                                   operation->uuid);
        case RECORD_FAILED:
        case _RECORD_STATE_MAX:
                break;
        }
        return failure_set(f, FAILURE_POD_EXISTS, "Pod %s failed (%s); collect it with podmountctl gc %s and try "
                                                  "again.",
                           operation->uuid, record->reason ?: "no reason is on record", operation->uuid);
}

static int check_name(const struct create *create, struct failure *f) {
        const struct operation *operation = &create->operation;
        const struct pod *pod;

        if (!create->name)
                return 0;
        pod = pods_find_name(operation->pods, operation->caller.uid, create->name);
        if (!pod)
                return 0;
        return failure_set(f, FAILURE_POD_EXISTS, "A pod of yours is named \"%s\" already (%s); choose another "
                                                  "name, or collect it "
                           "with podmountctl gc %s.", create->name, pod->record->uuid, create->name);
}

static struct quota_ask ask_for(const struct create *create) {
        return (struct quota_ask) {.pods = 1, .mounts = (uint32_t) create->wanted->n_mounts + 1, .tmpfs = use_tmpfs(create->wanted)};
}

static int check_quota(struct operation *operation, struct failure *f) {
        struct create *create = create_of(operation);
        const struct quota_ask ask = ask_for(create);

        create->use = (struct quota_use) {.mounts_of_namespace = create->private ? 0 : table_size(operation->pods->table),
                                           .mounts_max = operation->pods->mounts_max};
        return use_check(operation, &create->use, &ask, 0, f);
}

static int validate(struct operation *operation, struct failure *f) {
        struct create *create = create_of(operation);
        struct wanted_facts facts = operation->pods->facts;
        _cleanup_layer_roots_ struct layer_roots roots = {};
        struct pod *pod;
        int r;

        r = pods_check_runtime(operation->pods, f);
        if (r != 0)
                return r;
        pod = create->dry_run ? NULL : map_get(operation->pods->by_uuid, operation->uuid);
        if (pod)
                return meet(create, pod, f);
        r = check_name(create, f);
        if (r != 0)
                return r;
        facts.caller_is_root = caller_is_root(&operation->caller);
        create->wanted = wanted_free(create->wanted);
        r = layer_roots_find(operation, create->spec, !create->dry_run, &facts, &roots, f);
        if (r == 0)
                r = wanted_from_spec(create->spec, &facts, &create->wanted, f);
        if (r == 0)
                r = source_check_paths(operation, create->wanted, f);
        if (r == 0)
                r = host_check(operation->pods, &operation->caller, operation->uuid, create->wanted, f);
        if (r == 0)
                r = links_check(operation->pods, &operation->caller, create->spec, 0, f);
        if (r == 0) {
                r = cgroups_check(operation->pods, operation->uuid, create->wanted, f);
                if (r != 0 && !create->dry_run)
                        cgroups_retry(operation->pods); /* whoever was in it may have ended since the last collection */
        }
        if (r != 0)
                return r;
        source_mark_devices(operation, create->wanted);
        operation->new_mounts = ask_for(create).mounts;
        return check_quota(operation, f);
}

static int plan(struct operation *operation, struct failure *f) {
        struct create *create = create_of(operation);
        struct job_caller caller;
        struct plan_pod pod;
        struct quota_ask ask;
        int r;

        operation_plan_pod(operation, create->dry_run, &caller, &pod);
        pod.private = create->private;
        r = plan_create(&pod, create->wanted, &operation->job, f);
        if (r == 0)
                r = links_plan_make(create->spec, operation->job);
        if (r != 0 || !create->dry_run)
                return r;
        ask = ask_for(create);
        r = plan_to_json(operation->job, create->wanted, &operation->plan_text);
        if (r == 0)
                r = forecast_add(&operation->plan_text, create->wanted, &operation->caller, operation->pods->settings, &create->use, &ask);
        if (r == 0)
                r = forecast_add_process(&operation->plan_text, &pod, create->spec, create->wanted, &operation->caller);
        return r < 0 ? r : OPERATION_FINISHED;
}

static int make_record(const struct create *create, struct record_pod **ret) {
        const struct operation *operation = &create->operation;
        _cleanup_(record_pod_freep) struct record_pod *record = calloc(1, sizeof(*record));

        if (!record)
                return log_oom();
        record->private = create->private;
        record->owner = operation->caller.uid;
        record->owner_group = operation->caller.gid;
        record->state = RECORD_CREATING;
        record->created_us = clock_us(CLOCK_REALTIME);
        record->uuid = strdup(operation->uuid);
        record->spec = strdup(create->spec->canonical);
        if (create->name)
                record->name = strdup(create->name);
        if (create->lease)
                record->lease = strdup(create->lease);
        record->lease_on = create->lease_on;
        if (create->lease_kind == LEASE_TTL)
                lease_prolong(create->lease_ttl_us, &record->lease_on);
        if (!record->uuid || !record->spec || (create->name && !record->name) || (create->lease && !record->lease) ||
            strv_copy(create->wanted->containers, &record->containers) < 0 ||
            strv_copy(create->wanted->warnings, &record->warnings) < 0)
                return log_oom();
        if (directories_intend(operation->job, record, &record->warnings) < 0 || host_intend(create->wanted, record) < 0 ||
            links_intend(create->spec, true, record) < 0 || gc_program_intend(operation, create->spec, record) < 0 ||
            cgroups_intend(operation->job, record) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(record);
        return 0;
}

/* The pod, and what it has outside its tree: within a transaction. */
static int put(struct store *store, struct record_pod *record) {
        int r = store_put_pod(store, record);

        if (r == 0)
                r = host_put(store, record);
        return r < 0 ? r : cgroups_put(store, record);
}

static int write_intent(const struct operation *operation, struct record_pod *record) {
        struct record_intent intent = {.job = operation->job_id, .uuid = operation->uuid, .verb = RECORD_VERB_CREATE};
        struct store *store = operation->pods->store;
        _cleanup_free_ char *detail = NULL;
        int r = 0;

        if (record->n_host > 0)
                r = intent_detail_write_host((uint32_t) host_first_step(operation->job), &detail);
        intent.detail = detail;
        if (r == 0)
                r = store_begin(store);
        if (r == 0)
                r = put(store, record);
        if (r == 0)
                r = store_put_intent(store, &intent);
        r = store_end(store, r);
        return r < 0 ? log_errno(LOG_ERR, r, "write down the creation of pod %s", operation->uuid) : 0;
}

static int intend(struct operation *operation, struct failure *f) {
        struct record_pod *record = NULL;
        struct pod *pod;
        int r;

        r = make_record(create_of(operation), &record);
        if (r < 0)
                return r;
        r = pod_new(record, &pod);
        if (r < 0)
                return log_oom();
        r = record->private ? own_table_new(operation->pods, pod) : 0;
        if (r == 0)
                r = pods_add(operation->pods, pod);
        if (r < 0) {
                pod_free(pod);
                return r;
        }
        r = layer_roots_hold(operation->pods, pod, create_of(operation)->wanted, f);
        if (r == 0)
                r = write_intent(operation, pod->record);
        if (r != 0) {
                layer_roots_release(operation->pods, pod);
                pods_remove(operation->pods, pod);
                return r;
        }
        operation->new_mounts -= (uint32_t) pod->record->n_host; /* they are on record */
        (void) turn_take(operation, pod); /* nobody else knows of it yet */
        return 0;
}

static void take_back(struct operation *operation) {
        if (operation->pod)
                cgroups_leave(operation->pods, operation->pod->record);
        (void) recording_forget(operation->pods, operation->uuid, NULL, operation->job_id); /* the next start collects it */
        if (!operation->pod)
                return;
        layer_roots_release(operation->pods, operation->pod);
        pods_remove(operation->pods, operation->pod);
}

static int record_all(struct create *create, const struct job_result *result) {
        struct operation *operation = &create->operation;
        struct directories_change directories = {};
        struct pod *pod = operation->pod;
        int r;

        r = recording_append(operation->pods, pod, create->wanted, NULL, operation->job, result, NULL);
        for (char **warning = result->warnings; r == 0 && warning && *warning; warning++)
                r = strv_append(&pod->record->warnings, *warning);
        if (r == 0)
                r = cgroups_commit(operation->pods, pod->record);
        if (r == 0)
                r = directories_stand(pod->record, &directories);
        if (r == 0) {
                links_settle(pod->record, operation->job, result);
                pod->record->state = RECORD_READY;
                r = recording_commit(operation->pods, pod, 0, true, operation->job_id);
        }
        directories_end(pod->record, &directories, r == 0);
        if (r < 0) {
                recording_truncate(pod, 0);
                pod->record->state = RECORD_CREATING;
        }
        return r;
}

/* What was made outside the pod's tree is known from the answer, or from an intent file that the next job of that executor, the undo
 * among them, writes over: should the front die before it is undone, the record says it. */
static void write_made(const struct operation *operation) {
        struct store *store = operation->pods->store;
        int r = store_begin(store);

        if (r == 0)
                r = put(store, operation->pod->record);
        r = store_end(store, r);
        if (r < 0) /* it is undone all the same */
                (void) log_errno(LOG_ERR, r, "write down what was made of pod %s before it is undone", operation->uuid);
}

/* What the executor has opened in the pod's mount namespace. */
static int take_table(struct operation *operation, const struct job_result *answer) {
        return answer->fd ? own_table_open(operation->pod, TAKE_FD(*answer->fd)) : -EIO;
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct create *create = create_of(operation);
        struct failure f = FAILURE_INIT;
        char uid[16];
        int r = 0;

        if (answer->failure == FAILURE_BUSY && !answer->lost && operation_retry(operation, answer))
                return;
        directories_settle(operation->pod->record, answer);
        host_settle(operation->pod->record, operation->job, answer);
        cgroups_settle(operation->pod->record, answer);
        if (answer->failure == FAILURE_NONE && !answer->lost) {
                r = create->private ? take_table(operation, answer) : 0;
                if (r == 0)
                        r = record_all(create, answer);
                if (r < 0)
                        (void) failure_from_errno(&f, r);
        } else
                (void) operation_failure(operation, answer, create->wanted, &f);

        if (f.kind != FAILURE_NONE && (answer->lost || r < 0)) {
                write_made(operation);
                operation_undo(operation, &f);
                return;
        }
        if (f.kind == FAILURE_NONE) {
                (void) snprintf(uid, sizeof(uid), "%u", operation->caller.uid);
                event_log(EVENT_POD_CREATED, ((const char *const[]) {"POD=", operation->uuid, "CALLER_UID=", uid, NULL}),
                           "Created pod %s (%zu mounts)", operation->uuid, operation->pod->record->n_mounts);
                operation->new_mounts = 0;
                tell_new(operation->pods, operation->pod);
                /* A caller that has gone meanwhile has left the operation to itself. */
                lease_begin(operation->pods, operation->pod, operation->internal ? 0 : create->connection, find_fd(operation, LEASE_FD));
        } else
                take_back(operation);
        operation_end(operation, &f);
}

static int undo_job(struct operation *operation, struct job **ret, struct failure *f) {
        _cleanup_free_ struct plan_doomed *doomed = NULL;
        _cleanup_free_ struct plan_directory *directories = NULL;
        struct job_caller caller;
        struct plan_pod pod;
        size_t n, n_directories = 0;
        int r;

        r = pods_sync_pod(operation->pods, operation->pod);
        if (r >= 0)
                r = doom_pod(operation->pods, operation->uuid, operation->pod->record, true, &doomed, &n);
        if (r >= 0)
                r = directories_doom(operation->pod->record, (struct directories_which) {}, &directories, &n_directories);
        if (r < 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        pod.fd_names = NULL;
        r = plan_collect(&pod, doomed, n, directories, n_directories, true, ret, f);
        if (r == 0)
                r = links_plan_leave(&pod, operation->pod->record, NULL, false, ret);
        return r != 0 ? r : cgroups_doom(operation->pod->record, &pod, ret);
}

static void undo_failed(struct operation *operation, const char *reason) {
        struct record_pod *record = operation->pod->record;
        char *text = strdup(reason);

        record->state = RECORD_FAILED;
        if (text) {
                free(record->reason);
                record->reason = text;
        }
        (void) cgroups_commit(operation->pods, record); /* what cannot be written is logged, and known until the next start */
        if (recording_commit(operation->pods, operation->pod, 0, true, operation->job_id) == 0)
                log_error("Pod %s could neither be created nor taken back (%s); podmountctl gc tries again",
                          operation->uuid, reason);
}

static const struct operation_class class = {
        .verb = OPERATION_CREATE,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .undo_job = undo_job,
        .undo_failed = undo_failed,
        .release = release,
};

static int take_name(struct create *create, const struct create_arguments *arguments, struct failure *f) {
        const char *name = arguments->name ?: create->spec->name;

        if (!name)
                return 0;
        if (!name_is_valid(name))
                return failure_set(f, FAILURE_INVALID_ARGS, "\"%.128s\" is no name for a pod: it takes 1 to 64 "
                                                            "letters, digits, dots, "
                                   "underscores and dashes, the first a letter or a digit.", name);
        if (pod_looks_like_uuid(name))
                return failure_set(f, FAILURE_INVALID_ARGS, "The name \"%s\" looks like a UUID or the beginning of "
                                                            "one; choose another.",
                                   name);
        create->name = strdup(name);
        return create->name ? 0 : log_oom();
}

static int take_lease(struct create *create, const struct create_arguments *arguments, struct failure *f) {
        const struct operation *operation = &create->operation;
        int fd = find_fd(operation, LEASE_FD), r;

        if (!arguments->lease)
                return 0;
        r = lease_parse(arguments->lease, &create->lease_kind, &create->lease_ttl_us, f);
        if (r != 0)
                return r;
        if (create->lease_kind == LEASE_CALLER) {
                if (arguments->connection == 0)
                        return failure_set(f, FAILURE_NOT_SUPPORTED, "The bus does not tell podmountd when another connection ends: use "
                                                                     "the private socket, or another lease.");
                create->connection = arguments->connection;
                lease_of_pid(operation->caller.pid, &create->lease_on);
        } else if (create->lease_kind == LEASE_PID) {
                if (fd < 0)
                        return failure_set(f, FAILURE_INVALID_ARGS, "The lease \"pid\" needs the fd \"" LEASE_FD "\": a pidfd.");
                r = lease_of_pidfd(fd, &create->lease_on, f);
                if (r != 0)
                        return r;
        }
        if (create->lease_kind == LEASE_UNIT && !operation->pods->watch_unit)
                return failure_set(f, FAILURE_NOT_SUPPORTED, "Leases of units need the system bus, on which this podmountd does not serve.");
        create->lease = strdup(arguments->lease);
        return create->lease ? 0 : log_oom();
}

static int take_visibility(struct create *create, const struct create_arguments *arguments, struct failure *f) {
        int r = arguments->visibility ? spec_visibility_from_name(arguments->visibility) : SPEC_VISIBILITY_UNSAID;

        if (r < 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "The visibility \"%.80s\" is neither \"host\" nor \"private\".", arguments->visibility);
        create->visibility = (enum spec_visibility) r;
        return 0;
}

/* The option beats the spec, and that the configuration. */
static bool is_private(const struct create *create) {
        enum spec_visibility visibility = create->visibility != SPEC_VISIBILITY_UNSAID ? create->visibility : create->spec->visibility;

        if (visibility == SPEC_VISIBILITY_UNSAID)
                return create->operation.pods->settings->visibility == SETTINGS_VISIBILITY_PRIVATE;
        return visibility == SPEC_VISIBILITY_PRIVATE;
}

static int take_uuid(const struct create_arguments *arguments, char **ret, struct failure *f) {
        sd_id128_t id;
        int r;

        if (arguments->uuid) {
                r = pod_uuid_canonical(arguments->uuid, ret);
                if (r == -EINVAL)
                        return failure_set(f, FAILURE_INVALID_ARGS, "\"%.128s\" is no UUID; leave the id out to get "
                                                                    "a new one.",
                                           arguments->uuid);
                return r < 0 ? log_oom() : 0;
        }
        r = sd_id128_randomize(&id);
        if (r < 0)
                return log_errno(LOG_ERR, r, "make a random UUID");
        *ret = strdup(SD_ID128_TO_UUID_STRING(id));
        return *ret ? 0 : log_oom();
}

int operation_new_create(struct pods *pods, const struct caller *caller, const struct create_arguments *arguments,
                         const struct operation_fds *fds, struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *uuid = NULL;
        struct create *create;
        int r;

        r = take_uuid(arguments, &uuid, f);
        if (r == 0)
                r = operation_new(&class, sizeof(struct create), pods, caller, NULL, uuid, fds, &operation, f);
        if (r != 0)
                return r;
        create = create_of(operation);
        create->dry_run = arguments->dry_run;
        r = take_visibility(create, arguments, f);
        if (r == 0)
                r = (arguments->restored ? spec_parse_restored : spec_parse)(arguments->spec, arguments->spec_size, pods->settings->spec_size_max,
                                                                             pods->settings->mounts_per_pod, &create->spec, f);
        if (r == 0)
                r = take_name(create, arguments, f);
        if (r == 0)
                create->private = is_private(create);
        if (r == 0)
                r = take_lease(create, arguments, f);
        if (r == 0)
                r = spec_fd_names(create->spec, &names);
        if (r == 0 && create->lease_kind == LEASE_PID)
                r = strv_append(&names, LEASE_FD);
        if (r == 0)
                r = source_check_fds(operation, names, f);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(operation);
        return 0;
}
