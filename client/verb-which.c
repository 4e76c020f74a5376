/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* which: the path of a program in a container. */

#include <string.h>

#include "client/call.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "dbus/names.h"

int verb_which(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        const char *colon = strchr(arguments->words[1], ':'), *found;
        _cleanup_json_ struct json_object *result = NULL;
        _cleanup_free_ char *pod = NULL;
        int r;

        pod = strndup(arguments->words[1], colon ? (size_t) (colon - arguments->words[1]) : strlen(arguments->words[1]));
        if (!pod)
                return report_oom();
        r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "ResolveExecutable", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "sssss", pod, colon ? colon + 1 : "", arguments->words[2],
                arguments->path ? arguments->path : "", arguments->cwd ? arguments->cwd : "");
        r = call_send(client, m, r, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "s", &found);
        if (r < 0)
                return call_bad_reply(r);
        if (!render_wants_json(client)) {
                puts(found);
                return 0;
        }
        result = json_object_new_object();
        if (!result || value_add(result, "Path", json_object_new_string(found)) < 0)
                return report_oom();
        return render_json(client, result);
}
