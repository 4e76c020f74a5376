/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * watch: subscribes and prints what the daemon announces, one line or one JSON record a change, until it is
 * interrupted. On a bus it outlives a restart of the daemon: when the name has an owner again, it subscribes anew.
 * Signals reach us by unicast, so only those from the name's owner are believed.
 */

#include <string.h>

#include "client/call.h"
#include "client/render.h"
#include "client/report.h"
#include "client/value.h"
#include "client/varlink.h"
#include "client/verb.h"
#include "dbus/names.h"
#include "util/clock.h"

struct watch {
        struct client *client;
        char *owner; /* owned: the unique name of the daemon; NULL without a broker, or while there is none */
        int status;  /* EXIT_FAILURE ends the watch */
};

/* The arguments of a signal under the names that org.podmount1(5) gives them. */
static const struct signal_row {
        const char *member;
        const char *fields[5];
        const char *mount_fields[4]; /* of the structures in a first argument a(…) */
} signals[] = {
        {"PodNew", {"UUID", "Object"}, {NULL}},
        {"PodRemoved", {"UUID", "Object", "Reason"}, {NULL}},
        {"DriftDetected", {"UUID", "Container", "Target", "Kind"}, {NULL}},
        {"MountsAdded", {"Mounts"}, {"ID", "Container", "Target"}},
        {"MountsRemoved", {"Mounts"}, {"ID", "Container", "Target"}},
        {"PropertiesChanged", {"Interface", "Changed", "Invalidated"}, {NULL}},
        {"InterfacesAdded", {"Object", "Interfaces"}, {NULL}},
        {"InterfacesRemoved", {"Object", "Interfaces"}, {NULL}},
};

static int new_record(const char *member, struct json_object **ret) {
        struct json_object *record = json_object_new_object();

        if (!record ||
                value_add(record, "Timestamp",
                        json_object_new_int64((int64_t) clock_us(CLOCK_REALTIME))) < 0 ||
                value_add(record, "Signal", json_object_new_string(member)) < 0) {
                (void) json_object_put(record);
                return -ENOMEM;
        }
        *ret = record;
        return 0;
}

static int read_signal(sd_bus_message *m, const struct signal_row *row, struct json_object *record) {
        _cleanup_free_ char *uuid = value_uuid_from_path(sd_bus_message_get_path(m));
        int r;

        if (uuid && value_add(record, "UUID", json_object_new_string(uuid)) < 0)
                return -ENOMEM;
        for (size_t i = 0; row->fields[i]; i++) {
                struct json_object *value;

                r = bus_json_read_as_is(m, &value);
                if (r < 0)
                        return r;
                if (row->mount_fields[0]) {
                        struct json_object *named;

                        r = value_name_fields(value, row->mount_fields, &named);
                        (void) json_object_put(value);
                        if (r < 0)
                                return r;
                        value = named;
                }
                if (value_add(record, row->fields[i], value) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* "12:30:01 MountsAdded 6f1c… main:/data main:/etc/hosts" */
static int print_line(struct json_object *record) {
        struct json_object *mounts = value_array(record, "Mounts");
        time_t seconds = (time_t) (value_u64(record, "Timestamp") / 1000000);
        struct tm local;
        char clock[16] = "";

        if (localtime_r(&seconds, &local))
                (void) strftime(clock, sizeof(clock), "%T", &local); /* "HH:MM:SS" always fits */
        printf("%s", clock);
        json_object_object_foreach(record, key, value) {
                _cleanup_free_ char *text = NULL;

                if (strcmp(key, "Timestamp") == 0 || strcmp(key, "Object") == 0 || value == mounts)
                        continue;
                text = report_escape(json_object_is_type(value, json_type_string)
                                             ? json_object_get_string(value)
                                             : json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE));
                printf(" %s", text ? text : "?");
        }
        for (size_t i = 0; mounts && i < json_object_array_length(mounts); i++) {
                struct json_object *mount = json_object_array_get_idx(mounts, i);
                _cleanup_free_ char *target = report_escape(value_string(mount, "Target", ""));

                printf(" %s:%s", value_string(mount, "Container", ""), target ? target : "?");
        }
        putchar('\n');
        return fflush(stdout) != 0 ? report_errno(errno, "Cannot write to stdout") : 0;
}

static int print_record(struct watch *watch, struct json_object *record) {
        return render_wants_json(watch->client) ? render_json_record(record) : print_line(record);
}

/* Something about the watch itself. */
static int print_notice(struct watch *watch, const char *member) {
        _cleanup_json_ struct json_object *record = NULL;

        return new_record(member, &record) < 0 ? report_oom() : print_record(watch, record);
}

static bool is_from_daemon(const struct watch *watch, sd_bus_message *m) {
        const char *sender = sd_bus_message_get_sender(m);

        return !watch->client->bus_client || (watch->owner && sender && strcmp(sender, watch->owner) == 0);
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct watch *watch = userdata;
        const char *member = sd_bus_message_get_member(m);
        _cleanup_json_ struct json_object *record = NULL;
        int r;

        if (!is_from_daemon(watch, m))
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                if (strcmp(signals[i].member, member) != 0)
                        continue;
                r = new_record(member, &record);
                if (r >= 0)
                        r = read_signal(m, &signals[i], record);
                watch->status = r < 0 ? call_bad_reply(r) : print_record(watch, record);
        }
        return 0;
}

static int subscribe(struct watch *watch) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = call_new(watch->client, PODMOUNT_OBJECT_PATH, PODMOUNT_MANAGER_INTERFACE, "Subscribe", &m);
        if (r == 0)
                r = call_send(watch->client, m, 0, &reply);
        if (r != 0)
                return r;
        if (watch->client->bus_client) {
                free(watch->owner);
                watch->owner = strdup(sd_bus_message_get_sender(reply));
                if (!watch->owner)
                        return report_oom();
        }
        return print_notice(watch, "Subscribed");
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        struct watch *watch = userdata;
        const char *name, *old_owner, *new_owner;

        if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) < 0 || strcmp(name, PODMOUNT_BUS_NAME) != 0)
                return 0;
        if (watch->owner && strcmp(new_owner, watch->owner) == 0)
                return 0;
        free(watch->owner);
        watch->owner = NULL;
        watch->status = *new_owner ? subscribe(watch) : print_notice(watch, "DaemonGone");
        return 0;
}

