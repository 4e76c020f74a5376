/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* path-info: what a path in a container, or of the host, lies on. */

#include <string.h>

#include "client/call.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "dbus/names.h"

static int show(struct client *client, struct json_object *facts) {
        static const struct render_column columns[] = {
                {"MountPoint", "Mount point", RENDER_TEXT, false},
                {"MountID", "Mount ID", RENDER_TEXT, false},
                {"Source", "Source", RENDER_TEXT, false},
                {"Type", "Type", RENDER_TEXT, false},
                {"Device", "Device", RENDER_TEXT, false},
                {"BackingDevice", "Backing device", RENDER_TEXT, false},
                {"DeviceMapper", "Device-mapper", RENDER_TEXT, false},
                {"SystemMount", "System mount", RENDER_TEXT, false},
                {"HostDevice", "Host device", RENDER_TEXT, false},
        };

        return render_wants_json(client) ? render_json(client, facts)
                                         : render_properties(columns, ELEMENTSOF(columns), facts);
}

int verb_path_info(struct client *client, const struct arguments *arguments) {
        bool host = arguments->n_words == 2;
        const char *where = host ? "" : arguments->words[1], *path = arguments->words[host ? 1 : 2], *colon = strchr(where, ':');
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ struct json_object *facts = NULL;
        _cleanup_free_ char *pod = NULL;
        int r;

        if (!host && (!*where || colon == where))
                return report_usage("The pod has no name; leave it out for a path of the host");
        pod = strndup(where, strcspn(where, ":"));
        if (!pod)
                return report_oom();
        r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "PathInfo", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "sss", pod, colon ? colon + 1 : "", path);
        r = call_send(client, m, r, &reply);
        if (r != 0)
                return r;
        r = bus_json_read_as_is(reply, &facts);
        return r < 0 ? call_bad_reply(r) : show(client, facts);
}
