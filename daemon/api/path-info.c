/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PathInfo: one work, which changes nothing, and a dictionary. */

#include <stdio.h>
#include <sys/sysmacros.h>

#include "api/verb.h"
#include "api/wire.h"
#include "util/log.h"

int prepare_path_info(struct request *request, struct failure *f) {
        const struct arguments *arguments = &request->arguments;
        struct operation *operation;
        int r = operation_new_examine(request->api->pods, &request->peer->caller, request->pod, arguments->container,
                                      arguments->target, &operation, f);

        if (r != 0)
                return r;
        return request_add_work(request, operation, NULL) ? 0 : log_oom();
}

int encode_path_info(struct request *request, sd_bus_message *m) {
        const struct examined *examined = operation_examined(request->works[0]->operation);
        char device[sizeof("4294967295:4294967295")];
        int r;

        if (!examined)
                return -EIO;
        (void) snprintf(device, sizeof(device), "%u:%u", major(examined->device), minor(examined->device)); /* always fits */
        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = wire_append_entry(m, "Device", device);
        if (r >= 0)
                r = wire_append_entry(m, "MountPoint", examined->texts[EXAMINE_POINT]);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "MountID", "t", examined->mount_id);
        if (r >= 0)
                r = wire_append_entry(m, "Source", examined->texts[EXAMINE_SOURCE]);
        if (r >= 0)
                r = wire_append_entry(m, "Type", examined->texts[EXAMINE_TYPE]);
        if (r >= 0)
                r = wire_append_entry(m, "BackingDevice", examined->texts[EXAMINE_NODE]);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}", "SystemMount", "b", examined->system_mount, "HostDevice", "b",
                                          examined->host_device);
        if (r >= 0)
                r = wire_append_entry(m, "DeviceMapper", examined->texts[EXAMINE_MAPPER]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
