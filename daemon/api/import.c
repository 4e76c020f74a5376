/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ImportImage, and the signals that tell who called it how far it is. */

#include "api/signals.h"
#include "api/verb.h"
#include "api/wire.h"
#include "pod/operation-layer.h"
#include "util/log.h"

enum { TOKEN_MAX = 128 };

static void on_progress(const char *id, uint64_t done, uint64_t total, void *userdata) {
        const struct request *request = userdata;

        signals_tell_layer_progress(request->peer, request->arguments.progress, id, done, total);
}

int prepare_import_image(struct request *request, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        const struct operation_fds fds = request_fds(request);
        struct operation *operation = NULL;
        int r;

        if (arguments->progress && strlen(arguments->progress) > TOKEN_MAX)
                return failure_set(f, FAILURE_INVALID_OPTION, "The option progress has at most %d bytes", TOKEN_MAX);
        r = operation_new_layer_import(request->api->pods, &request->peer->caller, arguments->reference, arguments->platform ?: "", &fds, &operation, f);
        if (r != 0)
                return r;
        if (!request_add_work(request, operation, NULL))
                return log_oom();
        if (arguments->progress)
                operation_layer_import_follow(operation, on_progress, request);
        return 0;
}

int encode_import_image(struct request *request, sd_bus_message *m) {
        const char *id = operation_layer_imported(request->works[0]->operation);

        return id ? sd_bus_message_append(m, "s", id) : -EIO;
}
