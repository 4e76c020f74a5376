/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mount() with the option remount: one recorded mount changes. The record then has the request that would make it as it
 * is now. The change can be made again without harm, so that what a crash interrupts is finished by the next start.
 *
 * In a running container's own mount namespace the mount is known by the ids of both. If the client says by an fd which
 * namespace is meant, a first job looks what that is and whether the caller may mount there.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>

#include "pod/container.h"
#include "pod/doom.h"
#include "pod/drift.h"
#include "pod/footing.h"
#include "pod/operation-private.h"
#include "pod/overlay-facts.h"
#include "pod/own-table.h"
#include "pod/recording.h"
#include "pod/registry.h"
#include "pod/source.h"
#include "pod/use.h"
#include "pod/within.h"
#include "util/array.h"
#include "util/json.h"
#include "util/log.h"

struct remount {
        struct operation operation;
        char *container; /* as given, or NULL */
        char *fd_name;   /* of the fd that says the namespace, until that is known; or NULL */
        uint64_t namespace; /* 0: the pod itself, or whichever has it */
        struct spec_mount *asked;
        size_t n_asked;
        bool as_root;         /* who asked for it was root */
        uint64_t interrupted; /* the job that this one finishes, 0 for none */
        int64_t row;          /* of the record that changes */
        struct wanted *wanted;
};

static struct remount *remount_of(struct operation *operation) {
        return (struct remount *) operation;
}

static void release(struct operation *operation) {
        struct remount *remount = remount_of(operation);

        free(remount->container);
        free(remount->fd_name);
        spec_mounts_free(remount->asked, remount->n_asked);
        wanted_free(remount->wanted);
}

static int find(struct remount *remount, const char **ret_container, struct record_mount **ret, struct failure *f) {
        const struct pod *pod = remount->operation.pod;
        const char *target = remount->asked->destination;
        struct record_mount *mount;
        int r = container_find(pod, remount->container, ret_container, f);

        if (r != 0)
                return r;
        mount = remount->namespace == 0 ? pod_find_mount(pod, *ret_container, target) : NULL;
        if (!mount)
                r = within_find_one(pod, remount->namespace, *ret_container, target, &mount, f);
        if (r != 0)
                return r;
        if (!mount || mount->deferred || mount->id == 0)
                return failure_set(f, FAILURE_NO_SUCH_MOUNT,
                                   "Nothing that podmount has mounted at %s of container %s could be changed; mount "
                                   "without remount.", target, *ret_container);
        if (!mount->request)
                return failure_set(f, FAILURE_NOT_SUPPORTED,
                                   "What is at %s of container %s came with its container or along with a recursive bind, "
                                   "and has no options of its own that could be changed.", target, *ret_container);
        *ret = mount;
        return 0;
}

/* A tmpfs may become larger. One that a crash interrupted was allowed. */
static int check_quota(struct operation *operation, const struct record_mount *mount, struct failure *f) {
        const struct remount *remount = remount_of(operation);
        const struct quota_ask ask = {.tmpfs = use_tmpfs_beyond(remount->wanted, mount)};
        struct quota_use use = {};

        return remount->interrupted != 0 || ask.tmpfs == 0 ? 0 : use_check(operation, &use, &ask, 0, f);
}

/* A read-only bind on which mount points were made is an overlay without an upper directory: the word alone would make nothing writable. */
static int check_stubbed(const struct operation *operation, const struct record_mount *mount, const struct wanted_mount *wanted, struct failure *f) {
        const struct entry *entry = drift_find_entry(pods_table(operation->pods, operation->pod->record), mount);

        if (wanted->kind != WANTED_BIND || (wanted->attr_set & MOUNT_ATTR_RDONLY) || !entry || !entry->superblock_readonly ||
            strcmp(entry->type, "overlay") != 0)
                return 0;
        return failure_set(f, FAILURE_INVALID_OPTION, "Mount points were made over the read-only bind at %s, in an overlay that nobody can write "
                                                      "to; unmount it and bind it anew.", mount->target);
}

/* What is there becomes what it is to be. */
static int compile(struct operation *operation, struct failure *f) {
        struct remount *remount = remount_of(operation);
        struct wanted_facts facts = operation->pods->facts;
        struct spec_mount *there = NULL;
        struct record_mount *mount = NULL;
        const char *container = NULL;
        size_t n = 0;
        int r = find(remount, &container, &mount, f);

        if (r != 0)
                return r;
        remount->row = mount->row;
        remount->namespace = mount->namespace;
        facts.caller_is_root = remount->as_root;
        facts.any_volume = true; /* it was found when the mount was made */
        r = mount->namespace != 0 || mount->ground_free ? 0 : overlay_facts(operation->pod->record, container, &facts);
        if (r < 0)
                return r;
        r = spec_parse_mounts(mount->request, strlen(mount->request), UINT64_MAX, &there, &n, f);
        if (r != 0)
                return r;
        remount->wanted = wanted_free(remount->wanted);
        r = wanted_from_remount(container, there, remount->asked, &facts, &remount->wanted, f);
        spec_mounts_free(there, n);
        if (r == 0)
                r = check_stubbed(operation, mount, &remount->wanted->mounts[0], f);
        return r == 0 ? check_quota(operation, mount, f) : r;
}

