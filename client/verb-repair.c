/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* repair: makes a pod's missing mounts again, and says of each mount that is not as recorded what came of it. */

#include <string.h>

#include "client/call.h"
#include "client/render.h"
#include "client/value.h"
#include "client/verb.h"
#include "dbus/names.h"

static int send_repair(struct client *client, const struct arguments *arguments, sd_bus_message **ret_reply) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        int r;

        r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Repair", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_append(m, "s", arguments->words[1]);
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_string(m, "container", arguments->container);
        if (r >= 0)
                r = call_option_true(m, "dry-run", arguments->given & ARGUMENT_DRY_RUN);
        if (r >= 0)
                r = call_close_options(m);
        return call_send(client, m, r, ret_reply);
}

/* The details as members of the row itself: a row is about one mount and nothing else. */
static int lift_details(struct json_object *row) {
        struct json_object *details;

        if (!json_object_object_get_ex(row, "Details", &details) || !json_object_is_type(details, json_type_object))
                return -EBADMSG;
        (void) json_object_get(details); /* outlives its place in the row */
        json_object_object_del(row, "Details");
        json_object_object_foreach(details, key, value) {
                if (value_add(row, key, json_object_get(value)) < 0) {
                        (void) json_object_put(details);
                        return -ENOMEM;
                }
        }
        (void) json_object_put(details);
        return 0;
}

int verb_repair(struct client *client, const struct arguments *arguments) {
        static const char *const names[] = {"Container", "Target", "Outcome", "Details", NULL};
        static const struct render_column columns[] = {
                {"Outcome", "OUTCOME", RENDER_TEXT, false},     {"State", "STATE", RENDER_TEXT, false},
                {"Container", "CONTAINER", RENDER_TEXT, false}, {"Target", "TARGET", RENDER_TEXT, false},
                {"Message", "MESSAGE", RENDER_TEXT, false},
        };
        _cleanup_message_unref_ sd_bus_message *reply = NULL;
        _cleanup_json_ struct json_object *structures = NULL, *rows = NULL;
        bool whole = true;
        int r;

        r = send_repair(client, arguments, &reply);
        if (r != 0)
                return r;
        r = bus_json_read_as_is(reply, &structures);
        if (r >= 0)
                r = value_name_fields(structures, names, &rows);
        for (size_t i = 0; r >= 0 && i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const char *outcome = value_string(row, "Outcome", "");

                whole &= strcmp(outcome, "left") != 0 && strcmp(outcome, "failed") != 0;
                r = lift_details(row);
        }
        if (r < 0)
                return call_bad_reply(r);
        r = render_wants_json(client) ? render_json(client, rows)
                                      : render_table(columns, ELEMENTSOF(columns), rows,
                                                "Nothing to repair: the pod is as recorded.");
        return r != 0 ? r : whole ? 0 : EXIT_FAILURE;
}
