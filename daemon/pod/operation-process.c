/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Naming a process of a container: its namespaces are bound to the files that the spec named for them, and network interfaces come to it,
 * all or none. Their records are there since the pod was made, and wait. To a crash this is a Mount() that was interrupted; what
 * becomes of interfaces then, their own records say (pod/links.h).
 */

#include <string.h>

#include "pod/container.h"
#include "pod/drift.h"
#include "pod/host.h"
#include "pod/links.h"
#include "pod/made.h"
#include "pod/operation-private.h"
#include "pod/registry.h"
#include "pod/waiting.h"
#include "util/array.h"
#include "util/event.h"
#include "util/log.h"

/* One that is bound: where its record is among those on the host, and its id in the answer. */
struct place {
        size_t record, id;
};

struct process {
        struct operation operation;
        char *container;      /* as given, or NULL… */
        char *name;           /* …and as it was found */
        size_t n_links;       /* network interfaces that are to come */
        struct source pidfd;  /* by the name that its fd came with */
        struct place *places; /* those that are bound… */
        size_t n_places;
        struct wanted *wanted; /* …compiled, in the same order */
        struct made made;      /* by a job that was lost */
};

static struct process *process_of(struct operation *operation) {
        return (struct process *) operation;
}

static void release(struct operation *operation) {
        struct process *process = process_of(operation);

        free(process->container);
        free(process->name);
        free(process->pidfd.text);
        free(process->places);
        wanted_free(process->wanted);
        made_done(&process->made);
}

static bool is_of(const struct record_mount *mount, const char *container) {
        return strcmp(mount->type, SPEC_PIN_TYPE) == 0 && spec_pin_is_of(mount->source, container);
}

/* What waits, and what somebody has unmounted. */
static bool is_to_be_bound(const struct pods *pods, const struct record_mount *mount) {
        return mount->deferred || !drift_find_entry(pods->table, mount);
}

/* Those of the container, bound or not, are the answer. */
static int choose(struct process *process, const char *container, struct failure *f) {
        struct operation *operation = &process->operation;
        const struct record_pod *record = operation->pod->record;
        int r = pods_sync(operation->pods); /* what was bound just now is there */

        if (r < 0)
                return log_errno(LOG_ERR, r, "read the mount table");
        free(process->places);
        free(operation->ids);
        process->n_places = operation->n_ids = 0;
        process->places = calloc(record->n_host + 1, sizeof(*process->places));
        operation->ids = calloc(record->n_host + 1, sizeof(*operation->ids));
        if (!process->places || !operation->ids)
                return log_oom();
        for (size_t i = 0; i < record->n_host; i++) {
                const struct record_mount *mount = &record->host[i];

                if (!is_of(mount, container))
                        continue;
                operation->ids[operation->n_ids++] = mount->id;
                if (is_to_be_bound(operation->pods, mount))
                        process->places[process->n_places++] = (struct place) {i, operation->n_ids - 1};
        }
        process->n_links = links_count(record, container, RECORD_LINK_OUTSIDE);
        if (links_count(record, container, RECORD_LINK_MOVING) > 0)
                return failure_set(f, FAILURE_BUSY,
                                   "Network interfaces of container %s are half on the way to another process, which could not be undone; restart "
                                   "podmountd, or collect the pod.",
                                   container);
        if (operation->n_ids == 0 && links_count_all(record, container) == 0)
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "The spec of pod %s binds no namespace of container %s, and has no network interface for it; name them in "
                                   "\"bindNS\" and \"interfaces\" of what it prepares.",
                                   operation->uuid, container);
        return process->n_places > 0 || process->n_links > 0 ? 0 : OPERATION_FINISHED;
}

/* Each record's request, one after the other. */
static int parse(const struct process *process, struct spec_mount *mounts, struct failure *f) {
        const struct operation *operation = &process->operation;

        for (size_t i = 0; i < process->n_places; i++) {
                const char *request = operation->pod->record->host[process->places[i].record].request;
                struct spec_mount *one = NULL;
                size_t n = 0;
                int r = spec_parse_mounts(request, strlen(request), operation->pods->settings->spec_size_max, &one, &n, f);

                if (r != 0)
                        return r;
                mounts[i] = one[0];
                free(one);
        }
        return 0;
}

