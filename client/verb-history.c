/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* history: what was done to a pod and what happened to it. metrics: the daemon's counters. */

#include <stdio.h>

#include "client/call.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "dbus/names.h"

static int show(struct client *client, struct json_object *rows) {
        static const struct render_column columns[] = {
                {"Timestamp", "TIME", RENDER_TIME, false}, {"Event", "EVENT", RENDER_TEXT, false},   {"Outcome", "OUTCOME", RENDER_TEXT, false},
                {"UID", "USER", RENDER_USER, false},       {"Unit", "UNIT", RENDER_TEXT, false},     {"MountID", "MOUNT", RENDER_TEXT, true},
                {"Target", "TARGET", RENDER_TEXT, false},  {"Action", "ACTION", RENDER_TEXT, false}, {"Detail", "DETAIL", RENDER_TEXT, false},
        };

        return render_wants_json(client) ? render_json(client, rows) : render_table(columns, ELEMENTSOF(columns), rows, "No history.");
}

int verb_history(struct client *client, const struct arguments *arguments) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ struct json_object *rows = NULL;
        int r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "History", &m);

        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "s", arguments->words[1]);
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_close_options(m);
        r = call_send(client, m, r, &reply);
        if (r != 0)
                return r;
        r = bus_json_read_as_is(reply, &rows);
        return r < 0 ? call_bad_reply(r) : show(client, rows);
}

int verb_metrics(struct client *client, const struct arguments *arguments _unused_) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ struct json_object *result = NULL;
        const char *text;
        int r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Metrics", &m);

        if (r == 0)
                r = call_send(client, m, 0, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return call_bad_reply(r);
        if (!render_wants_json(client)) {
                (void) fputs(text, stdout); /* main() looks whether stdout took it */
                return 0;
        }
        result = json_object_new_object();
        if (!result || value_add(result, "Metrics", json_object_new_string(text)) < 0)
                return report_oom();
        return render_json(client, result);
}
