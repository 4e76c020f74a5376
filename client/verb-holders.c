/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* holders: who keeps a mount of a pod, or any of them, alive. */

#include "client/call.h"
#include "client/render.h"
#include "client/value.h"
#include "client/verb.h"
#include "dbus/names.h"

static int show(struct client *client, struct json_object *holders) {
        static const struct render_column columns[] = {
                {"PID", "PID", RENDER_TEXT, true},
                {"UID", "USER", RENDER_USER, false},
                {"Command", "COMMAND", RENDER_TEXT, false},
                {"Unit", "UNIT", RENDER_TEXT, false},
                {"Kind", "KIND", RENDER_TEXT, false},
                {"Detail", "DETAIL", RENDER_TEXT, false},
        };

        return render_wants_json(client) ? render_json(client, holders) : render_table(columns, ELEMENTSOF(columns), holders, "No holders.");
}

int verb_holders(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ struct json_object *holders = NULL;
        int r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Holders", &m);

        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "ss", arguments->words[1], arguments->n_words > 2 ? arguments->words[2] : "");
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_string(m, "container", arguments->container);
        if (r >= 0)
                r = call_close_options(m);
        r = call_send(client, m, r, &reply);
        if (r != 0)
                return r;
        r = bus_json_read_as_is(reply, &holders);
        return r < 0 ? call_bad_reply(r) : show(client, holders);
}
