/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replace: one OCI mount object, whose destination is the target and may be left out. */

#include <string.h>

#include "api/verb.h"
#include "pod/within.h"
#include "util/array.h"
#include "util/json.h"
#include "util/log.h"
#include "util/path.h"

/* The text with the destination in it; NULL where it has one already, or is no object: then the parser judges it. */
static int add_destination(const char *text, const char *target, char **ret, struct failure *f) {
        _cleanup_json_ struct json_object *object = NULL;
        struct json_object *destination;
        int r = json_parse(text, strlen(text), &object, f);

        *ret = NULL;
        if (r != 0 || !json_object_is_type(object, json_type_object) ||
            json_object_object_get_ex(object, "destination", &destination))
                return r;
        destination = json_object_new_string(target);
        if (!destination || json_object_object_add(object, "destination", destination) < 0) {
                (void) json_object_put(destination);
                return log_oom();
        }
        *ret = json_canonical(object);
        return *ret ? 0 : log_oom();
}

static int check_target(const struct request *request, const struct spec_mount *mounts, size_t n, struct failure *f) {
        _cleanup_free_ char *target = NULL;
        int r = path_normalize(request->arguments.target, &target);

        if (r == -ENOMEM)
                return log_oom();
        if (r < 0)
                return failure_set(f, FAILURE_INVALID_TARGET, "The target \"%.256s\" is no absolute path without \"..\".",
                                   request->arguments.target);
        if (n != 1 || strcmp(mounts[0].destination, target) == 0)
                return 0;
        return failure_set(f, FAILURE_INVALID_ARGS, "The mount's destination %.256s is not the target %.256s; leave it out.",
                           mounts[0].destination, target);
}

static int check_fds(const struct request *request, const struct spec_mount *mounts, size_t n, const char *namespace, struct failure *f) {
        _cleanup_strv_ char **used = NULL;
        int r = spec_mounts_fd_names(mounts, n, &used);

        if (r == 0 && namespace)
                r = strv_append(&used, namespace);
        return r < 0 ? r : request_check_fds(request, used, f);
}

int request_replacement(const struct request *request, struct spec_mount **ret, size_t *ret_n, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        _cleanup_free_ char *completed = NULL;
        const char *text;
        int r = add_destination(arguments->text, arguments->target, &completed, f);

        if (r != 0)
                return r;
        text = completed ?: arguments->text;
        return spec_parse_mounts(text, strlen(text), request->api->settings->spec_size_max, ret, ret_n, f);
}

int prepare_replace(struct request *request, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        const struct operation_fds fds = request_fds(request);
        struct replace_arguments replace = {.container = arguments->container, .mount_id = arguments->mount_id};
        const char *namespace = NULL;
        struct operation *operation;
        int r = request_replacement(request, &replace.mounts, &replace.n_mounts, f);

        if (r != 0)
                return r;
        r = check_target(request, replace.mounts, replace.n_mounts, f);
        if (r == 0)
                r = request_namespace(request, &namespace, f);
        if (r == 0)
                r = check_fds(request, replace.mounts, replace.n_mounts, namespace, f);
        if (r != 0) {
                spec_mounts_free(replace.mounts, replace.n_mounts);
                return r;
        }
        if (namespace)
                r = operation_new_exchange(request->api->pods, &request->peer->caller, request->pod, namespace, &replace, &fds, &operation, f);
        else
                r = operation_new_replace(request->api->pods, &request->peer->caller, request->pod, &replace, &fds, &operation, f);
        if (r != 0)
                return r;
        return request_add_work(request, operation, NULL) ? 0 : log_oom();
}
