/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers that are several: the pods one by one, and what signals say to those who monitor. */

#include <errno.h>
#include <string.h>

#include "api/varlink-connection.h"
#include "dbus/names.h"
#include "util/array.h"
#include "util/event.h"
#include "util/log.h"

enum { UNREAD_MAX = 16 * 1024 * 1024 /* bytes of changes that somebody who monitors may leave unread */ };

/* How a signal is told: its arguments, in their order, by the names of the interface; "" for one that is not told. */
static const struct stream_row {
        const char *signal, *event;
        const char *arguments[5];
        const char *fields; /* of the structures in an argument */
} rows[] = {
        {"InterfacesAdded", "PodNew", {"", "pod"}, NULL},
        {"PodRemoved", "PodRemoved", {"uuid", "", "reason"}, NULL},
        {"PropertiesChanged", "PodChanged", {"", "changed", ""}, NULL},
        {"MountsAdded", "MountsAdded", {"mounts"}, "id container target"},
        {"MountsRemoved", "MountsRemoved", {"mounts"}, "id container target"},
        {"DriftDetected", "DriftDetected", {"uuid", "container", "target", "kind"}, NULL},
};

static int add(struct json_object *object, const char *key, struct json_object *member) {
        if (object && member && json_object_object_add(object, key, member) == 0)
                return 0;
        (void) json_object_put(member);
        return -ENOMEM;
}

/* The properties in {"org.podmount1.Pod": {…}}: a new reference. */
static struct json_object *pod_of(struct json_object *interfaces) {
        return json_object_get(json_object_object_get(interfaces, PODMOUNT_POD_INTERFACE));
}

static struct json_object *new_event(const char *event) {
        struct json_object *object = json_object_new_object();

        if (object && add(object, "event", json_object_new_string(event)) < 0) {
                (void) json_object_put(object);
                return NULL;
        }
        return object;
}

int varlink_stream_list(struct varlink_connection *connection, struct json_object *objects) {
        int n = json_object_object_length(objects), r = 0;

        if (n == 0)
                return varlink_answer(connection, json_object_new_object(), NULL, false);
        json_object_object_foreach(objects, path, interfaces) {
                struct json_object *parameters = json_object_new_object();

                (void) path; /* defined by the macro */
                if (add(parameters, "pod", pod_of(interfaces)) < 0) {
                        (void) json_object_put(parameters);
                        parameters = NULL;
                }
                r = varlink_answer(connection, parameters, NULL, --n > 0);
                if (r < 0)
                        return r;
        }
        return r;
}

int varlink_stream_begin(struct varlink_connection *connection, struct json_object *objects) {
        int r = 0;

        connection->monitoring = true;
        json_object_object_foreach(objects, path, interfaces) {
                struct json_object *event = new_event("State"), *pod = pod_of(interfaces);

                (void) path; /* defined by the macro */
                if (add(event, "uuid", json_object_get(json_object_object_get(pod, "UUID"))) < 0 || add(event, "pod", TAKE_PTR(pod)) < 0) {
                        (void) json_object_put(pod);
                        (void) json_object_put(event);
                        event = NULL;
                }
                r = varlink_answer(connection, event, NULL, true);
                if (r < 0)
                        return r;
        }
        return varlink_answer(connection, new_event("Ready"), NULL, true);
}

/* The UUID that a pod's path ends in; NULL for another path. */
static struct json_object *uuid_of_path(const char *path) {
        static const char prefix[] = PODMOUNT_POD_PATH "/";
        _cleanup_free_ char *uuid = NULL;

        if (strncmp(path, prefix, strlen(prefix)) != 0)
                return NULL;
        uuid = strdup(path + strlen(prefix));
        for (char *p = uuid; p && *p; p++)
                if (*p == '_')
                        *p = '-';
        return uuid ? json_object_new_string(uuid) : NULL;
}

