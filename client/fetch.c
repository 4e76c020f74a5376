/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The reading verbs' calls: list, properties, mounts. */

#include <string.h>

#include "client/call.h"
#include "client/fetch.h"
#include "client/report.h"
#include "client/value.h"
#include "dbus/names.h"

enum { FETCH_PAGE = 10000 }; /* mounts a call: what the contract allows */

int fetch_pods(struct client *client, struct json_object **ret) {
        static const char *const names[] = {"UUID", "Name", "Owner", "State", "Object", NULL};
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ struct json_object *structures = NULL;
        int r;

        r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "ListPods", &m);
        if (r != 0)
                return r;
        r = call_open_options(client, m);
        if (r >= 0)
                r = call_close_options(m);
        r = call_send(client, m, r, &reply);
        if (r != 0)
                return r;
        r = bus_json_read_as_is(reply, &structures);
        if (r >= 0)
                r = value_name_fields(structures, names, ret);
        return r < 0 ? call_bad_reply(r) : 0;
}

int fetch_pod_path(struct client *client, const char *id, char **ret) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        const char *path;
        int r;

        r = call_new(client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "GetPod", &m);
        if (r != 0)
                return r;
        r = call_send(client, m, sd_bus_message_append(m, "s", id), &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return call_bad_reply(r);
        *ret = strdup(path);
        return *ret ? 0 : report_oom();
}

int fetch_properties(struct client *client, const char *path, const char *interface, struct json_object **ret) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = call_new(client, path, "org.freedesktop.DBus.Properties", "GetAll", &m);
        if (r != 0)
                return r;
        r = call_send(client, m, sd_bus_message_append(m, "s", interface), &reply);
        if (r != 0)
                return r;
        r = bus_json_read_as_is(reply, ret);
        return r < 0 ? call_bad_reply(r) : 0;
}

static int fetch_page(struct client *client, const char *path, uint64_t after, struct json_object **ret) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = call_new(client, path, PODMOUNT_POD_INTERFACE, "ListMounts", &m);
        if (r != 0)
                return r;
        r = call_open_options(client, m);
        if (r >= 0 && after > 0)
                r = call_option_u64(m, "after", after);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "limit", "u", (uint32_t) FETCH_PAGE);
        if (r >= 0)
                r = call_close_options(m);
        r = call_send(client, m, r, &reply);
        if (r != 0)
                return r;
        r = bus_json_read_as_is(reply, ret);
        return r < 0 ? call_bad_reply(r) : 0;
}

int fetch_mounts(struct client *client, const char *path, struct json_object **ret) {
        _cleanup_json_ struct json_object *mounts = json_object_new_array();
        uint64_t after = 0, last;
        size_t n;
        int r;

        if (!mounts)
                return report_oom();
        do {
                _cleanup_json_ struct json_object *page = NULL;

                r = fetch_page(client, path, after, &page);
                if (r != 0)
                        return r;
                n = json_object_array_length(page);
                last = after;
                for (size_t i = 0; i < n; i++) {
                        struct json_object *mount = json_object_array_get_idx(page, i);

                        if (json_object_array_add(mounts, json_object_get(mount)) < 0)
                                return report_oom();
                        last = value_u64(mount, "ID");
                }
                if (last == after) /* a deferred mount has no id to go on from: no page starts after it */
                        break;
                after = last;
        } while (n == FETCH_PAGE);
        *ret = TAKE_PTR(mounts);
        return 0;
}

int fetch_pod(struct client *client, const char *id, struct json_object **ret) {
        _cleanup_json_ struct json_object *pod = NULL;
        _cleanup_free_ char *path = NULL;
        struct json_object *mounts;
        int r;

        r = fetch_pod_path(client, id, &path);
        if (r == 0)
                r = fetch_properties(client, path, PODMOUNT_POD_INTERFACE, &pod);
        if (r == 0)
                r = fetch_mounts(client, path, &mounts);
        if (r != 0)
                return r;
        if (value_add(pod, "Mounts", mounts) < 0 || value_add(pod, "Object", json_object_new_string(path)) < 0)
                return report_oom();
        *ret = TAKE_PTR(pod);
        return 0;
}
