/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Naming the namespaces that mounts of a living pod wait for: those mounts are made, all or none, in the order of the
 * record. The fds are good for this call alone, so what waits for another namespace goes on waiting. To a crash this is
 * a Mount() that was interrupted.
 */

#include <string.h>

#include "plan/cover.h"
#include "pod/container.h"
#include "pod/footing.h"
#include "pod/made.h"
#include "pod/operation-private.h"
#include "pod/present.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "pod/waiting.h"
#include "util/array.h"
#include "util/event.h"
#include "util/log.h"

struct spaces {
        struct operation operation;
        char *container; /* as given, or NULL */
        struct source named[_SPEC_NAMESPACE_MAX];

        int64_t *rows;         /* of the records that are made… */
        size_t n_rows;
        struct wanted *wanted; /* …compiled, in the same order */
        struct made made;      /* by a job that was lost */
};

static struct spaces *spaces_of(struct operation *operation) {
        return (struct spaces *) operation;
}

static void release(struct operation *operation) {
        struct spaces *spaces = spaces_of(operation);

        free(spaces->container);
        for (size_t i = 0; i < ELEMENTSOF(spaces->named); i++)
                free(spaces->named[i].text);
        free(spaces->rows);
        wanted_free(spaces->wanted);
        made_done(&spaces->made);
}

/* The choice of what is made, while it goes through the record. */
struct choice {
        const struct spaces *spaces;
        const struct record_pod *record;
        struct covers *waiting;  /* every mount that waits, or did… */
        size_t *waiting_records; /* …by number of the cover: the record's index */
        size_t n_waiting;
        struct covers *going;    /* those of them that are made */
        bool *goes;              /* by index of the record */
        size_t n;
};

static void choice_done(struct choice *choice) {
        covers_free(choice->waiting);
        covers_free(choice->going);
        free(choice->waiting_records);
        free(choice->goes);
}

static int choice_init(struct choice *choice, const struct spaces *spaces) {
        const struct record_pod *record = spaces->operation.pod->record;

        *choice = (struct choice) {
                .spaces = spaces,
                .record = record,
                .waiting = covers_new(record->n_mounts),
                .going = covers_new(record->n_mounts),
                .waiting_records = calloc(record->n_mounts + 1, sizeof(*choice->waiting_records)),
                .goes = calloc(record->n_mounts + 1, sizeof(*choice->goes)),
        };
        return choice->waiting && choice->going && choice->waiting_records && choice->goes ? 0 : log_oom();
}

static bool is_named(const struct spaces *spaces, const struct record_mount *mount) {
        enum spec_namespace shows = wanted_namespace_of(mount->type);

        return shows != _SPEC_NAMESPACE_MAX && spaces->named[shows].kind == SOURCE_FD &&
               (!spaces->container || strcmp(spaces->container, mount->container) == 0);
}

/* A path that is hidden or read-only: it waits with the mount that it is on. */
static bool is_path(const struct record_mount *mount) {
        return !mount->request;
}

/* A mount point below a mount that goes on waiting is not there yet. */
static int choose(struct choice *choice, size_t i, struct failure *f) {
        const struct record_mount *mount = &choice->record->mounts[i], *below;
        size_t number;
        int r = covers_find(choice->waiting, mount->container, mount->target, &number);

        if (r < 0)
                return log_oom();
        below = number != COVER_NONE ? &choice->record->mounts[choice->waiting_records[number]] : NULL;
        if (is_path(mount)) {
                choice->goes[i] = below && choice->goes[choice->waiting_records[number]];
                choice->n += choice->goes[i];
                return 0;
        }
        choice->goes[i] = is_named(choice->spaces, mount);
        if (choice->goes[i] && below && !choice->goes[choice->waiting_records[number]])
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "%s lies on %s, which waits for its %s namespace; name that one in the same call.",
                                   mount->target, below->target, spec_namespace_name(wanted_namespace_of(below->type)));
        r = covers_add(choice->waiting, mount->container, mount->target);
        if (r == 0 && choice->goes[i])
                r = covers_add(choice->going, mount->container, mount->target);
        if (r < 0)
                return log_oom();
        choice->waiting_records[choice->n_waiting++] = i;
        choice->n += choice->goes[i];
        return 0;
}

