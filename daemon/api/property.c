/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The property table and the three methods that read it. */

#include "api/property.h"

#include <string.h>

#include "api/authorise.h"
#include "api/interfaces.h"
#include "api/mounts.h"
#include "api/usage.h"
#include "api/wire.h"
#include "dbus/names.h"
#include "pod/hang.h"
#include "store/cgroups.h"

static int append_version(const struct property_context *context _unused_, sd_bus_message *m) {
        return sd_bus_message_append(m, "s", PACKAGE_VERSION);
}

static int append_features(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append_strv(m, context->api->features);
}

static int append_tracking(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "s", context->api->tracking);
}

static int append_pod_count(const struct property_context *context, sd_bus_message *m) {
        const struct pod *pod;
        uint32_t n = 0;

        MAP_FOREACH(pod, context->api->pods->by_uuid)
                n += pod != context->leaving && pods_may_see(pod, context->caller);
        return sd_bus_message_append(m, "u", n);
}

static int append_all_mount_count(const struct property_context *context, sd_bus_message *m) {
        const struct pod *pod;
        uint32_t n = 0;

        MAP_FOREACH(pod, context->api->pods->by_uuid)
                if (pod != context->leaving && pods_may_see(pod, context->caller))
                        n += mounts_count(pod);
        return sd_bus_message_append(m, "u", n);
}

static int append_generation(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", table_generation(context->api->pods->table));
}

static struct table_costs costs_of(const struct property_context *context) {
        struct table_costs costs;

        context->api->costs(&costs, context->api->userdata);
        return costs;
}

static int append_table_events(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", costs_of(context).events);
}

static int append_table_deltas(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", costs_of(context).deltas);
}

static int append_table_full_reads(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", costs_of(context).full_reads);
}

static int append_table_overflows(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", costs_of(context).overflows);
}

static int append_table_lag_last_us(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", costs_of(context).lag_last_us);
}

static int append_table_lag_worst_us(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", costs_of(context).lag_worst_us);
}

static int append_table_entries(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "u", costs_of(context).entries);
}

static int append_table_bytes(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", costs_of(context).bytes);
}

static int append_quotas(const struct property_context *context, sd_bus_message *m) {
        return usage_append(context->api, context->caller, m);
}

static int append_hangs(const struct property_context *context, sd_bus_message *m) {
        struct hang hangs[POOL_SLOTS_MAX];
        size_t n = hang_list(context->api->pods, context->caller, hangs);
        int r = sd_bus_message_open_container(m, 'a', "a{sv}");

        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(m, "a{sv}", 7,
                                          "Pod", "s", hangs[i].uuid,
                                          "Operation", "s", hangs[i].operation,
                                          "Step", "s", hangs[i].step,
                                          "Container", "s", hangs[i].container,
                                          "Target", "s", hangs[i].target,
                                          "Since", "t", hangs[i].since_us,
                                          "Deadline", "t", hangs[i].deadline_us);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_uuid(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "s", context->pod->record->uuid);
}

static int append_name(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "s", context->pod->record->name ? context->pod->record->name : "");
}

static int append_owner(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "u", (uint32_t) context->pod->record->owner);
}

static int append_state(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "s", pod_state_name(pod_get_state(context->pod)));
}

static int append_root_directory(const struct property_context *context, sd_bus_message *m) {
        _cleanup_free_ char *path = mounts_pod_directory(context->api, context->pod);

        return path ? sd_bus_message_append(m, "s", path) : -ENOMEM;
}

