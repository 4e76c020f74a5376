/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* status and rescan: the daemon itself. */

#include "client/call.h"
#include "client/fetch.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"
#include "dbus/names.h"

/* What is used of the limits, and what hangs; a daemon that does not know of them has neither. */
static int show_lists(struct json_object *manager) {
        static const struct render_column quotas[] = {
                {"Limit", "LIMIT", RENDER_TEXT, false},
                {"Of", "OF", RENDER_TEXT, false},
                {"Name", "NAME", RENDER_TEXT, false},
                {"Used", "USED", RENDER_TEXT, true},
                {"Maximum", "MAXIMUM", RENDER_TEXT, true},
        }, hangs[] = {
                {"Pod", "POD", RENDER_TEXT, false},
                {"Operation", "OPERATION", RENDER_TEXT, false},
                {"Step", "STEP", RENDER_TEXT, false},
                {"Container", "CONTAINER", RENDER_TEXT, false},
                {"Target", "TARGET", RENDER_TEXT, false},
                {"Since", "SINCE", RENDER_TIME, false},
                {"Deadline", "DEADLINE", RENDER_TIME, false},
        };
        struct json_object *rows = value_array(manager, "Quotas");
        int r = 0;

        if (rows && json_object_array_length(rows) > 0) {
                puts("\nQuotas:");
                r = render_table(quotas, ELEMENTSOF(quotas), rows, NULL);
        }
        rows = value_array(manager, "Hangs");
        if (r == 0 && rows && json_object_array_length(rows) > 0) {
                puts("\nJobs that hang:");
                r = render_table(hangs, ELEMENTSOF(hangs), rows, NULL);
        }
        return r;
}

int verb_status(struct client *client, const struct arguments *arguments _unused_) {
        static const struct render_column columns[] = {
                {"Reached", "Reached", RENDER_TEXT, false},
                {"Version", "Version", RENDER_TEXT, false},
                {"Features", "Features", RENDER_TEXT, false},
                {"Tracking", "Tracking", RENDER_TEXT, false},
                {"PodCount", "Pods", RENDER_TEXT, false},
                {"MountCount", "Mounts", RENDER_TEXT, false},
                {"Generation", "Table generation", RENDER_TEXT, false},
                {"TableEvents", "Table events", RENDER_TEXT, false},
                {"TableDeltas", "Table deltas", RENDER_TEXT, false},
                {"TableFullReads", "Table full reads", RENDER_TEXT, false},
                {"TableOverflows", "Table overflows", RENDER_TEXT, false},
                {"TableLagLastUSec", "Table lag, last (us)", RENDER_TEXT, false},
                {"TableLagWorstUSec", "Table lag, worst (us)", RENDER_TEXT, false},
                {"TableEntries", "Table entries", RENDER_TEXT, false},
                {"TableBytes", "Table bytes", RENDER_TEXT, false},
        };
        _cleanup_json_ struct json_object *manager = NULL;
        int r = fetch_properties(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, &manager);

        if (r != 0)
                return r;
        if (value_add(manager, "Reached", json_object_new_string(client->reached)) < 0)
                return report_oom();
        if (render_wants_json(client))
                return render_json(client, manager);
        r = render_properties(columns, ELEMENTSOF(columns), manager);
        return r == 0 ? show_lists(manager) : r;
}

int verb_rescan(struct client *client, const struct arguments *arguments _unused_) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ struct json_object *result = NULL;
        uint64_t generation;
        int r;

        r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Rescan", &m);
        if (r == 0)
                r = call_send(client, m, 0, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "t", &generation);
        if (r < 0)
                return call_bad_reply(r);
        result = json_object_new_object();
        if (!result || value_add(result, "Generation", json_object_new_uint64(generation)) < 0)
                return report_oom();
        if (render_wants_json(client))
                return render_json(client, result);
        puts(json_object_get_string(json_object_object_get(result, "Generation")));
        return 0;
}
