/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* list and show: pods as they are. */

#include <string.h>

#include "client/fetch.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verb.h"

int verb_list(struct client *client, const struct arguments *arguments _unused_) {
        static const struct render_column columns[] = {
                {"UUID", "UUID", RENDER_TEXT, false},
                {"Name", "NAME", RENDER_TEXT, false},
                {"Owner", "OWNER", RENDER_USER, false},
                {"State", "STATE", RENDER_TEXT, false},
        };
        _cleanup_json_ struct json_object *pods = NULL;
        int r = fetch_pods(client, &pods);

        if (r != 0)
                return r;
        return render_wants_json(client) ? render_json(client, pods)
                                         : render_table(columns, ELEMENTSOF(columns), pods, "No pods.");
}

/* "changed main:/data: rw -> ro" for each mount that is not as recorded. */
static int collect_drift(struct json_object *mounts, struct json_object **ret) {
        _cleanup_json_ struct json_object *drift = json_object_new_array();

        for (size_t i = 0; drift && i < json_object_array_length(mounts); i++) {
                struct json_object *mount = json_object_array_get_idx(mounts, i), *line;
                const char *state = value_string(mount, "State", "ok"), *detail = value_string(mount, "Detail", "");
                char *text;

                if (strcmp(state, "ok") == 0 || strcmp(state, "deferred") == 0)
                        continue;
                if (asprintf(&text, "%s %s:%s%s%s", state, value_string(mount, "Container", ""),
                            value_string(mount, "Target", ""), *detail ? ": " : "", detail) < 0)
                        return -ENOMEM;
                line = json_object_new_string(text);
                free(text);
                if (!line || json_object_array_add(drift, line) < 0) {
                        (void) json_object_put(line);
                        return -ENOMEM;
                }
        }
        *ret = TAKE_PTR(drift);
        return *ret ? 0 : -ENOMEM;
}

static bool has_interfaces(struct json_object *pod) {
        struct json_object *interfaces = value_array(pod, "Interfaces");

        return interfaces && json_object_array_length(interfaces) > 0;
}

static int print_pod(struct json_object *pod) {
        static const struct render_column properties[] = {
                {"UUID", "UUID", RENDER_TEXT, false},
                {"Name", "Name", RENDER_TEXT, false},
                {"Owner", "Owner", RENDER_USER, false},
                {"State", "State", RENDER_TEXT, false},
                {"RootDirectory", "Root directory", RENDER_TEXT, false},
                {"MountNamespace", "Mount namespace", RENDER_TEXT, false},
                {"Containers", "Containers", RENDER_TEXT, false},
                {"MountCount", "Mounts", RENDER_TEXT, false},
                {"Cgroups", "Cgroups", RENDER_TEXT, false},
                {"CreatedTimestamp", "Created", RENDER_TIME, false},
        };
        static const struct render_column columns[] = {
                {"ID", "ID", RENDER_TEXT, true},          {"State", "STATE", RENDER_TEXT, false},
                {"Container", "CONTAINER", RENDER_TEXT, false}, {"Target", "TARGET", RENDER_TEXT, false},
                {"Type", "TYPE", RENDER_TEXT, false},     {"Source", "SOURCE", RENDER_TEXT, false},
                {"Options", "OPTIONS", RENDER_TEXT, false}, {"Propagation", "PROPAGATION", RENDER_TEXT, false},
        };
        static const struct render_column interfaces[] = {
                {"Name", "INTERFACE", RENDER_TEXT, false}, {"Container", "CONTAINER", RENDER_TEXT, false}, {"Kind", "KIND", RENDER_TEXT, false},
                {"Peer", "PEER", RENDER_TEXT, false},      {"State", "STATE", RENDER_TEXT, false},         {"Index", "INDEX", RENDER_TEXT, true},
        };
        _cleanup_json_ struct json_object *drift = NULL;
        struct json_object *mounts = value_array(pod, "Mounts");
        int r;

        r = render_properties(properties, ELEMENTSOF(properties), pod);
        if (r != 0)
                return r;
        if (collect_drift(mounts, &drift) < 0)
                return report_oom();
        render_list("Drift", drift);
        render_list("Warnings", value_array(pod, "Warnings"));
        if (has_interfaces(pod)) {
                putchar('\n');
                r = render_table(interfaces, ELEMENTSOF(interfaces), value_array(pod, "Interfaces"), "");
                if (r != 0)
                        return r;
        }
        putchar('\n');
        return render_table(columns, ELEMENTSOF(columns), mounts, "No mounts.");
}

int verb_show(struct client *client, const struct arguments *arguments) {
        _cleanup_json_ struct json_object *pod = NULL;
        int r = fetch_pod(client, arguments->words[1], &pod);

        if (r != 0)
                return r;
        return render_wants_json(client) ? render_json(client, pod) : print_pod(pod);
}
