/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ResolveExecutable: one work, which changes nothing, and a path. */

#include "api/verb.h"
#include "util/log.h"

int prepare_find(struct request *request, struct failure *f) {
        const struct find_arguments find = {
                .container = request->arguments.container,
                .name = request->arguments.source,
                .path = request->arguments.text,
                .cwd = request->arguments.target,
        };
        struct operation *operation;
        int r = operation_new_find(request->api->pods, &request->peer->caller, request->pod, &find, &operation, f);

        if (r != 0)
                return r;
        return request_add_work(request, operation, NULL) ? 0 : log_oom();
}

int encode_find(struct request *request, sd_bus_message *m) {
        const char *found = operation_found(request->works[0]->operation);

        return found ? sd_bus_message_append(m, "s", found) : -EIO;
}
