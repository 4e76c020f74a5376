/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One more container of a living pod: built out of sight like a pod and attached at once, so that it is there whole or
 * not at all. What a crash left of it is one mount, its tmpfs, which goes with everything on it.
 */

#include <string.h>

#include "pod/container.h"
#include "pod/directories.h"
#include "pod/doom.h"
#include "pod/footing.h"
#include "pod/intent-detail.h"
#include "pod/layer-root.h"
#include "pod/links.h"
#include "pod/layer-turn.h"
#include "pod/own-table.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "pod/source.h"
#include "pod/use.h"
#include "pod/volume.h"
#include "util/array.h"
#include "util/event.h"
#include "util/log.h"
#include "util/path.h"

struct add {
        struct operation operation;
        char *name;
        struct spec *spec;
        struct wanted *wanted;
        struct intent_mount tree; /* what a lost job had made */
        char **warnings;          /* about its directories */
};

static const struct operation_class undo_class;

static struct add *add_of(struct operation *operation) {
        return (struct add *) operation;
}

static void release(struct operation *operation) {
        struct add *add = add_of(operation);

        layer_turn_leave(operation);
        free(add->name);
        spec_free(add->spec);
        wanted_free(add->wanted);
        strv_free(add->warnings);
}

/* Those that the running job makes, or an interrupted one made. */
static struct directories_which begun(const struct add *add) {
        return (struct directories_which) {.container = add->name, .begun = true};
}

/* The container is there already: by the same call, or it is another one. */
static int meet(const struct add *add, struct failure *f) {
        const struct operation *operation = &add->operation;
        const struct record_mount *tree = pod_find_mount(operation->pod, "", add->name);

        if (tree && tree->request && strcmp(tree->request, add->spec->canonical) == 0)
                return OPERATION_FINISHED;
        return failure_set(f, FAILURE_TARGET_IN_USE,
                           "Pod %s has a container \"%s\" of another spec already; choose another name, or remove it "
                           "with podmountctl remove-container %s %s.",
                           operation->uuid, add->name, operation->uuid, add->name);
}

static int check_quota(struct operation *operation, struct failure *f) {
        const struct quota_ask ask = {.mounts = operation->new_mounts, .tmpfs = use_tmpfs(add_of(operation)->wanted)};
        struct quota_use use = {
                .mounts_of_pod = use_mounts(operation->pod->record),
                .mounts_of_namespace = table_size(pods_table(operation->pods, operation->pod->record)),
                .mounts_max = operation->pods->mounts_max,
        };

        if (strv_length(operation->pod->record->containers) >= SPEC_CONTAINERS_MAX)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                                   "containers per pod: %d of %d in use, 1 more asked for; remove one with podmountctl "
                                   "remove-container",
                                   SPEC_CONTAINERS_MAX, SPEC_CONTAINERS_MAX);
        return use_check(operation, &use, &ask, 0, f);
}

static int validate(struct operation *operation, struct failure *f) {
        struct add *add = add_of(operation);
        struct wanted_facts facts = operation->pods->facts;
        _cleanup_free_ struct wanted_volume *volumes = NULL;
        _cleanup_layer_roots_ struct layer_roots roots = {};
        int r;

        r = pods_check_runtime(operation->pods, f);
        if (r == 0)
                r = container_begin(operation, f);
        if (r != 0)
                return r;
        if (pod_has_container(operation->pod, add->name))
                return meet(add, f);
        operation->new_mounts = 0;
        facts.caller_is_root = caller_is_root(&operation->caller);
        add->wanted = wanted_free(add->wanted);
        r = volume_facts(operation->pod, &facts, &volumes);
        if (r == 0)
                r = layer_roots_find(operation, add->spec, true, &facts, &roots, f);
        if (r == 0)
                r = wanted_from_spec(add->spec, &facts, &add->wanted, f);
        if (r == 0)
                r = source_check_paths(operation, add->wanted, f);
        if (r == 0)
                r = links_check(operation->pods, &operation->caller, add->spec, operation->pod->record->n_links, f);
        if (r != 0)
                return r;
        source_mark_devices(operation, add->wanted);
        operation->new_mounts = (uint32_t) add->wanted->n_mounts + 1;
        return check_quota(operation, f);
}