/* Where the pod's own one is bound; "" for a pod in the host's. */
static int append_mount_namespace(const struct property_context *context, sd_bus_message *m) {
        const struct record_pod *record = context->pod->record;
        _cleanup_free_ char *path = NULL;

        if (!record->private)
                return sd_bus_message_append(m, "s", "");
        if (asprintf(&path, "%s/ns/%s", context->api->pods->runtime_directory, record->uuid) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return sd_bus_message_append(m, "s", path);
}

static int append_containers(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append_strv(m, context->pod->record->containers);
}

static int append_warnings(const struct property_context *context, sd_bus_message *m) {
        char *const *warnings = context->pod->record->warnings;
        int r = sd_bus_message_open_container(m, 'a', "s");

        for (; r >= 0 && warnings && *warnings; warnings++)
                r = wire_append_text(m, *warnings); /* they name paths */
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_cgroups(const struct property_context *context, sd_bus_message *m) {
        const struct record_pod *record = context->pod->record;
        int r = sd_bus_message_open_container(m, 'a', "s");

        for (size_t i = 0; r >= 0 && i < record->n_cgroups; i++)
                r = wire_append_text(m, record->cgroups[i].path ?: record->cgroups[i].name);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_drifted(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "b", context->pod->n_drifts > 0);
}

static int append_mount_count(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "u", mounts_count(context->pod));
}

static int append_created(const struct property_context *context, sd_bus_message *m) {
        return sd_bus_message_append(m, "t", context->pod->record->created_us);
}

const struct property_row property_table[] = {
        {PODMOUNT_MANAGER_INTERFACE, "Version", "s", PROPERTY_CONSTANT, append_version},
        {PODMOUNT_MANAGER_INTERFACE, "Features", "as", PROPERTY_CONSTANT, append_features},
        {PODMOUNT_MANAGER_INTERFACE, "Tracking", "s", PROPERTY_CONSTANT, append_tracking},
        {PODMOUNT_MANAGER_INTERFACE, "PodCount", "u", PROPERTY_SIGNALS, append_pod_count},
        {PODMOUNT_MANAGER_INTERFACE, "MountCount", "u", PROPERTY_SIGNALS, append_all_mount_count},
        {PODMOUNT_MANAGER_INTERFACE, "Generation", "t", PROPERTY_SILENT, append_generation},
        {PODMOUNT_MANAGER_INTERFACE, "TableEvents", "t", PROPERTY_SILENT, append_table_events},
        {PODMOUNT_MANAGER_INTERFACE, "TableDeltas", "t", PROPERTY_SILENT, append_table_deltas},
        {PODMOUNT_MANAGER_INTERFACE, "TableFullReads", "t", PROPERTY_SILENT, append_table_full_reads},
        {PODMOUNT_MANAGER_INTERFACE, "TableOverflows", "t", PROPERTY_SILENT, append_table_overflows},
        {PODMOUNT_MANAGER_INTERFACE, "TableLagLastUSec", "t", PROPERTY_SILENT, append_table_lag_last_us},
        {PODMOUNT_MANAGER_INTERFACE, "TableLagWorstUSec", "t", PROPERTY_SILENT, append_table_lag_worst_us},
        {PODMOUNT_MANAGER_INTERFACE, "TableEntries", "u", PROPERTY_SILENT, append_table_entries},
        {PODMOUNT_MANAGER_INTERFACE, "TableBytes", "t", PROPERTY_SILENT, append_table_bytes},
        {PODMOUNT_MANAGER_INTERFACE, "Quotas", "aa{sv}", PROPERTY_SILENT, append_quotas},
        {PODMOUNT_MANAGER_INTERFACE, "Hangs", "aa{sv}", PROPERTY_SILENT, append_hangs},
        {PODMOUNT_POD_INTERFACE, "UUID", "s", PROPERTY_CONSTANT, append_uuid},
        {PODMOUNT_POD_INTERFACE, "Name", "s", PROPERTY_CONSTANT, append_name},
        {PODMOUNT_POD_INTERFACE, "Owner", "u", PROPERTY_CONSTANT, append_owner},
        {PODMOUNT_POD_INTERFACE, "State", "s", PROPERTY_SIGNALS, append_state},
        {PODMOUNT_POD_INTERFACE, "RootDirectory", "s", PROPERTY_CONSTANT, append_root_directory},
        {PODMOUNT_POD_INTERFACE, "MountNamespace", "s", PROPERTY_CONSTANT, append_mount_namespace},
        {PODMOUNT_POD_INTERFACE, "Containers", "as", PROPERTY_SIGNALS, append_containers},
        {PODMOUNT_POD_INTERFACE, "Warnings", "as", PROPERTY_SIGNALS, append_warnings},
        {PODMOUNT_POD_INTERFACE, "Interfaces", "aa{sv}", PROPERTY_SIGNALS, interfaces_append},
        {PODMOUNT_POD_INTERFACE, "Drifted", "b", PROPERTY_SIGNALS, append_drifted},
        {PODMOUNT_POD_INTERFACE, "MountCount", "u", PROPERTY_SIGNALS, append_mount_count},
        {PODMOUNT_POD_INTERFACE, "Cgroups", "as", PROPERTY_CONSTANT, append_cgroups},
        {PODMOUNT_POD_INTERFACE, "CreatedTimestamp", "t", PROPERTY_CONSTANT, append_created},
        {},
};

const struct property_row *property_find(const char *interface, const char *name) {
        for (const struct property_row *row = property_table; row->name; row++)
                if (strcmp(row->interface, interface) == 0 && strcmp(row->name, name) == 0)
                        return row;
        return NULL;
}

static int append_variant(const struct property_context *context, const struct property_row *row, sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, 'v', row->type);

        if (r >= 0)
                r = row->append(context, m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static bool listed(const char *const *names, const char *name) {
        if (!names)
                return true;
        for (; *names; names++)
                if (strcmp(*names, name) == 0)
                        return true;
        return false;
}

int property_append_all(const struct property_context *context, const char *interface, const char *const *names, sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        for (const struct property_row *row = property_table; r >= 0 && row->name; row++) {
                if (strcmp(row->interface, interface) != 0 || !listed(names, row->name))
                        continue;
                r = sd_bus_message_open_container(m, 'e', "sv");
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", row->name);
                if (r >= 0)
                        r = append_variant(context, row, m);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static struct property_context context_of(const struct request *request) {
        return (struct property_context) {.api = request->api, .caller = &request->peer->caller, .pod = request->pod};
}

/* The interface that the object has, or "" for one that only D-Bus itself knows. */
static const char *interface_of(const struct request *request) {
        return request->object == OBJECT_POD ? PODMOUNT_POD_INTERFACE : PODMOUNT_MANAGER_INTERFACE;
}

static bool is_standard(const char *interface) {
        static const char prefix[] = "org.freedesktop.DBus.";

        return strncmp(interface, prefix, sizeof(prefix) - 1) == 0;
}

static int check_interface(struct request *request, struct failure *f) {
        const char *interface = request->arguments.interface;

        if (strcmp(interface, interface_of(request)) == 0 || is_standard(interface))
                return 0;
        if (request->object == OBJECT_MANAGER && strcmp(interface, PODMOUNT_LAYER_STORE_INTERFACE) == 0)
                return 0; /* it has none */
        request->dbus_error = SD_BUS_ERROR_UNKNOWN_INTERFACE;
        return failure_set(f, FAILURE_INVALID_ARGS, "%s has no interface \"%.255s\"", request->path, interface);
}

/* A property that this object has and that the caller may read; an empty interface means any, as D-Bus has it. */
static int check_property(struct request *request, struct failure *f) {
        struct arguments *arguments = &request->arguments;
        int r;

        if (!*arguments->interface)
                arguments->interface = interface_of(request);
        r = check_interface(request, f);
        if (r != 0)
                return r;
        if (property_find(arguments->interface, arguments->property) && authorise_property(request, arguments->interface, arguments->property))
                return 0;
        request->dbus_error = SD_BUS_ERROR_UNKNOWN_PROPERTY;
        return failure_set(f, FAILURE_INVALID_ARGS, "%s has no property \"%.255s\"", arguments->interface, arguments->property);
}

int query_get(struct request *request, struct failure *f) {
        return check_property(request, f);
}

int encode_get(struct request *request, sd_bus_message *m) {
        const struct property_context context = context_of(request);

        return append_variant(&context, property_find(request->arguments.interface, request->arguments.property), m);
}

int query_get_all(struct request *request, struct failure *f) {
        if (!*request->arguments.interface)
                request->arguments.interface = interface_of(request);
        return check_interface(request, f);
}

int encode_get_all(struct request *request, sd_bus_message *m) {
        const struct property_context context = context_of(request);

        return property_append_all(&context, request->arguments.interface, NULL, m);
}

int query_set(struct request *request, struct failure *f) {
        int r = check_property(request, f);

        if (r != 0)
                return r;
        request->dbus_error = SD_BUS_ERROR_PROPERTY_READ_ONLY;
        return failure_set(f, FAILURE_INVALID_ARGS, "%s.%s is read-only", request->arguments.interface, request->arguments.property);
}