static int compile(struct process *process, struct failure *f) {
        struct wanted_facts facts = process->operation.pods->facts;
        struct spec_mount *mounts;
        int r;

        process->wanted = wanted_free(process->wanted);
        if (process->n_places == 0)
                return 0; /* nothing but interfaces */
        mounts = calloc(process->n_places, sizeof(*mounts));
        r = mounts ? parse(process, mounts, f) : log_oom();
        facts.caller_is_root = caller_is_root(&process->operation.caller);
        facts.process = &process->pidfd;
        if (r == 0)
                r = wanted_from_mounts(SPEC_HOST, mounts, process->n_places, &facts, &process->wanted, f);
        if (mounts)
                spec_mounts_free(mounts, process->n_places);
        return r == 0 ? host_check(process->operation.pods, &process->operation.caller, process->operation.uuid, process->wanted, f) : r;
}

static int validate(struct operation *operation, struct failure *f) {
        struct process *process = process_of(operation);
        const char *container;
        int r;

        r = pods_check_runtime(operation->pods, f);
        if (r == 0)
                r = container_begin(operation, f);
        if (r == 0)
                r = container_find(operation->pod, process->container, &container, f);
        if (r == 0)
                r = choose(process, container, f);
        if (r == 0) {
                free(process->name);
                process->name = strdup(container);
                r = process->name ? compile(process, f) : log_oom();
        }
        return r == 0 ? waiting_check_quota(operation, (uint32_t) process->n_places, f) : r;
}

static int plan(struct operation *operation, struct failure *f) {
        const struct process *process = process_of(operation);
        struct job_caller caller;
        struct plan_pod pod;
        int r = 0;

        operation_plan_pod(operation, false, &caller, &pod);
        if (process->n_places > 0)
                r = plan_mount(&pod, process->wanted, NULL, 0, false, &operation->job, f);
        return r == 0 ? links_plan_enter(&pod, operation->pod->record, process->name, &operation->job) : r;
}

/* The pod with its links, and whether the job's intent is there. */
static int store_links(struct operation *operation, bool begins) {
        const struct record_intent intent = {.job = operation->job_id, .uuid = operation->uuid, .verb = RECORD_VERB_MOUNT};
        struct store *store = operation->pods->store;
        int r = store_begin(store);

        if (r == 0)
                r = store_put_pod(store, operation->pod->record);
        if (r == 0)
                r = begins ? store_put_intent(store, &intent) : store_delete_intent(store, operation->job_id);
        r = store_end(store, r);
        return r < 0 ? log_errno(LOG_ERR, r, "write down the network interfaces of pod %s", operation->uuid) : 0;
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        const struct process *process = process_of(operation);
        int r;

        if (process->n_links == 0)
                return container_intend(operation, RECORD_VERB_MOUNT, false, NULL);
        links_set(operation->pod->record, process->name, RECORD_LINK_OUTSIDE, RECORD_LINK_MOVING);
        r = store_links(operation, true);
        if (r < 0)
                links_set(operation->pod->record, process->name, RECORD_LINK_MOVING, RECORD_LINK_OUTSIDE);
        return r;
}

static void take_back(struct operation *operation) {
        const struct process *process = process_of(operation);

        if (process->n_links == 0) {
                container_forget_intent(operation);
                return;
        }
        links_set(operation->pod->record, process->name, RECORD_LINK_MOVING, RECORD_LINK_OUTSIDE);
        (void) store_links(operation, false); /* logged; the next start does it */
}

static int store_all(struct process *process) {
        struct operation *operation = &process->operation;
        struct record_pod *record = operation->pod->record;
        struct store *store = operation->pods->store;
        int r = store_begin(store);

        if (r == 0)
                r = store_put_pod(store, record);
        for (size_t i = 0; i < process->n_places && r == 0; i++)
                r = store_put_mount(store, operation->uuid, &record->host[process->places[i].record]);
        if (r == 0)
                r = store_delete_intent(store, operation->job_id);
        r = store_end(store, r);
        return r < 0 ? log_errno(LOG_ERR, r, "record the namespaces of pod %s that are bound", operation->uuid) : 0;
}

