/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who keeps mounts of a pod alive. It changes nothing and waits for no turn: it is asked when something else is stuck. Few search at a time, for
 * each looks at every process of the machine; the others wait, and each has a search of its own when its turn has come. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "executor/stream.h"
#include "pod/container.h"
#include "pod/turn.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

enum {
        SEARCHES_MAX = 2,
        SEARCHES_WAITING_MAX = 1024, /* of all users… */
        SEARCHES_WAITING_OF_USER = 64,
        BRIEF_MAX = 64 * 1024,       /* bytes of a brief answer: a request may have one for each of many pods */
};

struct search {
        struct operation operation; /* without a pod, which may go while it searches */
        char *pod, *container, *target;
        uint64_t mount_id;
        bool searching; /* counted in pods->n_searches */
        struct stream *stream;
        struct mount_holder *holders;
        size_t n_holders, n_bytes, most; /* bytes of their texts, and how many are kept */
        bool cut;
};

static struct search *search_of(struct operation *operation) {
        return (struct search *) operation;
}

static void leave(struct search *search) {
        struct pods *pods = search->operation.pods;

        for (struct operation **at = &pods->searches_waiting; *at; at = &(*at)->next)
                if (*at == &search->operation) {
                        *at = search->operation.next;
                        search->operation.next = NULL;
                        pods->n_searches_waiting--;
                        break;
                }
        search->stream = stream_free(search->stream);
        if (search->searching)
                pods->n_searches--;
        search->searching = false;
        if (pods->searches_waiting && pods->n_searches < SEARCHES_MAX) { /* also when one goes that was woken */
                struct operation *next = pods->searches_waiting;

                pods->searches_waiting = next->next;
                pods->n_searches_waiting--;
                turn_wake(pods, next);
        }
}

static void release(struct operation *operation) {
        struct search *search = search_of(operation);

        leave(search);
        holders_free(search->holders, search->n_holders);
        free(search->pod);
        free(search->container);
        free(search->target);
}

static int wait_for_turn(struct operation *operation, struct failure *f) {
        struct pods *pods = operation->pods;
        struct operation **end = &pods->searches_waiting;
        unsigned own = 0;

        for (; *end; end = &(*end)->next)
                own += (*end)->caller.uid == operation->caller.uid;
        if (pods->n_searches_waiting >= SEARCHES_WAITING_MAX || (own >= SEARCHES_WAITING_OF_USER && operation->caller.uid != 0))
                return failure_set(f, FAILURE_QUOTA_EXCEEDED, "%u searches for holders wait already, %u of them yours; try again.",
                                   (unsigned) pods->n_searches_waiting, own);
        operation->next = NULL;
        *end = operation;
        pods->n_searches_waiting++;
        operation->stage = OPERATION_WAITING;
        return OPERATION_WAIT;
}

static int validate(struct operation *operation, struct failure *f) {
        struct search *search = search_of(operation);

        if (search->searching)
                return 0;
        if (operation->pods->n_searches >= SEARCHES_MAX)
                return wait_for_turn(operation, f);
        search->searching = true;
        operation->pods->n_searches++;
        return 0;
}

static int add(struct job *job, const struct record_mount *mount, bool recursive, struct failure *f) {
        struct step *step;

        if (mount->id == 0 || mount->namespace != 0)
                return 0; /* not mounted, or not where this looks */
        if (job->n_steps >= HOLDERS_MOUNTS_MAX)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED, "These are more than %d mounts that lie on none of each other; name a target.", HOLDERS_MOUNTS_MAX);
        step = job_add(job, STEP_HOLDERS);
        if (!step)
                return log_oom();
        step->id = mount->id == mount->mount_id ? 0 : mount->id;
        step->mount_id = mount->mount_id;
        step->device = mount->device;
        step->flags = recursive ? STEP_RECURSIVE : 0;
        return 0;
}

static int add_target(const struct search *search, const struct pod *pod, struct job *job, struct failure *f) {
        const struct record_mount *mount = search->mount_id != 0 ? pod_find_mount_id(pod, search->mount_id) : NULL;
        const char *container;
        int r;

        if (search->mount_id == 0) {
                r = container_find_place(pod, *search->container ? search->container : NULL, &container, f);
                if (r != 0)
                        return r;
                mount = pod_find_mount(pod, container, search->target);
        }
        if (!mount)
                return failure_set(f, FAILURE_NO_SUCH_MOUNT, "Pod %s has no mount at %s; podmountctl show %s lists them.", pod->record->uuid, search->target,
                                   pod->record->uuid);
        return add(job, mount, false, f);
}

static int add_container(const struct search *search, const struct pod *pod, struct job *job, struct failure *f) {
        const struct record_mount *root;
        const char *container;
        int r = container_find_place(pod, search->container, &container, f);

        if (r != 0)
                return r;
        root = pod_find_mount(pod, container, "/");
        if (root)
                return add(job, root, true, f);
        for (size_t i = 0; i < pod->record->n_mounts && r == 0; i++)
                if (strcmp(pod->record->mounts[i].container, container) == 0)
                        r = add(job, &pod->record->mounts[i], true, f);
        return r;
}

static int add_all(const struct pod *pod, struct job *job, struct failure *f) {
        const struct record_mount *tree = pod_tree_mount(pod);
        int r = tree ? add(job, tree, true, f) : 0;

        for (size_t i = 0; i < pod->record->n_host && r == 0; i++)
                r = add(job, &pod->record->host[i], true, f);
        return r;
}

