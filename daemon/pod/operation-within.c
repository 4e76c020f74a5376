/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bind() and Mount() in a running container's own mount namespace: two jobs. The first says which namespace the fd means,
 * once an executor has found that the caller may mount there, and what became of the mounts on record; only then it can be
 * told what is a retry, and the intent can say where to look after a crash. The second mounts, all or nothing.
 */

#include <inttypes.h>
#include <string.h>

#include "pod/container.h"
#include "pod/intent-detail.h"
#include "pod/operation-private.h"
#include "pod/source.h"
#include "pod/use.h"
#include "pod/volume.h"
#include "pod/within.h"
#include "util/array.h"
#include "util/event.h"
#include "util/log.h"

struct within {
        struct operation operation;
        char *container; /* as given, or NULL */
        char *fd_name;
        struct spec_mount *mounts;
        size_t n_mounts;
        bool stack;

        bool entered;          /* the first job is over… */
        uint64_t namespace;    /* …and has said this */
        char **keys;           /* source keys by mount, n_mounts of them, NULL ones included */
        struct wanted *wanted; /* what is not there yet… */
        size_t *wanted_of;     /* …by which argument each is */
        char **wanted_keys;    /* the arguments' own */
        struct plan_inside *made; /* by a job that was lost or could not be recorded */
        size_t n_made;
};

static struct within *within_of(struct operation *operation) {
        return (struct within *) operation;
}

static void release(struct operation *operation) {
        struct within *within = within_of(operation);

        for (size_t i = 0; within->keys && i < within->n_mounts; i++)
                free(within->keys[i]);
        free(within->keys);
        free(within->container);
        free(within->fd_name);
        spec_mounts_free(within->mounts, within->n_mounts);
        wanted_free(within->wanted);
        free(within->wanted_of);
        free(within->wanted_keys);
        free(within->made);
}

static int validate(struct operation *operation, struct failure *f) {
        const char *container;
        int r = pods_check_runtime(operation->pods, f);

        if (r == 0)
                r = container_begin(operation, f);
        return r == 0 ? container_find(operation->pod, within_of(operation)->container, &container, f) : r;
}

static int plan_first(struct within *within, const struct plan_pod *pod, const char *container, struct failure *f) {
        struct operation *operation = &within->operation;
        _cleanup_free_ struct plan_inside *known = NULL;
        size_t n = 0;
        int r = within_list(operation->pod, NULL, &known, &n);

        if (r == 0)
                r = plan_seek(pod, known, n, false, &operation->job);
        return r == 0 ? plan_enter(pod, container, within->fd_name, 0, &operation->job, f) : r;
}

