/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Export and Restore: a pod as a document, and CreatePod with such a document, which brings its own id, name and lease. */

#include <string.h>

#include "api/verb.h"
#include "pod/export.h"
#include "util/log.h"

int query_export(struct request *request, struct failure *f) {
        if (request->pod->record->state != RECORD_READY)
                return failure_set(f, FAILURE_BUSY, "Pod %s is %s: it can be exported when it is ready",
                                   request->pod->record->uuid, pod_state_name(pod_get_state(request->pod)));
        return export_pod(request->pod->record, request->api->settings->spec_size_max, &request->text, f);
}

int encode_export(struct request *request, sd_bus_message *m) {
        return sd_bus_message_append(m, "s", request->text);
}

bool request_restores(const struct request *request) {
        return request->method->prepare == prepare_restore;
}

int request_parse_spec(const struct request *request, struct spec **ret, struct failure *f) {
        const struct settings *settings = request->api->settings;
        const char *text = request->arguments.text;

        return (request_restores(request) ? spec_parse_restored : spec_parse)(text, strlen(text), settings->spec_size_max,
                                                                              settings->mounts_per_pod, ret, f);
}

static bool contains(char *const *names, const char *name) {
        for (; names && *names; names++)
                if (strcmp(*names, name) == 0)
                        return true;
        return false;
}

/* All that are missing at once, so that they can be opened at once. */
static int check_fds(const struct request *request, const struct spec *spec, struct failure *f) {
        _cleanup_strv_ char **needed = NULL, **missing = NULL;
        _cleanup_free_ char *list = NULL;
        int r = spec_fd_names(spec, &needed);

        if (r == 0)
                r = request_add_lease_fd(request->arguments.lease ? request->arguments.lease : spec->lease, &needed);
        for (char **name = needed; r == 0 && name && *name; name++)
                if (!contains(request->arguments.fd_names, *name))
                        r = strv_append(&missing, *name);
        if (r < 0)
                return r;
        for (char **name = request->arguments.fd_names; name && *name; name++)
                if (!contains(needed, *name))
                        return failure_set(f, FAILURE_INVALID_ARGS, "The fd \"%s\" is named by no source of the export", *name);
        if (strv_length(missing) == 0)
                return 0;
        list = strv_join(missing, ", ");
        if (!list)
                return log_oom();
        return failure_set(f, FAILURE_INVALID_ARGS, "The export needs fds that were not sent: %s; open what they were and send "
                                                    "them by these names", list);
}

int prepare_restore(struct request *request, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        _cleanup_(spec_freep) struct spec *spec = NULL;
        static char *const none[] = {NULL};
        const struct operation_fds fds = {.names = arguments->fd_names ? arguments->fd_names : none, .fds = arguments->fds};
        struct create_arguments create = {.spec = arguments->text, .spec_size = strlen(arguments->text), .restored = true};
        struct operation *operation;
        int r = request_parse_spec(request, &spec, f);

        if (r == 0)
                r = check_fds(request, spec, f);
        if (r != 0)
                return r;
        create.uuid = arguments->uuid ? arguments->uuid : spec->id;
        create.name = arguments->name;
        create.visibility = arguments->visibility;
        create.lease = arguments->lease ? arguments->lease : spec->lease;
        create.connection = request_connection(request);
        r = operation_new_create(request->api->pods, &request->peer->caller, &create, &fds, &operation, f);
        if (r != 0)
                return r;
        return request_add_work(request, operation, NULL) ? 0 : log_oom();
}
