/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leases as requests name them, and Renew. */

#include <string.h>

#include "api/verb.h"
#include "pod/lease.h"
#include "util/clock.h"

uint64_t request_connection(const struct request *request) {
        const struct peer *peer = request->peer;

        return peer->caller.transport == CALLER_BUS && !peer->watch_slot ? 0 : peer->number;
}

int request_add_lease_fd(const char *lease, char ***used) {
        return lease && strcmp(lease, "pid") == 0 ? strv_append(used, LEASE_FD) : 0;
}

int query_renew(struct request *request, struct failure *f) {
        uint64_t until = 0;
        int r = lease_renew(request->api->pods, request->pod, request_connection(request), request->peer->caller.pid, &until, f);

        request->number = until == 0 ? 0 : clock_us(CLOCK_REALTIME) + until - clock_us(CLOCK_BOOTTIME);
        return r;
}

int encode_renew(struct request *request, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", request->number);
}