/* Adds the signal's arguments. A pod comes with its interfaces around it, and says its UUID itself. */
static int add_arguments(sd_bus_message *m, const struct stream_row *row, struct json_object *event) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(row->arguments) && row->arguments[i]; i++) {
                struct json_object *value = NULL, *pod;

                r = bus_json_read(m, row->fields, NULL, &value);
                if (r < 0)
                        return r;
                if (!*row->arguments[i]) {
                        (void) json_object_put(value);
                        continue;
                }
                if (strcmp(row->arguments[i], "pod") == 0) {
                        pod = pod_of(value);
                        (void) json_object_put(value);
                        value = pod;
                        r = add(event, "uuid", json_object_get(json_object_object_get(pod, "UUID")));
                }
                if (r >= 0)
                        r = add(event, row->arguments[i], value);
                else
                        (void) json_object_put(value);
        }
        return r;
}

static int make_event(sd_bus_message *m, const struct stream_row *row, struct json_object **ret) {
        _cleanup_json_ struct json_object *event = new_event(row->event);
        struct json_object *uuid = uuid_of_path(sd_bus_message_get_path(m));
        int r = event ? 0 : -ENOMEM;

        if (uuid)
                r = add(event, "uuid", uuid);
        if (r >= 0)
                r = sd_bus_message_seal(m, 1, 0);
        if (r >= 0)
                r = sd_bus_message_rewind(m, true);
        if (r >= 0)
                r = add_arguments(m, row, event);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(event);
        return 0;
}

static void tell(struct varlink_connection *connection, sd_bus_message *m, const struct stream_row *row) {
        struct json_object *event;
        int r = make_event(m, row, &event);

        if (r >= 0)
                r = varlink_answer(connection, event, NULL, true);
        if (r < 0) {
                (void) log_errno(LOG_ERR, r, "cannot tell %s over varlink: the connection is cut off", row->signal);
                varlink_wire_cut(connection->wire); /* who misses a change has to read the state again */
        } else if (varlink_wire_unwritten(connection->wire) > UNREAD_MAX) {
                event_log(EVENT_CONNECTION_CUT, EVENT_OF_USER(connection->peer->caller.uid),
                          "A varlink connection of user %u does not read: it is cut off", (unsigned) connection->peer->caller.uid);
                varlink_wire_cut(connection->wire);
        }
}

/* LayerProgress "sstt": to an ImportImage that takes several answers, by the token that it gave. */
static void tell_progress(struct varlink_connection *connection, sd_bus_message *m) {
        const struct varlink_call *call = connection->call;
        struct json_object *options = call ? json_object_object_get(call->parameters, "options") : NULL, *progress, *parameters;
        const char *token, *layer, *own = json_object_get_string(json_object_object_get(options, "progress"));
        uint64_t done, total;

        if (!call || !call->more || sd_bus_message_seal(m, 1, 0) < 0 || sd_bus_message_rewind(m, true) < 0 ||
            sd_bus_message_read(m, "sstt", &token, &layer, &done, &total) < 0 || !own || strcmp(own, token) != 0 ||
            varlink_wire_unwritten(connection->wire) > 0) /* the next one says more */
                return;
        parameters = json_object_new_object();
        progress = json_object_new_object();
        if (add(progress, "layer", json_object_new_string(layer)) < 0 || add(progress, "done", json_object_new_uint64(done)) < 0 ||
            add(progress, "total", json_object_new_uint64(total)) < 0) {
                (void) json_object_put(progress);
                progress = NULL;
        }
        if (add(parameters, "progress", progress) < 0) {
                (void) json_object_put(parameters);
                return;
        }
        (void) varlink_answer(connection, parameters, NULL, true); /* small: never too large */
}

void varlink_stream_deliver(struct peer *peer, sd_bus_message *m) {
        struct varlink_connection *connection = peer->adapter;
        const char *member = sd_bus_message_get_member(m), *path = sd_bus_message_get_path(m);

        if (!connection)
                return;
        if (strcmp(member, "LayerProgress") == 0)
                tell_progress(connection, m);
        if (!connection->monitoring || (strcmp(member, "PropertiesChanged") == 0 && strcmp(path, PODMOUNT_OBJECT_PATH) == 0))
                return; /* the counts are the reader's to take */
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (strcmp(rows[i].signal, member) == 0)
                        tell(connection, m, &rows[i]);
}
