/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gc: collects pods, and says of each what came of it. */

#include <string.h>

#include "client/call.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "dbus/names.h"

static int send_gc(struct client *client, const struct arguments *arguments, sd_bus_message **ret_reply) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        int r;

        r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "GC", &m);
        if (r != 0)
                return r;
        r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 1; i < arguments->n_words && r >= 0; i++)
                r = sd_bus_message_append(m, "s", arguments->words[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = call_open_options(client, m);
        if (r >= 0)
                r = call_option_true(m, "lazy", arguments->given & ARGUMENT_LAZY);
        if (r >= 0)
                r = call_option_true(m, "dry-run", arguments->given & ARGUMENT_DRY_RUN);
        if (r >= 0)
                r = call_option_true(m, "wait", arguments->given & ARGUMENT_WAIT);
        if (r >= 0)
                r = call_close_options(m);
        return call_send(client, m, r, ret_reply);
}

/* One cell from a row's details: every text in them, "Key: text" each, whatever this daemon has to say. */
static int add_details(struct json_object *row) {
        _cleanup_free_ char *text = strdup("");
        struct json_object *details;

        if (!json_object_object_get_ex(row, "Details", &details))
                return -EBADMSG;
        if (!json_object_is_type(details, json_type_object))
                return -EBADMSG;
        json_object_object_foreach(details, key, value) {
                _cleanup_free_ char *before = TAKE_PTR(text);
                const char *said = json_object_is_type(value, json_type_string)
                                           ? json_object_get_string(value)
                                           : json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE);

                if (before && strcmp(key, "Holders") == 0) {
                        text = TAKE_PTR(before); /* the first ones are in the message; all of them: podmountctl holders */
                        continue;
                }
                if (!before || asprintf(&text, "%s%s%s: %s", before, *before ? "; " : "", key, said) < 0)
                        return -ENOMEM;
        }
        return value_add(row, "Details text", json_object_new_string(text ? text : ""));
}

static int print_outcomes(struct json_object *outcomes) {
        static const struct render_column columns[] = {
                {"UUID", "POD", RENDER_TEXT, false},
                {"Outcome", "OUTCOME", RENDER_TEXT, false},
                {"Details text", "DETAILS", RENDER_TEXT, false},
        };
        int r;

        for (size_t i = 0; i < json_object_array_length(outcomes); i++) {
                r = add_details(json_object_array_get_idx(outcomes, i));
                if (r < 0)
                        return call_bad_reply(r);
        }
        return render_table(columns, ELEMENTSOF(columns), outcomes, "Nothing to collect.");
}

int verb_gc(struct client *client, const struct arguments *arguments) {
        static const char *const names[] = {"UUID", "Outcome", "Details", NULL};
        static const char *const good[] = {"removed", "would-remove"};
        _cleanup_message_unref_ sd_bus_message *reply = NULL;
        _cleanup_json_ struct json_object *structures = NULL, *outcomes = NULL;
        bool all_good = true;
        int r;

        r = send_gc(client, arguments, &reply);
        if (r != 0)
                return r;
        r = bus_json_read_as_is(reply, &structures);
        if (r >= 0)
                r = value_name_fields(structures, names, &outcomes);
        if (r < 0)
                return call_bad_reply(r);
        for (size_t i = 0; i < json_object_array_length(outcomes); i++) {
                const char *outcome = value_string(json_object_array_get_idx(outcomes, i), "Outcome", "");

                if (strcmp(outcome, good[0]) != 0 && strcmp(outcome, good[1]) != 0)
                        all_good = false;
        }
        r = render_wants_json(client) ? render_json(client, outcomes) : print_outcomes(outcomes);
        return r != 0 ? r : all_good ? 0 : EXIT_FAILURE;
}