static int plan(struct operation *operation, struct failure *f) {
        struct within *within = within_of(operation);
        struct job_caller caller;
        struct plan_pod pod;
        const char *container;
        int r = container_find(operation->pod, within->container, &container, f);

        if (r != 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        if (!within->entered)
                return plan_first(within, &pod, container, f);
        r = plan_mount(&pod, within->wanted, NULL, 0, within->stack, &operation->job, f);
        if (r == 0)
                r = plan_enter(&pod, container, within->fd_name, within->namespace, &operation->job, f);
        return r == 0 ? volume_resolve(operation, f) : r;
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        struct within *within = within_of(operation);
        _cleanup_free_ char *detail = NULL;
        int r;

        if (!within->entered)
                return 0; /* it only looks */
        r = intent_detail_write_inside(within->namespace, NULL, 0, &detail);
        return r < 0 ? r : container_intend(operation, RECORD_VERB_MOUNT_INSIDE, false, detail);
}

static void take_back(struct operation *operation) {
        if (within_of(operation)->entered)
                container_forget_intent(operation);
}

static bool same_key(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Whether the mount is there already, unchanged. */
static int meet(const struct within *within, size_t i, const struct record_mount *there, bool *ret_there, struct failure *f) {
        const struct spec_mount *mount = &within->mounts[i];
        _cleanup_free_ char *text = NULL;
        int r;

        *ret_there = false;
        if (!there || there->lost)
                return 0;
        if (there->request && same_key(there->source_key, within->keys[i])) {
                r = spec_mount_to_text(mount, &text);
                if (r < 0)
                        return r;
                *ret_there = strcmp(text, there->request) == 0;
        }
        if (*ret_there || within->stack)
                return 0;
        return failure_set(f, FAILURE_TARGET_IN_USE,
                           "%s%s%s is in use in that namespace: mount %" PRIu64 " (%s) is there; unmount it first, or mount over "
                           "it with the option \"stack\".", mount->pointer ?: "", mount->pointer && *mount->pointer ? ": " : "",
                           mount->destination, there->id, there->type);
}

/* Parents before children. */
static int order(struct within *within, struct spec_mount *rest, size_t n) {
        _cleanup_free_ struct spec_mount *mounts = calloc(n + 1, sizeof(*mounts));
        _cleanup_free_ size_t *order = NULL, *of = calloc(n + 1, sizeof(*of));
        int r = mounts && of ? wanted_order(rest, n, &order) : -ENOMEM;

        if (r < 0)
                return log_oom();
        for (size_t i = 0; i < n; i++) {
                mounts[i] = rest[order[i]]; /* borrowed */
                of[i] = within->wanted_of[order[i]];
        }
        for (size_t i = 0; i < n; i++) {
                rest[i] = mounts[i];
                within->wanted_of[i] = of[i];
                within->wanted_keys[i] = within->keys[of[i]];
        }
        return 0;
}

static int sort_out(struct within *within, const char *container, struct spec_mount *rest, size_t *n, struct failure *f) {
        struct operation *operation = &within->operation;

        for (size_t i = 0; i < within->n_mounts; i++) {
                const struct record_mount *present =
                        within_find(operation->pod, within->namespace, container, within->mounts[i].destination);
                bool there;
                int r = meet(within, i, present, &there, f);

                if (r != 0)
                        return r;
                operation->ids[i] = there ? present->id : 0;
                if (there)
                        continue;
                within->wanted_of[*n] = i;
                rest[(*n)++] = within->mounts[i]; /* borrowed */
        }
        return order(within, rest, *n);
}

static int check_quota(struct operation *operation, struct failure *f) {
        const struct quota_ask ask = {.mounts = operation->new_mounts, .tmpfs = use_tmpfs(within_of(operation)->wanted)};
        struct quota_use use = {
                .mounts_of_pod = use_mounts(operation->pod->record),
                .mounts_max = operation->pods->mounts_max,
        };

        return use_check(operation, &use, &ask, 0, f);
}

static int check_ready(const struct wanted *wanted, struct failure *f) {
        for (size_t i = 0; i < wanted->n_mounts; i++)
                if (wanted->mounts[i].deferred)
                        return failure_set(f, FAILURE_INVALID_ARGS,
                                           "The %s at %s names no namespace to show, and nothing waits for one in a running "
                                           "container; name it in \"namespaces\" of the mount.",
                                           wanted->mounts[i].type, wanted->mounts[i].target);
        return 0;
}

/* What there is to do in the namespace that is known now. */
static int choose(struct within *within, struct failure *f) {
        struct operation *operation = &within->operation;
        struct wanted_facts facts = operation->pods->facts;
        _cleanup_free_ struct spec_mount *rest = calloc(within->n_mounts + 1, sizeof(*rest));
        _cleanup_free_ struct wanted_volume *volumes = NULL;
        const char *container;
        size_t n = 0;
        int r = rest ? container_find(operation->pod, within->container, &container, f) : log_oom();

        if (r == 0)
                r = sort_out(within, container, rest, &n, f);
        if (r == 0 && n == 0)
                return OPERATION_FINISHED;
        facts.caller_is_root = caller_is_root(&operation->caller);
        if (r == 0)
                r = volume_facts(operation->pod, &facts, &volumes);
        if (r == 0)
                r = wanted_from_mounts(container, rest, n, &facts, &within->wanted, f);
        if (r == 0)
                r = source_check_paths(operation, within->wanted, f);
        if (r == 0)
                r = check_ready(within->wanted, f);
        if (r != 0)
                return r;
        source_mark_devices(operation, within->wanted);
        operation->new_mounts = (uint32_t) within->wanted->n_mounts;
        return check_quota(operation, f);
}

static int record_all(struct within *within, const struct job_result *answer) {
        struct operation *operation = &within->operation;
        _cleanup_free_ uint64_t *ids = calloc(within->wanted->n_mounts + 1, sizeof(*ids));
        int r;

        if (!ids)
                return log_oom();
        r = within_record(operation->pods, operation->pod, within->namespace, within->wanted, within->wanted_keys,
                          operation->job, answer, ids);
        for (size_t i = 0; i < within->wanted->n_mounts && r == 0; i++)
                operation->ids[within->wanted_of[i]] = ids[i];
        return r;
}

/* What is to be undone, known to the store as well. */
static int keep_made(struct within *within, const struct job_result *answer) {
        _cleanup_free_ struct intent_mount *mounts = calloc(answer->n_steps + 1, sizeof(*mounts));
        _cleanup_free_ char *detail = NULL;
        size_t n = 0;
        int r;

        within->made = calloc(answer->n_steps + 1, sizeof(*within->made));
        if (!mounts || !within->made)
                return log_oom();
        for (size_t i = 1; i < answer->n_steps; i++) {
                if (answer->steps[i].id == 0)
                        continue;
                within->made[n] = (struct plan_inside) {.id = answer->steps[i].id, .namespace = within->namespace};
                mounts[n++] = (struct intent_mount) {.step = (uint32_t) i, .id = answer->steps[i].id};
        }
        within->n_made = n;
        r = intent_detail_write_inside(within->namespace, mounts, n, &detail);
        return r < 0 ? r : container_intend(&within->operation, RECORD_VERB_MOUNT_INSIDE, false, detail);
}

static int undo_job(struct operation *operation, struct job **ret, struct failure *f _unused_) {
        struct within *within = within_of(operation);
        struct job_caller caller;
        struct plan_pod pod;

        if (within->n_made == 0)
                return 0;
        operation_plan_pod(operation, false, &caller, &pod);
        pod.fd_names = NULL;
        return plan_withdraw(&pod, within->made, within->n_made, true, ret);
}

static void undo_failed(struct operation *operation, const char *reason) {
        event_log(EVENT_MOUNTS_LEFT, EVENT_OF_POD(operation->uuid), "Mounts of a failed call stay in a container of pod %s: %s", operation->uuid, reason);
}

/* The first job is over. */
static void go_on(struct within *within, const struct job_result *answer) {
        struct operation *operation = &within->operation;
        struct failure f = FAILURE_INIT;
        int r = within_learn(operation->pods, operation->pod, operation->job, answer);

        within->namespace = answer->n_steps > 0 ? answer->steps[0].id : 0;
        within->entered = true;
        if (r == 0)
                r = choose(within, &f);
        if (r == 0)
                r = operation_next(operation, &f);
        if (r == 0)
                return;
        if (r != OPERATION_FINISHED)
                (void) failure_from_errno(&f, r);
        operation->new_mounts = 0;
        operation_end(operation, &f);
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct within *within = within_of(operation);
        bool ok = answer && answer->failure == FAILURE_NONE && !answer->lost, undo = false;
        struct failure f = FAILURE_INIT;

        if (!within->entered) {
                if (answer && answer->lost && operation_retry(operation, answer))
                        return;
                if (ok) {
                        go_on(within, answer);
                        return;
                }
        }
        if (ok) {
                int r = record_all(within, answer);

                undo = r < 0;
                (void) failure_from_errno(&f, r);
        } else if (answer) {
                undo = answer->lost && within->entered;
                (void) operation_failure(operation, answer, within->wanted, &f);
        } else
                (void) failure_from_errno(&f, -EIO);
        if (undo) {
                if (keep_made(within, answer) < 0)
                        log_error("A crash now would leave mounts in a container of pod %s that no record names", operation->uuid);
                operation_undo(operation, &f);
                return;
        }
        operation->new_mounts = 0;
        if (f.kind != FAILURE_NONE)
                take_back(operation);
        else if (answer->warnings)
                (void) strv_copy(answer->warnings, &operation->warnings); /* words for people alone */
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_MOUNT,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .undo_job = undo_job,
        .undo_failed = undo_failed,
        .release = release,
};

static int take_arguments(struct within *within, const char *fd_name, struct mount_arguments *arguments) {
        within->mounts = TAKE_PTR(arguments->mounts);
        within->n_mounts = arguments->n_mounts;
        arguments->n_mounts = 0;
        within->stack = arguments->stack;
        within->fd_name = strdup(fd_name);
        within->container = arguments->container ? strdup(arguments->container) : NULL;
        within->keys = calloc(within->n_mounts + 1, sizeof(*within->keys));
        within->wanted_of = calloc(within->n_mounts + 1, sizeof(*within->wanted_of));
        within->wanted_keys = calloc(within->n_mounts + 1, sizeof(*within->wanted_keys));
        within->operation.ids = calloc(within->n_mounts + 1, sizeof(*within->operation.ids));
        within->operation.n_ids = within->n_mounts;
        if ((arguments->container && !within->container) || !within->fd_name || !within->keys || !within->wanted_of ||
            !within->wanted_keys || !within->operation.ids)
                return log_oom();
        return 0;
}

static int check_arguments(struct within *within, struct failure *f) {
        struct operation *operation = &within->operation;
        _cleanup_strv_ char **names = NULL;
        int r;

        if (within->n_mounts == 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "No mount is named; give one OCI mount object, or an array of them.");
        r = spec_mounts_fd_names(within->mounts, within->n_mounts, &names);
        if (r == 0 && strv_append(&names, within->fd_name) < 0)
                return log_oom();
        if (r == 0)
                r = source_check_fds(operation, names, f);
        for (size_t i = 0; i < within->n_mounts && r == 0; i++)
                r = source_key(operation, &within->mounts[i], &within->keys[i]);
        return r;
}

static void drop_arguments(struct mount_arguments *arguments) {
        spec_mounts_free(arguments->mounts, arguments->n_mounts);
        arguments->mounts = NULL;
        arguments->n_mounts = 0;
}

int operation_new_within(struct pods *pods, const struct caller *caller, struct pod *pod, const char *fd_name,
                         struct mount_arguments *arguments, const struct operation_fds *fds, struct operation **ret,
                         struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        int r;

        for (size_t i = 0; i < arguments->n_mounts; i++)
                if (wanted_is_remount(&arguments->mounts[i])) {
                        r = operation_new_remount(pods, caller, pod, fd_name, arguments, fds, ret, f);
                        drop_arguments(arguments);
                        return r;
                }
        r = operation_new(&class, sizeof(struct within), pods, caller, pod, pod->record->uuid, fds, &operation, f);
        if (r != 0) {
                drop_arguments(arguments);
                return r;
        }
        r = take_arguments(within_of(operation), fd_name, arguments);
        if (r == 0)
                r = check_arguments(within_of(operation), f);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(operation);
        return 0;
}
