/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists objects with all their properties, D-Bus Specification, "org.freedesktop.DBus.ObjectManager". */

#include "api/objects.h"

#include "api/property.h"
#include "dbus/names.h"

const char *const objects_pod_interfaces[] = {
        PODMOUNT_POD_INTERFACE, "org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Properties", NULL,
};

int objects_append_interfaces(const struct api *api, const struct caller *caller, const struct pod *pod, sd_bus_message *m) {
        const struct property_context context = {.api = api, .caller = caller, .pod = pod};
        int r = sd_bus_message_open_container(m, 'a', "{sa{sv}}");

        for (const char *const *interface = objects_pod_interfaces; r >= 0 && *interface; interface++) {
                r = sd_bus_message_open_container(m, 'e', "sa{sv}");
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", *interface);
                if (r >= 0)
                        r = property_append_all(&context, *interface, NULL, m);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* A pod is listed once it was announced: then its end is announced, too. */
int encode_managed_objects(struct request *request, sd_bus_message *m) {
        const struct caller *caller = &request->peer->caller;
        const struct pod *pod;
        int r = sd_bus_message_open_container(m, 'a', "{oa{sa{sv}}}");

        MAP_FOREACH(pod, request->api->pods->by_uuid) {
                if (r < 0)
                        break;
                if (!pod->announced || !pods_may_see(pod, caller))
                        continue;
                r = sd_bus_message_open_container(m, 'e', "oa{sa{sv}}");
                if (r >= 0)
                        r = sd_bus_message_append(m, "o", pod->object_path);
                if (r >= 0)
                        r = objects_append_interfaces(request->api, caller, pod, m);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}
