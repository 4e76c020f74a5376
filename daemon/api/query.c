/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Methods that change no pod: look-ups, the table's re-reading, subscriptions, and calls that there are no methods for. */

#include <string.h>

#include "api/verb.h"
#include "dbus/names.h"
#include "util/log.h"

int encode_get_pod(struct request *request, sd_bus_message *m) {
        return sd_bus_message_append(m, "o", request->pod->object_path);
}

int encode_list_pods(struct request *request, sd_bus_message *m) {
        const struct pod *pod;
        int r = sd_bus_message_open_container(m, 'a', "(ssuso)");

        MAP_FOREACH(pod, request->api->pods->by_uuid) {
                if (r < 0)
                        break;
                if (!pods_may_see(pod, &request->peer->caller))
                        continue;
                r = sd_bus_message_append(m, "(ssuso)", pod->record->uuid, pod->record->name ? pod->record->name : "",
                                          (uint32_t) pod->record->owner, pod_state_name(pod_get_state(pod)), pod->object_path);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int query_rescan(struct request *request, struct failure *f _unused_) {
        int r = request->api->rescan(request->api->userdata);

        request->number = table_generation(request->api->pods->table);
        return r;
}

int encode_rescan(struct request *request, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", request->number);
}

int query_subscribe(struct request *request, struct failure *f) {
        if (request->peer->caller.transport == CALLER_BUS && !request->peer->watch_slot)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                                   "The bus does not tell podmountd when another connection ends: use the private socket, or try later");
        request->peer->subscribed = true;
        return 0;
}

int query_unsubscribe(struct request *request, struct failure *f _unused_) {
        request->peer->subscribed = false;
        return 0;
}

int query_unknown(struct request *request, struct failure *f) {
        request->dbus_error = request->dbus_error ? request->dbus_error : SD_BUS_ERROR_UNKNOWN_METHOD;
        return failure_set(f, FAILURE_INVALID_ARGS, "%s has no such method, or none with these arguments; busctl introspect shows all",
                           request->path);
}