static int plan(struct operation *operation, struct failure *f) {
        struct job_caller caller;
        struct plan_pod pod;
        int r = footing_look_tree(operation->pods, operation->pod);

        if (r < 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        r = plan_add_container(&pod, add_of(operation)->wanted, &operation->job, f);
        return r != 0 ? r : volume_resolve(operation, f);
}

/* With the pod, whose record has the directories that the job may make. */
static int write_intent(struct operation *operation) {
        struct add *add = add_of(operation);
        _cleanup_free_ char *detail = NULL;
        struct record_intent intent = {
                .job = operation->job_id, .uuid = operation->uuid, .verb = RECORD_VERB_ADD_CONTAINER};
        struct store *store = operation->pods->store;
        int r = intent_detail_write_container(add->name, add->tree.mount_id != 0 ? &add->tree : NULL, &detail);

        if (r < 0)
                return r;
        intent.detail = detail;
        r = store_begin(store);
        if (r == 0 && directories_any(operation->pod->record, begun(add)))
                r = store_put_pod(store, operation->pod->record);
        if (r == 0)
                r = store_put_intent(store, &intent);
        r = store_end(store, r);
        return r < 0 ? log_errno(LOG_ERR, r, "write down the container that is added to pod %s", operation->uuid) : 0;
}

/* Nothing of it is there any more. */
static int forget(struct operation *operation) {
        struct record_pod *record = operation->pod->record;
        struct store *store = operation->pods->store;
        struct directories_change directories = {};
        int r;

        if (!directories_any(record, begun(add_of(operation)))) {
                container_forget_intent(operation);
                return 0;
        }
        r = directories_leave(record, begun(add_of(operation)), &directories);
        if (r < 0)
                return r;
        r = store_begin(store);
        if (r == 0)
                r = store_put_pod(store, record);
        if (r == 0)
                r = store_delete_intent(store, operation->job_id);
        r = store_end(store, r);
        directories_end(record, &directories, r == 0);
        return r;
}

static void take_back(struct operation *operation) {
        int r = forget(operation);

        if (r < 0) /* the next start does it */
                (void) log_errno(LOG_ERR, r, "forget a container that was not added to pod %s", operation->uuid);
        layer_roots_settle(operation->pods, operation->pod);
}

static int intend(struct operation *operation, struct failure *f) {
        struct add *add = add_of(operation);
        struct record_pod *record = operation->pod->record;
        struct directories_change directories = {};
        int r = directories_intend(operation->job, record, &add->warnings);

        if (r == 0)
                r = layer_roots_hold(operation->pods, operation->pod, add->wanted, f);
        if (r == 0)
                r = write_intent(operation);
        if (r != 0)
                layer_roots_settle(operation->pods, operation->pod);
        if (r != 0 && directories_leave(record, begun(add), &directories) == 0)
                directories_end(record, &directories, true);
        return r;
}

/* Its warnings say whose they are, so that they go with it. */
static int append_warnings(struct record_pod *record, const char *name, char *const *warnings) {
        int r = 0;

        for (; r == 0 && warnings && *warnings; warnings++)
                r = strv_appendf(&record->warnings, "%s%s: %s", RECORDING_WARNING_OF, name, *warnings);
        return r;
}

static void truncate_strv(char **strv, size_t n) {
        for (size_t i = strv_length(strv); i > n; i--) {
                free(strv[i - 1]);
                strv[i - 1] = NULL;
        }
}

static int record_all(struct add *add, const struct job_result *answer, size_t *ret_from) {
        struct operation *operation = &add->operation;
        struct record_pod *record = operation->pod->record;
        size_t from = record->n_mounts, n_containers = strv_length(record->containers),
               n_warnings = strv_length(record->warnings), n_links = record->n_links;
        struct directories_change directories = {};
        int r;

        r = recording_append(operation->pods, operation->pod, add->wanted, NULL, operation->job, answer, NULL);
        if (r == 0) {
                record->mounts[from].request = strdup(add->spec->canonical);
                r = record->mounts[from].request ? strv_append(&record->containers, add->name) : log_oom();
        }
        if (r == 0)
                r = append_warnings(record, add->name, add->wanted->warnings);
        if (r == 0)
                r = append_warnings(record, add->name, add->warnings);
        if (r == 0)
                r = append_warnings(record, add->name, answer->warnings);
        if (r == 0)
                r = links_intend(add->spec, false, record);
        if (r == 0)
                r = directories_stand(record, &directories);
        if (r == 0)
                r = recording_commit(operation->pods, operation->pod, from, true, operation->job_id);
        directories_end(record, &directories, r == 0);
        if (r < 0) {
                recording_truncate(operation->pod, from);
                links_truncate(record, n_links);
                truncate_strv(record->containers, n_containers);
                truncate_strv(record->warnings, n_warnings);
        }
        *ret_from = from;
        return r;
}

static void undo(struct add *add, const struct job_result *answer, struct failure *f) {
        struct operation *operation = &add->operation;

        if (answer->n_steps > 0)
                add->tree = (struct intent_mount) {.id = answer->steps[0].id, .mount_id = answer->steps[0].mount_id};
        if (write_intent(operation) < 0)
                log_error("A crash now would leave a container in pod %s that no record names", operation->uuid);
        operation_undo(operation, f);
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct add *add = add_of(operation);
        struct failure f = FAILURE_INIT;
        size_t from = 0;
        int r = 0;

        if (answer->failure == FAILURE_BUSY && !answer->lost && operation_retry(operation, answer))
                return;
        directories_settle(operation->pod->record, answer);
        if (answer->failure == FAILURE_NONE && !answer->lost) {
                r = record_all(add, answer, &from);
                if (r < 0)
                        (void) failure_from_errno(&f, r);
        } else
                (void) operation_failure(operation, answer, add->wanted, &f);
        if (f.kind != FAILURE_NONE && (answer->lost || r < 0)) {
                undo(add, answer, &f);
                return;
        }
        operation->new_mounts = 0;
        if (f.kind == FAILURE_NONE) {
                event_log(EVENT_CONTAINER_ADDED, EVENT_OF_POD(operation->uuid), "Added container %s to pod %s", add->name, operation->uuid);
                tell_added(operation->pods, operation->pod, from);
                tell_changed(operation->pods, operation->pod);
        } else
                take_back(operation);
        operation_end(operation, &f);
}

/* What was made beside its tmpfs. Whoever makes it takes it away again; what a crash left is the owner's to remove. */
static int undo_directories(struct operation *operation, const struct plan_pod *pod, struct job **job) {
        struct add *add = add_of(operation);
        const struct record_pod *record = operation->pod->record;
        _cleanup_free_ struct plan_directory *directories = NULL;
        size_t n = 0;
        int r;

        /* One of this name that was added later has them in use. */
        if (pod_has_container(operation->pod, add->name))
                return 0;
        r = directories_doom(record, begun(add), &directories, &n);
        return r < 0 || n == 0 ? r : plan_unmake(pod, directories, n, job);
}

/* Its tmpfs with all on it, wherever it was when the executor died, and the directory that was made for it. */
static int undo_job(struct operation *operation, struct job **ret, struct failure *f) {
        struct add *add = add_of(operation);
        const struct plan_doomed doomed = {
                .id = add->tree.id, .mount_id = add->tree.mount_id, .path = add->name, .made = 1};
        struct job_caller caller;
        struct plan_pod pod;
        int r = 0;

        operation_plan_pod(operation, false, &caller, &pod);
        pod.fd_names = NULL;
        if (operation->class == &undo_class)
                caller = directories_owner(operation->pod->record);
        if (add->tree.mount_id != 0)
                r = plan_unmount(&pod, &doomed, 1, true, ret, f);
        return r != 0 ? r : undo_directories(operation, &pod, ret);
}

/* What could not be detached shows as drift; its intent stays, so that the next start tries once more. */
static void undo_failed(struct operation *operation, const char *reason) {
        event_log(EVENT_MOUNTS_LEFT, EVENT_OF_POD(operation->uuid), "Mounts of a container that failed stay in pod %s: %s", operation->uuid, reason);
}

static const struct operation_class class = {
        .verb = OPERATION_ADD_CONTAINER,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .undo_job = undo_job,
        .undo_failed = undo_failed,
        .release = release,
};

int operation_new_add_container(struct pods *pods, const struct caller *caller, struct pod *pod,
                                const struct container_arguments *arguments, const struct operation_fds *fds,
                                struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        _cleanup_strv_ char **names = NULL;
        struct add *add;
        int r;

        if (!name_is_valid(arguments->name))
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "\"%.128s\" is no name for a container: it takes 1 to 64 letters, digits, dots, "
                                   "underscores and dashes, the first a letter or a digit.",
                                   arguments->name);
        r = operation_new(&class, sizeof(struct add), pods, caller, pod, pod->record->uuid, fds, &operation, f);
        if (r != 0)
                return r;
        add = add_of(operation);
        add->name = strdup(arguments->name);
        if (!add->name)
                return log_oom();
        r = spec_parse_container(arguments->spec, arguments->spec_size, pods->settings->spec_size_max,
                                 pods->settings->mounts_per_pod, add->name, &add->spec, f);
        if (r == 0)
                r = spec_fd_names(add->spec, &names);
        if (r == 0)
                r = source_check_fds(operation, names, f);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(operation);
        return 0;
}