/* Nothing that is there may disappear below what is made. */
static int check_hidden(const struct choice *choice, struct failure *f) {
        for (size_t i = 0; i < choice->record->n_mounts && choice->n > 0; i++) {
                const struct record_mount *mount = &choice->record->mounts[i];
                size_t number;
                int r;

                if (mount->deferred || mount->container[0] == '\0')
                        continue;
                r = covers_find(choice->going, mount->container, mount->target, &number);
                if (r < 0)
                        return log_oom();
                if (number != COVER_NONE)
                        return failure_set(f, FAILURE_TARGET_IN_USE,
                                           "The mount at %s would disappear below the one that waits; unmount it, name "
                                           "the namespaces, and mount it again.", mount->target);
        }
        return 0;
}

static int choose_all(struct spaces *spaces, struct failure *f) {
        _cleanup_(choice_done) struct choice choice;
        int r = choice_init(&choice, spaces);

        for (size_t i = 0; r == 0 && i < choice.record->n_mounts; i++)
                if (choice.record->mounts[i].deferred)
                        r = choose(&choice, i, f);
        if (r == 0)
                r = check_hidden(&choice, f);
        if (r != 0)
                return r;
        free(spaces->rows);
        spaces->n_rows = 0;
        spaces->rows = calloc(choice.n + 1, sizeof(*spaces->rows));
        if (!spaces->rows)
                return log_oom();
        for (size_t i = 0; i < choice.record->n_mounts; i++)
                if (choice.goes[i])
                        spaces->rows[spaces->n_rows++] = choice.record->mounts[i].row;
        return 0;
}

static int parse(const struct spaces *spaces, const struct record_mount *mount, struct spec_mount *ret,
                 struct failure *f) {
        const struct operation *operation = &spaces->operation;
        struct spec_mount *mounts = NULL;
        size_t n = 0;
        const uint64_t size_max = operation->pods->settings->spec_size_max;
        int r = spec_parse_mounts(mount->request, strlen(mount->request), size_max, &mounts, &n, f);

        if (r != 0)
                return r;
        if (n != 1) {
                spec_mounts_free(mounts, n);
                return log_errno(LOG_ERR, EBADMSG, "read the record of %s in pod %s", mount->target, operation->uuid);
        }
        *ret = mounts[0];
        free(mounts);
        return 0;
}

static int compile_parsed(struct spaces *spaces, struct spec_mount *mounts, struct failure *f) {
        _cleanup_free_ struct wanted_waiting *waiting = calloc(spaces->n_rows, sizeof(*waiting));
        const struct pod *pod = spaces->operation.pod;
        struct wanted_facts facts = spaces->operation.pods->facts;
        size_t n = 0;
        int r;

        if (!waiting)
                return log_oom();
        for (size_t i = 0; i < pod->record->n_mounts && n < spaces->n_rows; i++) {
                const struct record_mount *mount = &pod->record->mounts[i];

                if (mount->row != spaces->rows[n])
                        continue;
                waiting[n] = (struct wanted_waiting) {
                        .container = mount->container, .path = mount->target, .type = mount->type};
                if (!is_path(mount)) {
                        r = parse(spaces, mount, &mounts[n], f);
                        if (r != 0)
                                return r;
                        waiting[n].mount = &mounts[n];
                }
                n++;
        }
        facts.spaces = spaces->named;
        return wanted_from_waiting(waiting, n, &facts, &spaces->wanted, f);
}

static int compile(struct spaces *spaces, struct failure *f) {
        struct spec_mount *mounts = calloc(spaces->n_rows, sizeof(*mounts));
        int r;

        if (!mounts)
                return log_oom();
        spaces->wanted = wanted_free(spaces->wanted);
        r = compile_parsed(spaces, mounts, f);
        spec_mounts_free(mounts, spaces->n_rows);
        return r;
}

static int validate(struct operation *operation, struct failure *f) {
        struct spaces *spaces = spaces_of(operation);
        const char *container;
        int r;

        r = pods_check_runtime(operation->pods, f);
        if (r == 0)
                r = container_begin(operation, f);
        if (r == 0 && spaces->container)
                r = container_find(operation->pod, spaces->container, &container, f);
        if (r == 0)
                r = choose_all(spaces, f);
        if (r != 0)
                return r;
        if (spaces->n_rows == 0)
                return OPERATION_FINISHED;
        r = compile(spaces, f);
        return r == 0 ? waiting_check_quota(operation, (uint32_t) spaces->n_rows, f) : r;
}