static int plan(struct operation *operation, struct failure *f) {
        const struct search *search = search_of(operation);
        const struct pod *pod = map_get(operation->pods->by_uuid, search->pod);
        _cleanup_(job_freep) struct job *job = job_new();
        int r;

        if (!pod)
                return failure_set(f, FAILURE_NO_SUCH_POD, "Pod %s is not there any more.", search->pod);
        if (!job)
                return log_oom();
        if (operation->job_id == 0)
                operation->job_id = store_next_job(operation->pods->store);
        job->id = operation->job_id;
        if (pod->record->private && strlen(pod->record->uuid) < sizeof(job->uuid)) { /* they are to be looked for in its namespace */
                job->private = true;
                strcpy(job->uuid, pod->record->uuid);
        }
        job->owner = pod->record->owner;
        job->owner_group = pod->record->owner_group;
        job->caller = (struct job_caller) {
                .root = caller_is_root(&operation->caller), .uid = operation->caller.uid, .gid = operation->caller.gid};
        if (*search->target || search->mount_id != 0)
                r = add_target(search, pod, job, f);
        else if (*search->container)
                r = add_container(search, pod, job, f);
        else
                r = add_all(pod, job, f);
        if (r == 0)
                operation->job = TAKE_PTR(job);
        return r;
}

static int intend(struct operation *operation _unused_, struct failure *f _unused_) {
        return 0; /* nothing is made */
}

static void take_back(struct operation *operation) {
        leave(search_of(operation));
}

/* The failure is moved out. */
static void finish(struct search *search, struct failure *f) {
        leave(search);
        operation_end(&search->operation, f);
}

/* Takes in what there is room for. */
static int take(struct search *search, const struct stream_report *report) {
        size_t from = search->n_holders;
        int r = holders_read(report->data, report->size, &search->holders, &search->n_holders);

        for (size_t i = from; r == 0 && i < search->n_holders; i++) {
                size_t size = holder_size(&search->holders[i]);

                if (search->cut || size > search->most - search->n_bytes) {
                        search->cut = true;
                        holders_cut(search->holders, i, &search->n_holders);
                } else
                        search->n_bytes += size;
        }
        return r;
}

static int add_rest(struct search *search) {
        struct mount_holder *row = array_append(&search->holders, &search->n_holders);

        if (!row)
                return log_oom();
        *row = (struct mount_holder) {.kind = HOLDER_MORE, .uid = UINT32_MAX, .command = strdup(""), .unit = strdup(""),
                                      .detail = strdup("There are more: the others are left out, Holders has them")};
        return row->command && row->unit && row->detail ? 0 : log_oom();
}

static void told(const struct stream_report *report, void *userdata) {
        struct search *search = userdata;
        struct failure f = FAILURE_INIT;

        switch (report->kind) {
        case STREAM_PROGRESS:
        case _STREAM_KIND_MAX:
                return;
        case STREAM_PORTION:
                if (take(search, report) < 0)
                        stream_break(search->stream, FAILURE_MOUNT_FAILED, "the process that looked for holders says what makes no sense; try again");
                return;
        case STREAM_DONE:
                if (search->cut && add_rest(search) < 0)
                        (void) failure_from_errno(&f, -ENOMEM);
                break;
        case STREAM_FAILED:
                (void) failure_set(&f, report->failure, "%s", report->text ?: "");
                break;
        }
        finish(search, &f);
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct search *search = search_of(operation);
        struct failure f = FAILURE_INIT;
        int r = 0;

        if (answer && answer->lost && operation_retry(operation, answer))
                return;
        if (answer && answer->lost)
                (void) failure_set(&f, FAILURE_MOUNT_FAILED, "The executor died while it began to look for holders; try again.");
        else if (answer && answer->failure != FAILURE_NONE)
                (void) failure_set(&f, answer->failure, "%s", answer->text ?: "The executor gave no reason; see the journal of podmountd.");
        else if (answer) {
                r = answer->fd ? stream_new(operation->pods->event, TAKE_FD(*answer->fd), operation->pods->settings->stream_timeout_us, "Holders", told, search,
                                            &search->stream)
                               : -EBADMSG;
                if (r == 0)
                        return;
                (void) failure_from_errno(&f, r);
        } /* else there was no mount to look for */
        finish(search, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_HOLDERS,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

int operation_new_holders(struct pods *pods, const struct caller *caller, const struct pod *pod, const struct holders_arguments *arguments,
                          struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        struct search *search;
        int r = operation_new(&class, sizeof(struct search), pods, caller, NULL, "", NULL, &operation, f);

        if (r != 0)
                return r;
        search = search_of(operation);
        search->pod = strdup(pod->record->uuid);
        search->container = strdup(arguments->container ?: "");
        r = arguments->target && *arguments->target ? path_normalize(arguments->target, &search->target) : 0;
        if (r == -EXDEV || r == -ENAMETOOLONG || r == -EINVAL)
                return failure_set(f, FAILURE_INVALID_TARGET, "The target \"%.256s\" is no absolute path without \"..\".", arguments->target);
        if (r == 0 && !search->target)
                search->target = strdup("");
        search->mount_id = arguments->mount_id;
        search->most = arguments->brief ? BRIEF_MAX : HOLDER_BYTES_MAX;
        if (!search->pod || !search->container || !search->target)
                return log_oom();
        *ret = TAKE_PTR(operation);
        return 0;
}

const struct mount_holder *operation_holders(const struct operation *operation, size_t *ret_n) {
        const struct search *search = (const struct search *) operation;

        *ret_n = operation->class == &class ? search->n_holders : 0;
        return *ret_n > 0 ? search->holders : NULL;
}
