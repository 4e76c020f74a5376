/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CreatePod, Plan, Bind, Mount, Unmount, AddContainer, RemoveContainer, SetNamespaces, PrepareProcess: from arguments to operations, and
 * from their results to replies. */

#include <inttypes.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/verb.h"
#include "pod/within.h"
#include "util/log.h"

struct operation_fds request_fds(const struct request *request) {
        static char *const none[] = {NULL};

        return (struct operation_fds) {.names = request->arguments.fd_names ? request->arguments.fd_names : none, .fds = request->arguments.fds};
}

static int add(struct request *request, struct operation *operation) {
        return request_add_work(request, operation, NULL) ? 0 : log_oom();
}

int request_check_fds(const struct request *request, char *const *used, struct failure *f) {
        for (char **name = request->arguments.fd_names; name && *name; name++) {
                bool found = false;

                for (char *const *other = used; other && *other; other++)
                        found |= strcmp(*name, *other) == 0;
                if (!found)
                        return failure_set(f, FAILURE_INVALID_ARGS, "The fd \"%s\" is named by no source; write \"fd:%s\" where it is wanted",
                                           *name, *name);
        }
        return 0;
}

static int check_spec_fds(const struct request *request, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_strv_ char **used = NULL;
        int r;

        if (arguments->n_fds == 0)
                return 0;
        r = request_parse_spec(request, &spec, f);
        if (r != 0)
                return r;
        r = spec_fd_names(spec, &used);
        if (r == 0)
                r = request_add_lease_fd(arguments->lease, &used);
        return r < 0 ? r : request_check_fds(request, used, f);
}

static int prepare_new(struct request *request, bool dry_run, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        const struct operation_fds fds = request_fds(request);
        const struct create_arguments create = {
                .uuid = arguments->uuid,
                .name = arguments->name,
                .lease = arguments->lease,
                .visibility = arguments->visibility,
                .connection = request_connection(request),
                .spec = arguments->text,
                .spec_size = strlen(arguments->text),
                .dry_run = dry_run,
        };
        struct operation *operation;
        int r = check_spec_fds(request, f);

        if (r != 0)
                return r;
        r = operation_new_create(request->api->pods, &request->peer->caller, &create, &fds, &operation, f);
        return r != 0 ? r : add(request, operation);
}

int prepare_create(struct request *request, struct failure *f) {
        return prepare_new(request, false, f);
}

int prepare_plan(struct request *request, struct failure *f) {
        return prepare_new(request, true, f);
}

int request_namespace(const struct request *request, const char **ret, struct failure *f) {
        const char *text = request->arguments.namespace;

        if (text && (strncmp(text, "fd:", strlen("fd:")) != 0 || !text[strlen("fd:")]))
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "The option \"namespace\" is \"fd:NAME\", of a pidfd or a mount namespace among the fds of the call");
        *ret = text ? text + strlen("fd:") : NULL;
        return 0;
}

/* Takes the mounts over. */
static int prepare_mounts(struct request *request, struct spec_mount *mounts, size_t n, struct failure *f) {
        const struct operation_fds fds = request_fds(request);
        struct mount_arguments mount = {
                .container = request->arguments.container,
                .mounts = mounts,
                .n_mounts = n,
                .stack = request->arguments.stack,
        };
        _cleanup_strv_ char **used = NULL;
        const char *namespace = NULL;
        struct operation *operation;
        int r;

        r = request_namespace(request, &namespace, f);
        if (r == 0)
                r = spec_mounts_fd_names(mounts, n, &used);
        if (r == 0 && namespace)
                r = strv_append(&used, namespace);
        if (r == 0)
                r = request_check_fds(request, used, f);
        if (r != 0) {
                spec_mounts_free(mounts, n);
                return r;
        }
        if (namespace)
                r = operation_new_within(request->api->pods, &request->peer->caller, request->pod, namespace, &mount, &fds, &operation, f);
        else
                r = operation_new_mount(request->api->pods, &request->peer->caller, request->pod, &mount, &fds, &operation, f);
        return r != 0 ? r : add(request, operation);
}

int prepare_bind(struct request *request, struct failure *f) {
        struct spec_mount mount = {}, *mounts = NULL, *slot;
        size_t n = 0;
        int r;

        r = spec_mount_from_bind(request->arguments.source, request->arguments.target, request->arguments.options, &mount, f);
        if (r != 0)
                return r;
        slot = array_append(&mounts, &n);
        if (!slot) {
                spec_mount_done(&mount);
                return log_oom();
        }
        *slot = mount;
        return prepare_mounts(request, mounts, n, f);
}

