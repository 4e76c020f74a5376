/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenTree: one work, which changes nothing, and an fd. */

#include "api/verb.h"
#include "util/log.h"

int prepare_open_tree(struct request *request, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        struct operation *operation;
        int r = operation_new_open_tree(request->api->pods, &request->peer->caller, request->pod, arguments->container,
                                        arguments->target, &operation, f);

        if (r != 0)
                return r;
        return request_add_work(request, operation, NULL) ? 0 : log_oom();
}

int encode_open_tree(struct request *request, sd_bus_message *m) {
        return sd_bus_message_append(m, "h", operation_tree(request->works[0]->operation));
}