static int add_matches(struct watch *watch) {
        sd_bus *bus = watch->client->bus;
        int r;

        r = sd_bus_add_match(bus, NULL, "type='signal',path_namespace='" PODMOUNT_OBJECT_PATH "'", on_signal, watch);
        if (r >= 0 && watch->client->bus_client)
                r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                        "org.freedesktop.DBus", "NameOwnerChanged", on_owner_changed, watch);
        return r < 0 ? report_errno(r, "Cannot listen to signals") : 0;
}

/* The members of an answer to Monitor under the names that signals have here. */
static const char *const event_members[][2] = {
        {"uuid", "UUID"}, {"reason", "Reason"}, {"container", "Container"}, {"target", "Target"}, {"kind", "Kind"}, {"changed", "Changed"},
};

/* [{id, container, target}] as signals have it. */
static int rename_mounts(struct json_object *mounts, struct json_object *record) {
        static const char *const members[][2] = {{"id", "ID"}, {"container", "Container"}, {"target", "Target"}};
        struct json_object *renamed = json_object_new_array();

        for (size_t i = 0; renamed && i < json_object_array_length(mounts); i++) {
                struct json_object *mount = json_object_new_object();

                if (!mount || json_object_array_add(renamed, mount) < 0) {
                        (void) json_object_put(mount);
                        (void) json_object_put(renamed);
                        return -ENOMEM;
                }
                for (size_t j = 0; j < ELEMENTSOF(members); j++)
                        if (value_add(mount, members[j][1], json_object_get(json_object_object_get(
                                    json_object_array_get_idx(mounts, i), members[j][0]))) < 0) {
                                (void) json_object_put(renamed);
                                return -ENOMEM;
                        }
        }
        return value_add(record, "Mounts", renamed);
}

/* One answer to Monitor, as the signal that it was. The state before is what list shows. */
static int print_event(struct watch *watch, struct json_object *event) {
        const char *name = value_string(event, "event", "");
        struct json_object *mounts = value_array(event, "mounts"), *member;
        _cleanup_json_ struct json_object *record = NULL;

        if (strcmp(name, "State") == 0)
                return 0;
        if (strcmp(name, "Ready") == 0)
                return print_notice(watch, "Subscribed");
        if (new_record(strcmp(name, "PodChanged") == 0 ? "PropertiesChanged" : name, &record) < 0)
                return report_oom();
        for (size_t i = 0; i < ELEMENTSOF(event_members); i++)
                if (json_object_object_get_ex(event, event_members[i][0], &member) &&
                        value_add(record, event_members[i][1], json_object_get(member)) < 0)
                        return report_oom();
        if (mounts && rename_mounts(mounts, record) < 0)
                return report_oom();
        return print_record(watch, record);
}

static int watch_varlink(struct watch *watch) {
        int r = varlink_monitor(watch->client);

        while (r == 0) {
                _cleanup_json_ struct json_object *event = NULL;

                r = varlink_next(watch->client, &event);
                if (r == 0)
                        r = print_event(watch, event);
        }
        return r;
}

int verb_watch(struct client *client, const struct arguments *arguments _unused_) {
        struct watch watch = {.client = client};
        int r;

        if (client->varlink)
                return watch_varlink(&watch);
        watch.status = add_matches(&watch);
        if (watch.status == 0)
                watch.status = subscribe(&watch);
        while (watch.status == 0) {
                r = sd_bus_process(client->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(client->bus, UINT64_MAX);
                if (r == -EINTR)
                        continue;
                if (r < 0 && watch.status == 0)
                        watch.status = r == -ENOTCONN || r == -ECONNRESET
                                               ? report_error("The daemon closed the connection")
                                               : report_errno(r, "Cannot read from the connection");
        }
        free(watch.owner);
        return watch.status;
}
