/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The method table. It says the same as the interface files of dbus/: a test compares them, and both with the verdicts. */

#include "api/method.h"

#include <string.h>

#include "api/holders.h"
#include "api/introspect.h"
#include "api/mounts.h"
#include "api/objects.h"
#include "api/property.h"
#include "api/verb.h"
#include "dbus/names.h"

#define AT(field) offsetof(struct arguments, field)
#define IN_STRING(name, field) {name, "s", ARGUMENT_STRING, AT(field), NULL}
#define IN_ID IN_STRING("id", id)
#define IN_LAYER IN_STRING("id", layer)
#define IN_FDS {"fds", "a{sh}", ARGUMENT_FDS, 0, NULL}
#define IN_NAMESPACES {"namespaces", "a{sh}", ARGUMENT_FDS, 0, NULL}
#define IN_PROCESS {"process", "a{sh}", ARGUMENT_FDS, 0, NULL}
#define IN_OPTIONS {"options", "a{sv}", ARGUMENT_OPTIONS, 0, NULL}
#define OUT(name, type) {name, type, ARGUMENT_ANY, 0, NULL}
#define OUT_FIELDS(name, type, fields) {name, type, ARGUMENT_ANY, 0, fields}
#define ARGUMENTS(...) ((const struct argument_row[]) {__VA_ARGS__ __VA_OPT__(,) {}})

#define KEYS(...) ((const struct option_key[]) {__VA_ARGS__ __VA_OPT__(,) KEY("timeout", "t", timeout_us), {}})
#define KEY(name, type, field) {name, type, AT(field)}

#define CREATE_KEYS KEYS(KEY("id", "s", uuid), KEY("name", "s", name), KEY("lease", "s", lease), KEY("visibility", "s", visibility))
#define BIND_KEYS                                                                                                            \
        KEYS(KEY("container", "s", container), KEY("namespace", "s", namespace), KEY("options", "as", options), KEY("stack", "b", stack))
#define MOUNT_KEYS KEYS(KEY("container", "s", container), KEY("namespace", "s", namespace), KEY("stack", "b", stack))
#define UNMOUNT_KEYS                                                                                                         \
        KEYS(KEY("container", "s", container), KEY("mount-id", "t", mount_id), KEY("namespace-id", "t", namespace_id),        \
             KEY("lazy", "b", lazy), KEY("missing-ok", "b", missing_ok))
#define REPLACE_KEYS                                                                                                         \
        KEYS(KEY("container", "s", container), KEY("namespace", "s", namespace), KEY("mount-id", "t", mount_id))
#define REMOVE_CONTAINER_KEYS KEYS(KEY("lazy", "b", lazy), KEY("missing-ok", "b", missing_ok))
#define SPACES_KEYS KEYS(KEY("container", "s", container))
#define PROCESS_KEYS KEYS(KEY("container", "s", container), KEY("pid", "u", pid))
#define COLLECT_KEYS KEYS(KEY("lazy", "b", lazy), KEY("wait", "b", wait), KEY("dry-run", "b", dry_run))
#define REPAIR_KEYS KEYS(KEY("container", "s", container), KEY("dry-run", "b", dry_run))
#define LIST_MOUNTS_KEYS KEYS(KEY("after", "t", after), KEY("limit", "u", limit))
#define LIST_LAYERS_KEYS LIST_MOUNTS_KEYS
#define HISTORY_KEYS KEYS(KEY("limit", "u", limit))
#define HOLDERS_KEYS KEYS(KEY("container", "s", container), KEY("mount-id", "t", mount_id))

#define CREATE_LAYER_KEYS                                                                                                    \
        KEYS(KEY("read-write", "b", read_write), KEY("label", "s", label), KEY("uid-map", "s", uid_map),                      \
             KEY("gid-map", "s", gid_map), KEY("metadata", "a{ss}", metadata))

#define IMPORT_IMAGE_KEYS KEYS(KEY("platform", "s", platform), KEY("progress", "s", progress))
#define GET_LAYER_KEYS KEYS(KEY("holder", "s", holder), KEY("connection-bound", "b", connection_bound))
#define PUT_LAYER_KEYS KEYS(KEY("holder", "s", holder), KEY("connection-bound", "b", connection_bound), KEY("all", "b", all),    \
                           KEY("owner", "u", owner))