static int plan(struct operation *operation, struct failure *f) {
        _cleanup_free_ struct plan_present *present = NULL;
        struct job_caller caller;
        struct plan_pod pod;
        size_t n = 0;
        int r = footing_look(operation->pods, operation->pod, spaces_of(operation)->wanted);

        if (r == 0)
                r = present_list(operation->pod, &present, &n);
        if (r < 0)
                return r;
        operation_plan_pod(operation, false, &caller, &pod);
        return plan_mount(&pod, spaces_of(operation)->wanted, present, n, false, &operation->job, f);
}

static int intend(struct operation *operation, struct failure *f _unused_) {
        return container_intend(operation, RECORD_VERB_MOUNT, false, NULL);
}

static void take_back(struct operation *operation) {
        container_forget_intent(operation);
}

static int record_all(struct spaces *spaces, const struct job_result *answer) {
        struct operation *operation = &spaces->operation;
        _cleanup_strv_ char **warnings = NULL;
        struct pod *pod = operation->pod;
        size_t from = pod->record->n_mounts;
        int r = waiting_copy_warnings(pod, spaces->wanted, &warnings);

        if (r == 0)
                r = recording_append(operation->pods, pod, spaces->wanted, NULL, operation->job, answer, NULL);
        if (r == 0)
                r = recording_settle(operation->pods, pod, spaces->rows, spaces->n_rows, from, &warnings,
                                     operation->job_id);
        if (r < 0)
                recording_truncate(pod, from);
        return r;
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct spaces *spaces = spaces_of(operation);
        struct failure f = FAILURE_INIT;
        bool undo = false;

        if (answer && answer->failure == FAILURE_NONE && !answer->lost) {
                int r = record_all(spaces, answer);

                undo = r < 0;
                if (r < 0)
                        (void) failure_from_errno(&f, r);
        } else if (answer) {
                undo = answer->lost;
                (void) operation_failure(operation, answer, spaces->wanted, &f);
        }
        if (undo) {
                if (made_keep(operation, answer, &spaces->made) < 0)
                        log_error("A crash now would leave mounts in pod %s that no record names", operation->uuid);
                operation_undo(operation, &f);
                return;
        }
        if (f.kind == FAILURE_NONE) {
                log_debug("Made %zu mounts of pod %s that waited for their namespaces", spaces->n_rows,
                          operation->uuid);
                tell_changed(operation->pods, operation->pod);
        } else
                take_back(operation);
        operation_end(operation, &f);
}

static int undo_job(struct operation *operation, struct job **ret, struct failure *f) {
        return made_undo_job(operation, &spaces_of(operation)->made, ret, f);
}

/* What could not be detached shows as drift; its intent stays, so that the next start tries once more. */
static void undo_failed(struct operation *operation, const char *reason) {
        event_log(EVENT_MOUNTS_LEFT, EVENT_OF_POD(operation->uuid), "Mounts of a failed call stay in pod %s: %s", operation->uuid, reason);
}

static const struct operation_class class = {
        .verb = OPERATION_SET_NAMESPACES,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .undo_job = undo_job,
        .undo_failed = undo_failed,
        .release = release,
};

static int take_names(struct spaces *spaces, struct failure *f) {
        char *const *names = spaces->operation.fd_names;

        if (!names || !*names)
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "No namespace is named; send the fd of one as pid, net, ipc or cgroup.");
        for (; *names; names++) {
                enum spec_namespace found = spec_namespace_find(*names);

                if (found == _SPEC_NAMESPACE_MAX)
                        return failure_set(f, FAILURE_INVALID_ARGS,
                                           "No file system shows a namespace \"%.80s\"; name pid, net, ipc or cgroup.",
                                           *names);
                if (spaces->named[found].text)
                        return failure_set(f, FAILURE_INVALID_ARGS, "The %s namespace is named twice; name it once.",
                                           spec_namespace_name(found));
                spaces->named[found] = (struct source) {.kind = SOURCE_FD, .text = strdup(*names)};
                if (!spaces->named[found].text)
                        return log_oom();
        }
        return 0;
}

int operation_new_set_namespaces(struct pods *pods, const struct caller *caller, struct pod *pod,
                                 const struct spaces_arguments *arguments, const struct operation_fds *fds,
                                 struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        struct spaces *spaces;
        int r = operation_new(&class, sizeof(struct spaces), pods, caller, pod, pod->record->uuid, fds, &operation, f);

        if (r != 0)
                return r;
        spaces = spaces_of(operation);
        spaces->container = arguments->container ? strdup(arguments->container) : NULL;
        if (arguments->container && !spaces->container)
                return log_oom();
        r = take_names(spaces, f);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(operation);
        return 0;
}