/* The records keep their places, and get what is to be known of the mounts. */
static int record_all(struct process *process, const struct job_result *answer) {
        struct operation *operation = &process->operation;
        struct record_pod *record = operation->pod->record;
        _cleanup_free_ struct record_mount *before = calloc(process->n_places + 1, sizeof(*before));
        char **warnings = NULL, **told = record->warnings;
        int r = before ? waiting_copy_warnings(operation->pod, process->wanted, &warnings) : log_oom();

        if (r < 0)
                return r;
        record->warnings = warnings;
        for (size_t i = 0; i < process->n_places; i++) {
                struct record_mount *mount = &record->host[process->places[i].record];

                before[i] = *mount;
                host_take_result(mount, &answer->steps[i], operation->job_id);
                mount->root = mount->fs_options = NULL; /* both are seen anew */
        }
        links_set(record, process->name, RECORD_LINK_MOVING, RECORD_LINK_INSIDE);
        links_settle(record, operation->job, answer);
        r = store_all(process);
        if (r < 0 && process->n_links > 0) /* those before are at the same place, by a job of their own, and nobody knows their indexes then: their marks are enough */
                links_set(record, process->name, RECORD_LINK_INSIDE, RECORD_LINK_MOVING);
        for (size_t i = 0; i < process->n_places; i++) {
                struct record_mount *mount = &record->host[process->places[i].record];

                if (r < 0) {
                        *mount = before[i];
                        continue;
                }
                operation->ids[process->places[i].id] = mount->id;
                free(before[i].root);
                free(before[i].fs_options);
                tell_mounts_added(operation->pods, operation->pod, mount, 1);
        }
        record->warnings = r < 0 ? told : warnings;
        (void) strv_free(r < 0 ? warnings : told); /* returns NULL, always */
        return r;
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct process *process = process_of(operation);
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        bool undo = false;

        if (answer && answer->failure == FAILURE_NONE && !answer->lost) {
                int r = record_all(process, answer);

                undo = r < 0;
                if (r < 0)
                        (void) failure_from_errno(&f, r);
        } else if (answer) {
                undo = answer->lost || process->n_links > 0; /* the executor may not have been able to take them back */
                (void) operation_failure(operation, answer, process->wanted, &f);
        }
        if (undo) {
                if (made_keep(operation, answer, &process->made) < 0)
                        log_error("A crash now would leave namespaces of pod %s bound that no record names", operation->uuid);
                operation_undo(operation, &f);
                return;
        }
        if (f.kind == FAILURE_NONE) {
                log_debug("Bound %zu namespaces of a process of pod %s, and gave it %zu network interfaces", process->n_places, operation->uuid,
                          process->n_links);
                tell_changed(operation->pods, operation->pod);
        } else
                take_back(operation);
        operation_end(operation, &f);
}

static int undo_job(struct operation *operation, struct job **ret, struct failure *f) {
        const struct process *process = process_of(operation);
        struct job_caller caller;
        struct plan_pod pod;
        int r = made_undo_job(operation, &process->made, ret, f);

        if (r != 0 || process->n_links == 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        pod.fd_names = NULL;
        return links_plan_leave(&pod, operation->pod->record, process->name, true, ret);
}

/* What could not be detached shows as drift; its intent stays, so that the next start tries once more. */
static void undo_failed(struct operation *operation, const char *reason) {
        event_log(EVENT_MOUNTS_LEFT, EVENT_OF_POD(operation->uuid), "Namespaces of a failed call stay bound, or its network interfaces away, for pod %s: %s", operation->uuid, reason);
}

static const struct operation_class class = {
        .verb = OPERATION_PREPARE_PROCESS,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .undo_job = undo_job,
        .undo_failed = undo_failed,
        .release = release,
};

int operation_new_prepare_process(struct pods *pods, const struct caller *caller, struct pod *pod,
                                  const struct process_arguments *arguments, const struct operation_fds *fds,
                                  struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        struct process *process;
        int r = operation_new(&class, sizeof(struct process), pods, caller, pod, pod->record->uuid, fds, &operation, f);

        if (r != 0)
                return r;
        if (strv_length(operation->fd_names) != 1)
                return failure_set(f, FAILURE_INVALID_ARGS, "Name one process: send the fd of pidfd_open(2), by any name.");
        process = process_of(operation);
        process->container = arguments->container ? strdup(arguments->container) : NULL;
        process->pidfd = (struct source) {.kind = SOURCE_FD, .text = strdup(operation->fd_names[0])};
        if ((arguments->container && !process->container) || !process->pidfd.text)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}