static int undo_validate(struct operation *operation, struct failure *f) {
        return container_begin(operation, f);
}

static int undo_plan(struct operation *operation, struct failure *f) {
        return undo_job(operation, &operation->job, f);
}

static int undo_intend(struct operation *operation _unused_, struct failure *f _unused_) {
        return 0; /* that of the interrupted call stands until this is done */
}

static void undo_take_back(struct operation *operation _unused_) {
}

static void undo_result(struct operation *operation, const struct job_result *answer) {
        struct failure f = FAILURE_INIT;

        if (answer && (answer->lost || answer->failure != FAILURE_NONE)) {
                if (operation_retry(operation, answer))
                        return;
                (void) operation_failure(operation, answer, NULL, &f);
        } else
                take_back(operation);
        operation_end(operation, &f);
}

static const struct operation_class undo_class = {
        .verb = OPERATION_ADD_CONTAINER,
        .validate = undo_validate,
        .plan = undo_plan,
        .intend = undo_intend,
        .take_back = undo_take_back,
        .result = undo_result,
        .release = release,
};

int operation_new_undo_add(struct pods *pods, struct pod *pod, uint64_t job, const char *detail, struct operation **ret,
                           struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        int r;

        r = operation_new(&undo_class, sizeof(struct add), pods, &caller_house, pod, pod->record->uuid, NULL,
                          &operation, f);
        if (r == 0)
                r = intent_detail_read_container(detail, &add_of(operation)->name, &add_of(operation)->tree);
        if (r != 0)
                return r;
        operation->job_id = job;
        *ret = TAKE_PTR(operation);
        return 0;
}