int prepare_mount(struct request *request, struct failure *f) {
        const char *text = request->arguments.text;
        struct spec_mount *mounts;
        size_t n;
        int r;

        r = spec_parse_mounts(text, strlen(text), request->api->settings->spec_size_max, &mounts, &n, f);
        return r != 0 ? r : prepare_mounts(request, mounts, n, f);
}

int prepare_unmount(struct request *request, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        const struct unmount_arguments unmount = {
                .container = arguments->container,
                .target = *arguments->target ? arguments->target : NULL,
                .mount_id = arguments->mount_id,
                .namespace = arguments->namespace_id,
                .lazy = arguments->lazy,
                .missing_ok = arguments->missing_ok,
        };
        struct operation *operation;
        int r;

        if (!unmount.target && unmount.mount_id == 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "Neither a target nor the option \"mount-id\" says what to unmount");
        if (within_is_meant(request->pod, &unmount))
                r = operation_new_withdraw(request->api->pods, &request->peer->caller, request->pod, &unmount, &operation, f);
        else
                r = operation_new_unmount(request->api->pods, &request->peer->caller, request->pod, &unmount, &operation, f);
        return r != 0 ? r : add(request, operation);
}

int prepare_add_container(struct request *request, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        const struct operation_fds fds = request_fds(request);
        const struct container_arguments container = {
                .name = arguments->container, .spec = arguments->text, .spec_size = strlen(arguments->text)};
        struct operation *operation;
        int r = operation_new_add_container(request->api->pods, &request->peer->caller, request->pod, &container, &fds, &operation, f);

        return r != 0 ? r : add(request, operation);
}

int prepare_remove_container(struct request *request, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        const struct container_arguments container = {
                .name = arguments->container, .lazy = arguments->lazy, .missing_ok = arguments->missing_ok};
        struct operation *operation;
        int r = operation_new_remove_container(request->api->pods, &request->peer->caller, request->pod, &container, &operation, f);

        return r != 0 ? r : add(request, operation);
}

int prepare_set_namespaces(struct request *request, struct failure *f) {
        const struct operation_fds fds = request_fds(request);
        const struct spaces_arguments spaces = {.container = request->arguments.container};
        struct operation *operation;
        int r = operation_new_set_namespaces(request->api->pods, &request->peer->caller, request->pod, &spaces, &fds,
                                             &operation, f);

        return r != 0 ? r : add(request, operation);
}

/* By its number, which is another process's in another pid namespace. */
static int open_process(const struct request *request, int *ret, struct failure *f) {
        const struct arguments *arguments = &request->arguments;

        if (arguments->n_fds > 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "Name one process: its pidfd, or the option \"pid\".");
        if (!request->peer->caller.host_pid_namespace)
                return failure_set(f, FAILURE_INVALID_ARGS, "The option \"pid\" is for callers in the host's own pid namespace; send a pidfd.");
        *ret = arguments->pid > INT32_MAX ? -1 : (int) syscall(SYS_pidfd_open, (pid_t) arguments->pid, 0);
        return *ret >= 0 ? 0 : failure_set(f, FAILURE_INVALID_ARGS, "There is no process %" PRIu32 ".", arguments->pid);
}

int prepare_prepare_process(struct request *request, struct failure *f) {
        static char name[] = "process";
        char *const names[] = {name, NULL};
        const struct process_arguments process = {.container = request->arguments.container};
        struct operation_fds fds = request_fds(request);
        _cleanup_close_ int fd = -1;
        struct operation *operation;
        int r = 0;

        if (request->arguments.pid != 0) {
                r = open_process(request, &fd, f);
                fds = (struct operation_fds) {.names = names, .fds = &fd};
        }
        if (r == 0)
                r = operation_new_prepare_process(request->api->pods, &request->peer->caller, request->pod, &process, &fds, &operation, f);
        return r != 0 ? r : add(request, operation);
}

int encode_create(struct request *request, sd_bus_message *m) {
        const struct pod *pod = operation_pod(request->works[0]->operation);

        return pod ? sd_bus_message_append(m, "so", pod->record->uuid, pod->object_path) : -ENOENT;
}

int encode_plan(struct request *request, sd_bus_message *m) {
        return sd_bus_message_append(m, "s", operation_plan_text(request->works[0]->operation));
}

int encode_bind(struct request *request, sd_bus_message *m) {
        size_t n;
        const uint64_t *ids = operation_ids(request->works[0]->operation, &n);

        return n == 1 ? sd_bus_message_append(m, "t", ids[0]) : -EBADMSG;
}

int encode_mount(struct request *request, sd_bus_message *m) {
        size_t n;
        const uint64_t *ids = operation_ids(request->works[0]->operation, &n);

        return sd_bus_message_append_array(m, 't', ids, n * sizeof(*ids));
}
