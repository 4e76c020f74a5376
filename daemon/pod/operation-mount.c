/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounting into a living pod: one mount or many, all or nothing. What equals a recorded mount is a retry and gets the
 * id that is there.
 */

#include <inttypes.h>
#include <string.h>

#include "pod/container.h"
#include "pod/footing.h"
#include "pod/made.h"
#include "pod/operation-private.h"
#include "pod/overlay-facts.h"
#include "pod/own-table.h"
#include "pod/present.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "pod/source.h"
#include "pod/use.h"
#include "pod/volume.h"
#include "util/array.h"
#include "util/event.h"
#include "util/log.h"

struct mount {
        struct operation operation;
        char *container; /* as given, or NULL */
        struct spec_mount *mounts;
        size_t n_mounts;
        bool stack;

        char **keys;              /* source keys by mount, n_mounts of them, NULL ones included */
        struct wanted *wanted;    /* what is not there yet… */
        size_t *wanted_of;        /* …by which argument each is */
        char **wanted_keys;       /* the arguments' own */
        size_t from;              /* of the pod's records: the first one that this operation added */
        struct made made;         /* by a job that was lost */
};

static struct mount *mount_of(struct operation *operation) {
        return (struct mount *) operation;
}

static void release(struct operation *operation) {
        struct mount *mount = mount_of(operation);

        for (size_t i = 0; mount->keys && i < mount->n_mounts; i++)
                free(mount->keys[i]);
        free(mount->keys);
        free(mount->container);
        spec_mounts_free(mount->mounts, mount->n_mounts);
        wanted_free(mount->wanted);
        free(mount->wanted_of);
        free(mount->wanted_keys);
        made_done(&mount->made);
}

/* The topmost record at each target of one container. */
static int index_targets(const struct pod *pod, const char *container, struct map **ret) {
        _cleanup_(map_freep) struct map *map = map_new(MAP_KEY_STRING);

        if (!map)
                return log_oom();
        for (size_t i = pod->record->n_mounts; i > 0; i--) {
                struct record_mount *record = &pod->record->mounts[i - 1];

                if (strcmp(record->container, container) == 0 && map_put(map, record->target, record) == -ENOMEM)
                        return log_oom();
        }
        *ret = TAKE_PTR(map);
        return 0;
}