#define MANAGER PODMOUNT_MANAGER_INTERFACE
#define LAYERS PODMOUNT_LAYER_STORE_INTERFACE
#define POD PODMOUNT_POD_INTERFACE
#define PROPERTIES "org.freedesktop.DBus.Properties"

const struct method method_table[] = {
        {.interface = MANAGER, .member = "CreatePod", .objects = OBJECT_MANAGER, .changes = true, .keys = CREATE_KEYS,
         .in = ARGUMENTS(IN_STRING("spec", text), IN_FDS, IN_OPTIONS), .out = ARGUMENTS(OUT("uuid", "s"), OUT("pod", "o")),
         .prepare = prepare_create, .encode = encode_create},
        {.interface = MANAGER, .member = "Plan", .objects = OBJECT_MANAGER, .keys = CREATE_KEYS,
         .in = ARGUMENTS(IN_STRING("spec", text), IN_FDS, IN_OPTIONS), .out = ARGUMENTS(OUT("plan", "s")),
         .prepare = prepare_plan, .encode = encode_plan},
        {.interface = MANAGER, .member = "GetPod", .objects = OBJECT_MANAGER, .prefix = true, .in = ARGUMENTS(IN_ID),
         .out = ARGUMENTS(OUT("pod", "o")), .encode = encode_get_pod},
        {.interface = MANAGER, .member = "ListPods", .objects = OBJECT_MANAGER, .keys = KEYS(), .in = ARGUMENTS(IN_OPTIONS),
         .out = ARGUMENTS(OUT_FIELDS("pods", "a(ssuso)", PODMOUNT_FIELDS_PODS)), .encode = encode_list_pods},
        {.interface = MANAGER, .member = "Bind", .objects = OBJECT_MANAGER, .changes = true, .keys = BIND_KEYS,
         .in = ARGUMENTS(IN_ID, IN_STRING("source", source), IN_STRING("target", target), IN_FDS, IN_OPTIONS),
         .out = ARGUMENTS(OUT("mount_id", "t")), .prepare = prepare_bind, .encode = encode_bind},
        {.interface = MANAGER, .member = "Mount", .objects = OBJECT_MANAGER, .changes = true, .keys = MOUNT_KEYS,
         .in = ARGUMENTS(IN_ID, IN_STRING("mounts", text), IN_FDS, IN_OPTIONS), .out = ARGUMENTS(OUT("mount_ids", "at")),
         .prepare = prepare_mount, .encode = encode_mount},
        {.interface = MANAGER, .member = "Unmount", .objects = OBJECT_MANAGER, .changes = true, .keys = UNMOUNT_KEYS,
         .in = ARGUMENTS(IN_ID, IN_STRING("target", target), IN_OPTIONS), .out = ARGUMENTS(), .prepare = prepare_unmount},
        {.interface = MANAGER, .member = "Replace", .objects = OBJECT_MANAGER, .changes = true, .keys = REPLACE_KEYS,
         .in = ARGUMENTS(IN_ID, IN_STRING("target", target), IN_STRING("mount", text), IN_FDS, IN_OPTIONS),
         .out = ARGUMENTS(OUT("mount_id", "t")), .prepare = prepare_replace, .encode = encode_bind},
        {.interface = MANAGER, .member = "AddContainer", .objects = OBJECT_MANAGER, .changes = true, .keys = KEYS(),
         .in = ARGUMENTS(IN_ID, IN_STRING("name", container), IN_STRING("spec", text), IN_FDS, IN_OPTIONS), .out = ARGUMENTS(),
         .prepare = prepare_add_container},
        {.interface = MANAGER, .member = "RemoveContainer", .objects = OBJECT_MANAGER, .changes = true, .keys = REMOVE_CONTAINER_KEYS,
         .in = ARGUMENTS(IN_ID, IN_STRING("name", container), IN_OPTIONS), .out = ARGUMENTS(), .prepare = prepare_remove_container},
        {.interface = MANAGER, .member = "SetNamespaces", .objects = OBJECT_MANAGER, .changes = true, .keys = SPACES_KEYS,
         .in = ARGUMENTS(IN_ID, IN_NAMESPACES, IN_OPTIONS), .out = ARGUMENTS(), .prepare = prepare_set_namespaces},
        {.interface = MANAGER, .member = "PrepareProcess", .objects = OBJECT_MANAGER, .changes = true, .keys = PROCESS_KEYS,
         .in = ARGUMENTS(IN_ID, IN_PROCESS, IN_OPTIONS), .out = ARGUMENTS(OUT("mount_ids", "at")),
         .prepare = prepare_prepare_process, .encode = encode_mount},
        {.interface = MANAGER, .member = "GC", .objects = OBJECT_MANAGER, .changes = true, .keys = COLLECT_KEYS,
         .in = ARGUMENTS({"ids", "as", ARGUMENT_STRINGS, AT(ids), NULL}, IN_OPTIONS), .out = ARGUMENTS(OUT_FIELDS("outcomes", "a(ssa{sv})", PODMOUNT_FIELDS_COLLECTED)),
         .prepare = prepare_gc, .encode = encode_gc},
        {.interface = MANAGER, .member = "Repair", .objects = OBJECT_MANAGER, .changes = true, .keys = REPAIR_KEYS,
         .in = ARGUMENTS(IN_ID, IN_OPTIONS), .out = ARGUMENTS(OUT_FIELDS("outcomes", "a(sssa{sv})", PODMOUNT_FIELDS_REPAIRED)), .prepare = prepare_repair,
         .encode = encode_repair},
        {.interface = MANAGER, .member = "Renew", .objects = OBJECT_MANAGER, .changes = true, .keys = KEYS(), .in = ARGUMENTS(IN_ID, IN_OPTIONS),
         .out = ARGUMENTS(OUT("until", "t")), .query = query_renew, .encode = encode_renew},
        {.interface = MANAGER, .member = "Export", .objects = OBJECT_MANAGER, .keys = KEYS(), .in = ARGUMENTS(IN_ID, IN_OPTIONS),
         .out = ARGUMENTS(OUT("export", "s")), .query = query_export, .encode = encode_export},
        {.interface = MANAGER, .member = "Restore", .objects = OBJECT_MANAGER, .changes = true, .keys = CREATE_KEYS,
         .in = ARGUMENTS(IN_STRING("export", text), IN_FDS, IN_OPTIONS), .out = ARGUMENTS(OUT("uuid", "s"), OUT("pod", "o")),
         .prepare = prepare_restore, .encode = encode_create},
        {.interface = MANAGER, .member = "OpenTree", .objects = OBJECT_MANAGER, .changes = true, .keys = KEYS(),
         .in = ARGUMENTS(IN_ID, IN_STRING("container", container), IN_STRING("path", target), IN_OPTIONS),
         .out = ARGUMENTS(OUT("tree", "h")), .prepare = prepare_open_tree, .encode = encode_open_tree},
        {.interface = MANAGER, .member = "ListMounts", .objects = OBJECT_MANAGER, .keys = LIST_MOUNTS_KEYS,
         .in = ARGUMENTS(IN_ID, IN_OPTIONS), .out = ARGUMENTS(OUT("mounts", "aa{sv}")), .prepare = prepare_list_mounts,
         .encode = encode_list_mounts},
        {.interface = MANAGER, .member = "ResolveExecutable", .objects = OBJECT_MANAGER,
         .in = ARGUMENTS(IN_ID, IN_STRING("container", container), IN_STRING("argv0", source), IN_STRING("path", text),
                         IN_STRING("cwd", target)),
         .out = ARGUMENTS(OUT("executable", "s")), .prepare = prepare_find, .encode = encode_find},
        {.interface = MANAGER, .member = "PathInfo", .objects = OBJECT_MANAGER, .host = true,
         .in = ARGUMENTS(IN_ID, IN_STRING("container", container), IN_STRING("path", target)),
         .out = ARGUMENTS(OUT("info", "a{sv}")), .prepare = prepare_path_info, .encode = encode_path_info},
        {.interface = MANAGER, .member = "Holders", .objects = OBJECT_MANAGER, .keys = HOLDERS_KEYS,
         .in = ARGUMENTS(IN_ID, IN_STRING("target", target), IN_OPTIONS), .out = ARGUMENTS(OUT("holders", "aa{sv}")),
         .prepare = prepare_holders, .encode = encode_holders},
        {.interface = MANAGER, .member = "History", .objects = OBJECT_MANAGER, .past = true, .keys = HISTORY_KEYS, .in = ARGUMENTS(IN_ID, IN_OPTIONS),
         .out = ARGUMENTS(OUT("history", "aa{sv}")), .encode = encode_history},
        {.interface = MANAGER, .member = "Metrics", .objects = OBJECT_MANAGER, .in = ARGUMENTS(), .out = ARGUMENTS(OUT("metrics", "s")),
         .query = query_metrics, .encode = encode_metrics},
        {.interface = MANAGER, .member = "Rescan", .objects = OBJECT_MANAGER, .in = ARGUMENTS(), .out = ARGUMENTS(OUT("generation", "t")),
         .query = query_rescan, .encode = encode_rescan},
        {.interface = MANAGER, .member = "Subscribe", .objects = OBJECT_MANAGER, .in = ARGUMENTS(), .out = ARGUMENTS(),
         .query = query_subscribe},
        {.interface = MANAGER, .member = "Unsubscribe", .objects = OBJECT_MANAGER, .in = ARGUMENTS(), .out = ARGUMENTS(),
         .query = query_unsubscribe},

        {.interface = POD, .member = "Bind", .objects = OBJECT_POD, .changes = true, .keys = BIND_KEYS,
         .in = ARGUMENTS(IN_STRING("source", source), IN_STRING("target", target), IN_FDS, IN_OPTIONS),
         .out = ARGUMENTS(OUT("mount_id", "t")), .prepare = prepare_bind, .encode = encode_bind},
        {.interface = POD, .member = "Mount", .objects = OBJECT_POD, .changes = true, .keys = MOUNT_KEYS,
         .in = ARGUMENTS(IN_STRING("mounts", text), IN_FDS, IN_OPTIONS), .out = ARGUMENTS(OUT("mount_ids", "at")),
         .prepare = prepare_mount, .encode = encode_mount},
        {.interface = POD, .member = "Unmount", .objects = OBJECT_POD, .changes = true, .keys = UNMOUNT_KEYS,
         .in = ARGUMENTS(IN_STRING("target", target), IN_OPTIONS), .out = ARGUMENTS(), .prepare = prepare_unmount},
        {.interface = POD, .member = "Replace", .objects = OBJECT_POD, .changes = true, .keys = REPLACE_KEYS,
         .in = ARGUMENTS(IN_STRING("target", target), IN_STRING("mount", text), IN_FDS, IN_OPTIONS),
         .out = ARGUMENTS(OUT("mount_id", "t")), .prepare = prepare_replace, .encode = encode_bind},
        {.interface = POD, .member = "AddContainer", .objects = OBJECT_POD, .changes = true, .keys = KEYS(),
         .in = ARGUMENTS(IN_STRING("name", container), IN_STRING("spec", text), IN_FDS, IN_OPTIONS), .out = ARGUMENTS(),
         .prepare = prepare_add_container},
        {.interface = POD, .member = "RemoveContainer", .objects = OBJECT_POD, .changes = true, .keys = REMOVE_CONTAINER_KEYS,
         .in = ARGUMENTS(IN_STRING("name", container), IN_OPTIONS), .out = ARGUMENTS(), .prepare = prepare_remove_container},
        {.interface = POD, .member = "SetNamespaces", .objects = OBJECT_POD, .changes = true, .keys = SPACES_KEYS,
         .in = ARGUMENTS(IN_NAMESPACES, IN_OPTIONS), .out = ARGUMENTS(), .prepare = prepare_set_namespaces},
        {.interface = POD, .member = "PrepareProcess", .objects = OBJECT_POD, .changes = true, .keys = PROCESS_KEYS,
         .in = ARGUMENTS(IN_PROCESS, IN_OPTIONS), .out = ARGUMENTS(OUT("mount_ids", "at")), .prepare = prepare_prepare_process,
         .encode = encode_mount},
        {.interface = POD, .member = "Collect", .objects = OBJECT_POD, .changes = true, .keys = COLLECT_KEYS, .in = ARGUMENTS(IN_OPTIONS),
         .out = ARGUMENTS(OUT("outcome", "s"), OUT("details", "a{sv}")), .prepare = prepare_collect, .encode = encode_collect},
        {.interface = POD, .member = "Repair", .objects = OBJECT_POD, .changes = true, .keys = REPAIR_KEYS,
         .in = ARGUMENTS(IN_OPTIONS), .out = ARGUMENTS(OUT_FIELDS("outcomes", "a(sssa{sv})", PODMOUNT_FIELDS_REPAIRED)), .prepare = prepare_repair,
         .encode = encode_repair},
        {.interface = POD, .member = "Renew", .objects = OBJECT_POD, .changes = true, .keys = KEYS(), .in = ARGUMENTS(IN_OPTIONS),
         .out = ARGUMENTS(OUT("until", "t")), .query = query_renew, .encode = encode_renew},
        {.interface = POD, .member = "OpenTree", .objects = OBJECT_POD, .changes = true, .keys = KEYS(),
         .in = ARGUMENTS(IN_STRING("container", container), IN_STRING("path", target), IN_OPTIONS),
         .out = ARGUMENTS(OUT("tree", "h")), .prepare = prepare_open_tree, .encode = encode_open_tree},
        {.interface = POD, .member = "Holders", .objects = OBJECT_POD, .keys = HOLDERS_KEYS,
         .in = ARGUMENTS(IN_STRING("target", target), IN_OPTIONS), .out = ARGUMENTS(OUT("holders", "aa{sv}")),
         .prepare = prepare_holders, .encode = encode_holders},
        {.interface = POD, .member = "ListMounts", .objects = OBJECT_POD, .keys = LIST_MOUNTS_KEYS, .in = ARGUMENTS(IN_OPTIONS),
         .out = ARGUMENTS(OUT("mounts", "aa{sv}")), .prepare = prepare_list_mounts, .encode = encode_list_mounts},

        {.interface = LAYERS, .member = "CreateLayer", .objects = OBJECT_MANAGER, .changes = true, .keys = CREATE_LAYER_KEYS,
         .in = ARGUMENTS(IN_LAYER, IN_STRING("parent", parent), IN_OPTIONS), .out = ARGUMENTS(OUT("id", "s")),
         .prepare = prepare_create_layer, .encode = encode_create_layer},
        {.interface = LAYERS, .member = "RemoveLayer", .objects = OBJECT_MANAGER, .changes = true, .keys = KEYS(),
         .in = ARGUMENTS(IN_LAYER, IN_OPTIONS), .out = ARGUMENTS(), .prepare = prepare_remove_layer},
        {.interface = LAYERS, .member = "GetLayer", .objects = OBJECT_MANAGER, .changes = true, .keys = GET_LAYER_KEYS,
         .in = ARGUMENTS(IN_LAYER, IN_OPTIONS), .out = ARGUMENTS(OUT("path", "s")), .prepare = prepare_get_layer,
         .encode = encode_get_layer},
        {.interface = LAYERS, .member = "PutLayer", .objects = OBJECT_MANAGER, .changes = true, .keys = PUT_LAYER_KEYS,
         .in = ARGUMENTS(IN_LAYER, IN_OPTIONS), .out = ARGUMENTS(), .prepare = prepare_put_layer},
        {.interface = LAYERS, .member = "ApplyDiff", .objects = OBJECT_MANAGER, .changes = true, .keys = KEYS(),
         .in = ARGUMENTS(IN_LAYER, {"tar", "h", ARGUMENT_STREAM, 0, NULL}, IN_OPTIONS), .out = ARGUMENTS(OUT("bytes", "t")),
         .prepare = prepare_apply_diff, .encode = encode_apply_diff},
        {.interface = LAYERS, .member = "ImportImage", .objects = OBJECT_MANAGER, .changes = true, .keys = IMPORT_IMAGE_KEYS,
         .in = ARGUMENTS({"layout", "h", ARGUMENT_DIRECTORY, 0, NULL}, IN_STRING("reference", reference), IN_OPTIONS), .out = ARGUMENTS(OUT("id", "s")),
         .prepare = prepare_import_image, .encode = encode_import_image},
        {.interface = LAYERS, .member = "Diff", .objects = OBJECT_MANAGER, .changes = true, .keys = KEYS(),
         .in = ARGUMENTS(IN_LAYER, IN_STRING("parent", parent), IN_OPTIONS), .out = ARGUMENTS(OUT("tar", "h")),
         .prepare = prepare_diff, .encode = encode_diff},
        {.interface = LAYERS, .member = "OpenDiff", .objects = OBJECT_MANAGER, .changes = true,
         .in = ARGUMENTS(IN_LAYER), .out = ARGUMENTS(OUT("directory", "h")), .prepare = prepare_open_diff, .encode = encode_diff},
        {.interface = LAYERS, .member = "DiffSize", .objects = OBJECT_MANAGER, .changes = true,
         .in = ARGUMENTS(IN_LAYER, IN_STRING("parent", parent)), .out = ARGUMENTS(OUT("bytes", "t")),
         .prepare = prepare_diff_size, .encode = encode_diff_size},
        {.interface = LAYERS, .member = "Changes", .objects = OBJECT_MANAGER, .changes = true,
         .in = ARGUMENTS(IN_LAYER, IN_STRING("parent", parent)), .out = ARGUMENTS(OUT_FIELDS("changes", "a(sss)", PODMOUNT_FIELDS_CHANGES)),
         .prepare = prepare_changes, .encode = encode_changes},
        {.interface = LAYERS, .member = "Cleanup", .objects = OBJECT_MANAGER, .changes = true, .in = ARGUMENTS(), .out = ARGUMENTS(OUT("count", "u")),
         .prepare = prepare_cleanup_layers, .encode = encode_cleanup_layers},
        {.interface = LAYERS, .member = "LayerExists", .objects = OBJECT_MANAGER, .in = ARGUMENTS(IN_LAYER),
         .out = ARGUMENTS(OUT("exists", "b")), .query = query_layers, .encode = encode_layer_exists},
        {.interface = LAYERS, .member = "ListLayers", .objects = OBJECT_MANAGER, .keys = LIST_LAYERS_KEYS, .in = ARGUMENTS(IN_OPTIONS),
         .out = ARGUMENTS(OUT("layers", "aa{sv}")), .query = query_layers, .encode = encode_list_layers},
        {.interface = LAYERS, .member = "LayerInfo", .objects = OBJECT_MANAGER, .in = ARGUMENTS(IN_LAYER),
         .out = ARGUMENTS(OUT("info", "a{sv}")), .query = query_layer_info, .encode = encode_layer_info},
        {.interface = LAYERS, .member = "Status", .objects = OBJECT_MANAGER, .in = ARGUMENTS(), .out = ARGUMENTS(OUT("status", "a{sv}")),
         .encode = encode_layer_status},

        {.interface = "org.freedesktop.DBus.Introspectable", .member = "Introspect", .objects = OBJECT_NODE | OBJECT_MANAGER | OBJECT_POD,
         .in = ARGUMENTS(), .out = ARGUMENTS(OUT("xml_data", "s")), .query = query_introspect, .encode = encode_introspect},
        {.interface = PROPERTIES, .member = "Get", .objects = OBJECT_MANAGER | OBJECT_POD,
         .in = ARGUMENTS(IN_STRING("interface_name", interface), IN_STRING("property_name", property)), .out = ARGUMENTS(OUT("value", "v")),
         .query = query_get, .encode = encode_get},
        {.interface = PROPERTIES, .member = "GetAll", .objects = OBJECT_MANAGER | OBJECT_POD,
         .in = ARGUMENTS(IN_STRING("interface_name", interface)), .out = ARGUMENTS(OUT("properties", "a{sv}")), .query = query_get_all,
         .encode = encode_get_all},
        {.interface = PROPERTIES, .member = "Set", .objects = OBJECT_MANAGER | OBJECT_POD,
         .in = ARGUMENTS(IN_STRING("interface_name", interface), IN_STRING("property_name", property), OUT("value", "v")),
         .out = ARGUMENTS(), .query = query_set},
        {.interface = "org.freedesktop.DBus.ObjectManager", .member = "GetManagedObjects", .objects = OBJECT_MANAGER, .in = ARGUMENTS(),
         .out = ARGUMENTS(OUT("objects", "a{oa{sa{sv}}}")), .encode = encode_managed_objects},
        {},
};

const struct method method_unknown = {.interface = "", .member = "(unknown method)", .query = query_unknown};

const struct method *method_find(enum object_kind kind, const char *interface, const char *member, bool *ret_interface_known) {
        bool known = false;

        for (const struct method *method = method_table; method->member; method++) {
                if (!(method->objects & kind))
                        continue;
                if (interface && strcmp(method->interface, interface) != 0)
                        continue;
                known = true;
                if (strcmp(method->member, member) == 0)
                        return method;
        }
        *ret_interface_known = known || !interface;
        return NULL;
}