static int validate(struct operation *operation, struct failure *f) {
        const struct remount *remount = remount_of(operation);
        const char *container;
        int r = pods_check_runtime(operation->pods, f);

        if (r == 0)
                r = container_begin(operation, f);
        if (r == 0 && remount->fd_name)
                return container_find(operation->pod, remount->container, &container, f);
        return r == 0 ? compile(operation, f) : r;
}

static int plan(struct operation *operation, struct failure *f) {
        struct remount *remount = remount_of(operation);
        const struct record_mount *mount = NULL;
        const char *container = NULL;
        struct job_caller caller;
        struct plan_pod pod;
        int r;

        operation_plan_pod(operation, false, &caller, &pod);
        caller.root = remount->as_root;
        if (remount->fd_name) {
                r = container_find(operation->pod, remount->container, &container, f);
                return r == 0 ? plan_enter(&pod, container, remount->fd_name, 0, &operation->job, f) : r;
        }
        pod.fd_names = NULL;
        mount = recording_find_row(operation->pod, remount->row) ?: within_find_row(operation->pod, remount->row);
        r = remount->namespace == 0 ? footing_look(operation->pods, operation->pod, remount->wanted) : 0;
        if (r < 0)
                return r;
        return plan_remount(&pod, remount->wanted, mount->id != mount->mount_id ? mount->id : 0, mount->mount_id,
                            remount->namespace, &operation->job, f);
}

/* {"container": …, "mount": …, "namespace": [two halves], "root": …}: what recovery asks for again. */
static int intend(struct operation *operation, struct failure *f _unused_) {
        struct remount *remount = remount_of(operation);
        const struct wanted *wanted = remount->wanted;
        _cleanup_free_ char *text = NULL, *detail = NULL;
        int r;

        if (remount->fd_name)
                return 0; /* it only looks */
        r = spec_mount_to_text(remount->asked, &text);
        if (r == 0 && asprintf(&detail, "{\"container\":\"%s\",\"mount\":%s,\"namespace\":[%" PRIu64 ",%" PRIu64 "],\"root\":%s}",
                               wanted->containers[0], text, remount->namespace >> 32, remount->namespace & UINT32_MAX,
                               remount->as_root ? "true" : "false") < 0) {
                detail = NULL;
                r = -ENOMEM;
        }
        return r < 0 ? log_oom() : container_intend(operation, RECORD_VERB_REMOUNT, false, detail);
}

static void forget_interrupted(struct remount *remount) {
        struct store *store = remount->operation.pods->store;
        int r;

        if (remount->interrupted == 0)
                return;
        r = store_begin(store);
        if (r == 0)
                r = store_delete_intent(store, remount->interrupted);
        if (store_end(store, r) < 0)
                log_warning("A remount of pod %s is tried again at the next start", remount->operation.uuid);
}

static void take_back(struct operation *operation) {
        if (remount_of(operation)->fd_name)
                return;
        container_forget_intent(operation);
        forget_interrupted(remount_of(operation));
}

/* The kernel tells nobody that a mount has other attributes: the table is to have them before its drift is judged. */
static void look_again(struct operation *operation) {
        _cleanup_free_ char *directory = pods_directory(operation->pods, operation->uuid);
        struct pod *pod = operation->pod;
        const struct record_mount *mount = recording_find_row(pod, remount_of(operation)->row);
        const struct entry *entry = mount ? doom_find_entry(operation->pods, pod->record, mount) : NULL;
        _cleanup_free_ char *point = entry ? strdup(entry->point) : NULL;
        int r;

        if (remount_of(operation)->namespace != 0)
                return; /* none of the table's */
        r = directory ? pods_sync_pod_below(operation->pods, operation->pod, point ?: directory) : -ENOMEM;
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "look at a mount that was changed"); /* the next reading shows it */
        pod->judge_again = true;
}

/* The namespace is known now. */
static void go_on(struct remount *remount, const struct job_result *answer) {
        struct operation *operation = &remount->operation;
        struct failure f = FAILURE_INIT;
        int r;

        remount->namespace = answer->n_steps > 0 ? answer->steps[0].id : 0;
        free(remount->fd_name);
        remount->fd_name = NULL;
        r = remount->namespace != 0 ? compile(operation, &f) : -EBADMSG;
        if (r == 0)
                r = operation_next(operation, &f);
        if (r == 0)
                return;
        (void) failure_from_errno(&f, r);
        operation_end(operation, &f);
}