static bool same_key(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Whether the mount is there already, unchanged. */
static int meet(const struct mount *mount, size_t i, const struct record_mount *there, bool *ret_there,
                struct failure *f) {
        const struct spec_mount *wanted = &mount->mounts[i];
        _cleanup_free_ char *text = NULL;
        int r;

        *ret_there = false;
        if (!there)
                return 0;
        if (there->request && same_key(there->source_key, mount->keys[i])) {
                r = spec_mount_to_text(wanted, &text);
                if (r < 0)
                        return r;
                *ret_there = strcmp(text, there->request) == 0;
        }
        if (*ret_there || mount->stack)
                return 0;
        return failure_set(f, FAILURE_TARGET_IN_USE,
                           "%s%s%s is in use: mount %" PRIu64 " (%s) is there; unmount it first, or mount over it "
                                                              "with the option "
                           "\"stack\".", wanted->pointer ?: "", wanted->pointer && *wanted->pointer ? ": " : "",
                           wanted->destination, there->id, there->type);
}

/* Parents before children: what is wanted, and by which arguments. */
static int order(struct mount *mount, struct spec_mount *rest, size_t n) {
        _cleanup_free_ struct spec_mount *mounts = calloc(n + 1, sizeof(*mounts));
        _cleanup_free_ size_t *order = NULL, *of = calloc(n + 1, sizeof(*of));
        int r = mounts && of ? wanted_order(rest, n, &order) : -ENOMEM;

        if (r < 0)
                return log_oom();
        for (size_t i = 0; i < n; i++) {
                mounts[i] = rest[order[i]]; /* borrowed */
                of[i] = mount->wanted_of[order[i]];
        }
        for (size_t i = 0; i < n; i++) {
                rest[i] = mounts[i];
                mount->wanted_of[i] = of[i];
                mount->wanted_keys[i] = mount->keys[of[i]];
        }
        return 0;
}

/* Which of the arguments are there already, and the rest. */
static int sort_out(struct mount *mount, const char *container, struct spec_mount **ret, size_t *ret_n,
                    struct failure *f) {
        struct operation *operation = &mount->operation;
        _cleanup_(map_freep) struct map *targets = NULL;
        _cleanup_free_ struct spec_mount *rest = calloc(mount->n_mounts + 1, sizeof(*rest));
        size_t n = 0;
        int r;

        if (!rest)
                return log_oom();
        if (mount->n_mounts > 4) {
                r = index_targets(operation->pod, container, &targets);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < mount->n_mounts; i++) {
                const char *target = mount->mounts[i].destination;
                const struct record_mount *present;
                bool there;

                present = targets ? map_get(targets, target) : pod_find_mount(operation->pod, container, target);
                r = meet(mount, i, present, &there, f);
                if (r != 0)
                        return r;
                operation->ids[i] = there ? present->id : 0;
                if (there)
                        continue;
                mount->wanted_of[n] = i;
                mount->wanted_keys[n] = mount->keys[i];
                rest[n++] = mount->mounts[i]; /* borrowed */
        }
        *ret = TAKE_PTR(rest);
        *ret_n = n;
        return 0;
}

static int check_quota(struct operation *operation, struct failure *f) {
        const struct quota_ask ask = {.mounts = operation->new_mounts, .tmpfs = use_tmpfs(mount_of(operation)->wanted)};
        struct quota_use use = {
                .mounts_of_pod = use_mounts(operation->pod->record),
                .mounts_of_namespace = table_size(pods_table(operation->pods, operation->pod->record)),
                .mounts_max = operation->pods->mounts_max,
        };

        return use_check(operation, &use, &ask, 0, f);
}

static int validate(struct operation *operation, struct failure *f) {
        struct mount *mount = mount_of(operation);
        struct wanted_facts facts = operation->pods->facts;
        _cleanup_free_ struct spec_mount *rest = NULL;
        _cleanup_free_ struct wanted_volume *volumes = NULL;
        const char *container;
        size_t n;
        int r;

        r = pods_check_runtime(operation->pods, f);
        if (r != 0)
                return r;
        r = container_begin(operation, f);
        if (r != 0)
                return r;
        r = container_find(operation->pod, mount->container, &container, f);
        if (r != 0)
                return r;
        operation->new_mounts = 0;
        r = sort_out(mount, container, &rest, &n, f);
        if (r != 0)
                return r;
        if (n == 0)
                return OPERATION_FINISHED;
        r = order(mount, rest, n);
        if (r < 0)
                return r;
        facts.caller_is_root = caller_is_root(&operation->caller);
        mount->wanted = wanted_free(mount->wanted);
        r = volume_facts(operation->pod, &facts, &volumes);
        if (r == 0)
                r = overlay_facts(operation->pod->record, container, &facts);
        if (r == 0)
                r = wanted_from_mounts(container, rest, n, &facts, &mount->wanted, f);
        if (r == 0)
                r = source_check_paths(operation, mount->wanted, f);
        if (r != 0)
                return r;
        source_mark_devices(operation, mount->wanted);
        operation->new_mounts = (uint32_t) mount->wanted->n_mounts;
        return check_quota(operation, f);
}

static int plan(struct operation *operation, struct failure *f) {
        struct mount *mount = mount_of(operation);
        _cleanup_free_ struct plan_present *present = NULL;
        struct job_caller caller;
        struct plan_pod pod;
        size_t n = 0;
        int r;

        r = footing_look(operation->pods, operation->pod, mount->wanted);
        if (r == 0)
                r = present_list(operation->pod, &present, &n);
        if (r < 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        r = plan_mount(&pod, mount->wanted, present, n, mount->stack, &operation->job, f);
        return r != 0 ? r : volume_resolve(operation, f);
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        return container_intend(operation, RECORD_VERB_MOUNT, false, NULL);
}

static void take_back(struct operation *operation) {
        container_forget_intent(operation);
}

static int record_all(struct mount *mount, const struct job_result *answer) {
        struct operation *operation = &mount->operation;
        _cleanup_free_ uint64_t *ids = calloc(mount->wanted->n_mounts, sizeof(*ids));
        struct pod *pod = operation->pod;
        int r;

        if (!ids)
                return log_oom();
        mount->from = pod->record->n_mounts;
        r = recording_append(operation->pods, pod, mount->wanted, mount->wanted_keys, operation->job, answer, ids);
        if (r == 0)
                r = recording_commit(operation->pods, pod, mount->from, false, operation->job_id);
        if (r < 0) {
                recording_truncate(pod, mount->from);
                return r;
        }
        for (size_t i = 0; i < mount->wanted->n_mounts; i++)
                operation->ids[mount->wanted_of[i]] = ids[i];
        return 0;
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct mount *mount = mount_of(operation);
        struct failure f = FAILURE_INIT;
        bool undo = false;

        if (!answer || (answer->failure == FAILURE_NONE && !answer->lost)) {
                int r = record_all(mount, answer);

                undo = r < 0;
                if (r < 0)
                        (void) failure_from_errno(&f, r);
        } else {
                undo = answer->lost;
                (void) operation_failure(operation, answer, mount->wanted, &f);
        }
        if (undo) {
                if (answer && made_keep(operation, answer, &mount->made) < 0)
                        log_error("A crash now would leave mounts in pod %s that no record names", operation->uuid);
                operation_undo(operation, &f);
                return;
        }
        operation->new_mounts = 0;
        if (f.kind == FAILURE_NONE) {
                log_debug("Mounted %zu into pod %s", mount->wanted->n_mounts, operation->uuid);
                tell_added(operation->pods, operation->pod, mount->from);
                tell_changed(operation->pods, operation->pod);
                if (answer && answer->warnings)
                        (void) strv_copy(answer->warnings, &operation->warnings); /* words for people alone */
        } else
                take_back(operation);
        operation_end(operation, &f);
}

static int undo_job(struct operation *operation, struct job **ret, struct failure *f) {
        return made_undo_job(operation, &mount_of(operation)->made, ret, f);
}

/* What could not be detached shows as drift; its intent stays, so that the next start tries once more. */
static void undo_failed(struct operation *operation, const char *reason) {
        event_log(EVENT_MOUNTS_LEFT, EVENT_OF_POD(operation->uuid), "Mounts of a failed call stay in pod %s: %s", operation->uuid, reason);
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

static int take_arguments(struct mount *mount, struct mount_arguments *arguments) {
        mount->mounts = TAKE_PTR(arguments->mounts);
        mount->n_mounts = arguments->n_mounts;
        arguments->n_mounts = 0;
        mount->stack = arguments->stack;
        mount->container = arguments->container ? strdup(arguments->container) : NULL;
        mount->keys = calloc(mount->n_mounts + 1, sizeof(*mount->keys));
        mount->wanted_of = calloc(mount->n_mounts + 1, sizeof(*mount->wanted_of));
        mount->wanted_keys = calloc(mount->n_mounts + 1, sizeof(*mount->wanted_keys));
        mount->operation.ids = calloc(mount->n_mounts + 1, sizeof(*mount->operation.ids));
        mount->operation.n_ids = mount->n_mounts;
        if ((arguments->container && !mount->container) || !mount->keys || !mount->wanted_of || !mount->wanted_keys ||
            !mount->operation.ids)
                return log_oom();
        return 0;
}

static void release_arguments(struct mount_arguments *arguments) {
        spec_mounts_free(arguments->mounts, arguments->n_mounts);
        arguments->mounts = NULL;
        arguments->n_mounts = 0;
}

int operation_new_mount(struct pods *pods, const struct caller *caller, struct pod *pod,
                        struct mount_arguments *arguments, const struct operation_fds *fds, struct operation **ret,
                        struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        _cleanup_strv_ char **names = NULL;
        struct mount *mount;
        int r;

        for (size_t i = 0; i < arguments->n_mounts; i++)
                if (wanted_is_remount(&arguments->mounts[i])) {
                        r = operation_new_remount(pods, caller, pod, NULL, arguments, fds, ret, f);
                        release_arguments(arguments);
                        return r;
                }
        r = operation_new(&class, sizeof(struct mount), pods, caller, pod, pod->record->uuid, fds, &operation, f);
        if (r != 0) {
                release_arguments(arguments);
                return r;
        }
        mount = mount_of(operation);
        r = take_arguments(mount, arguments);
        if (r < 0)
                return r;
        if (mount->n_mounts == 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "No mount is named; give one OCI mount object, or an "
                                                            "array of them.");
        r = spec_mounts_fd_names(mount->mounts, mount->n_mounts, &names);
        if (r == 0)
                r = source_check_fds(operation, names, f);
        for (size_t i = 0; i < mount->n_mounts && r == 0; i++)
                r = source_key(operation, &mount->mounts[i], &mount->keys[i]);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(operation);
        return 0;
}