static void result(struct operation *operation, const struct job_result *answer) {
        struct remount *remount = remount_of(operation);
        struct failure f = FAILURE_INIT;
        int r;

        if (answer->lost || answer->failure != FAILURE_NONE) {
                if (answer->lost && operation_retry(operation, answer))
                        return;
                if (answer->lost && answer->failure != FAILURE_TIMED_OUT && !remount->fd_name)
                        (void) failure_set(&f, FAILURE_MOUNT_FAILED, "The executor died while it changed a mount of pod %s, and so did those after it; "
                                           "what was changed shows as drift. Try again.", operation->uuid);
                else
                        (void) operation_failure(operation, answer, remount->wanted, &f);
                take_back(operation);
                look_again(operation);
                operation_end(operation, &f);
                return;
        }
        if (remount->fd_name) {
                go_on(remount, answer);
                return;
        }
        operation->ids[0] = answer->steps[0].id ?: answer->steps[0].mount_id;
        r = recording_change(operation->pods, operation->pod, remount->row, remount->wanted->mounts,
                             answer->steps[0].attributes, operation->job_id);
        (void) failure_from_errno(&f, r);
        if (r == 0)
                forget_interrupted(remount);
        look_again(operation);
        operation_end(operation, &f);
}

static const struct operation_class class = {
        .verb = OPERATION_MOUNT,
        .validate = validate,
        .plan = plan,
        .intend = intend,
        .take_back = take_back,
        .result = result,
        .release = release,
};

static int new_remount(struct pods *pods, const struct caller *caller, struct pod *pod,
                       const struct operation_fds *fds, struct operation **ret, struct failure *f) {
        struct operation *operation;
        int r = operation_new(&class, sizeof(struct remount), pods, caller, pod, pod->record->uuid, fds, &operation, f);

        if (r != 0)
                return r;
        operation->ids = calloc(1, sizeof(*operation->ids));
        operation->n_ids = 1;
        *ret = operation;
        return operation->ids ? 0 : log_oom();
}

int operation_new_remount(struct pods *pods, const struct caller *caller, struct pod *pod, const char *fd_name,
                          struct mount_arguments *arguments, const struct operation_fds *fds, struct operation **ret,
                          struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        _cleanup_strv_ char **names = NULL;
        struct remount *remount;
        int r = new_remount(pods, caller, pod, fds, &operation, f);

        if (r != 0)
                return r;
        remount = remount_of(operation);
        remount->asked = TAKE_PTR(arguments->mounts);
        remount->n_asked = arguments->n_mounts;
        arguments->n_mounts = 0;
        remount->as_root = caller_is_root(caller);
        if (remount->n_asked != 1)
                return failure_set(f, FAILURE_INVALID_ARGS, "A remount comes alone; name one mount in this call.");
        if (arguments->container) {
                remount->container = strdup(arguments->container);
                if (!remount->container)
                        return log_oom();
        }
        if (fd_name) {
                remount->fd_name = strdup(fd_name);
                if (!remount->fd_name || strv_append(&names, fd_name) < 0)
                        return log_oom();
        }
        r = source_check_fds(operation, names, f);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(operation);
        return 0;
}

/* Those that were written before there was any have none. */
static bool read_namespace(struct json_object *object, uint64_t *ret) {
        struct json_object *halves;

        *ret = 0;
        return !json_object_object_get_ex(object, "namespace", &halves) || json_read_halves(halves, ret);
}

static int take_detail(struct remount *remount, const char *detail, struct failure *f) {
        _cleanup_json_ struct json_object *object = NULL;
        struct json_object *container, *mount, *root;
        _cleanup_free_ char *text = NULL;

        if (!detail || json_parse(detail, strlen(detail), &object, f) != 0 ||
            !json_object_object_get_ex(object, "container", &container) ||
            !json_object_object_get_ex(object, "mount", &mount) || !json_object_object_get_ex(object, "root", &root) ||
            !read_namespace(object, &remount->namespace))
                return log_errno(LOG_ERR, EBADMSG, "read a remount of pod %s", remount->operation.uuid);
        text = json_canonical(mount);
        remount->container = strdup(json_object_get_string(container));
        remount->as_root = json_object_get_boolean(root);
        if (!text || !remount->container)
                return log_oom();
        return spec_parse_mounts(text, strlen(text), UINT64_MAX, &remount->asked, &remount->n_asked, f);
}

int operation_new_remount_again(struct pods *pods, struct pod *pod, const struct record_intent *intent,
                                struct operation **ret, struct failure *f) {
        _cleanup_(operation_freep) struct operation *operation = NULL;
        int r = new_remount(pods, &caller_house, pod, NULL, &operation, f);

        if (r == 0)
                r = take_detail(remount_of(operation), intent->detail, f);
        if (r != 0)
                return r;
        remount_of(operation)->interrupted = intent->job;
        *ret = TAKE_PTR(operation);
        return 0;
}
