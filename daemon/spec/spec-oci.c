/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * OCI runtime specification, config.md: a config.json as `runc spec` and `crun spec` write it becomes a pod of one
 * container. Its root and mounts are applied; everything else is told in the warnings, one sentence each, since a
 * container that lacks its seccomp filter must not look as if it had one.
 */

#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "spec/warning.h"
#include "util/json.h"

static const char CONTAINER_NAME[] = "main";

/* What is not applied: the member, its type (a wrong one is a mistake in any case), and why. */
struct unapplied {
        const char *name;
        enum json_type type;
        const char *reason;
};

static const struct unapplied document_members[] = {
        {"process", json_type_object, "podmount mounts, it runs nothing"},
        {"hooks", json_type_object, "podmount mounts, it runs nothing"},
        {"hostname", json_type_string, "podmount mounts, it makes no UTS namespace"},
        {"domainname", json_type_string, "podmount mounts, it makes no UTS namespace"},
        {"annotations", json_type_object, "podmount keeps no annotations"},
        {"solaris", json_type_object, "podmount mounts on Linux"},
        {"windows", json_type_object, "podmount mounts on Linux"},
        {"vm", json_type_object, "podmount mounts, it runs no virtual machine"},
        {"zos", json_type_object, "podmount mounts on Linux"},
        {"freebsd", json_type_object, "podmount mounts on Linux"},
        {NULL},
};

static const struct unapplied linux_members[] = {
        {"namespaces", json_type_array, "podmount makes no namespaces; the runtime that enters the pod does"},
        {"uidMappings", json_type_array,
                "podmount makes no user namespace; it takes these for mounts with idmap and no mappings of their own"},
        {"gidMappings", json_type_array,
                "podmount makes no user namespace; it takes these for mounts with idmap and no mappings of their own"},
        {"timeOffsets", json_type_object, "podmount makes no time namespace"},
        {"devices", json_type_array, "podmount makes no device nodes; bind those that the container needs"},
        {"netDevices", json_type_object, "podmount makes no network namespace"},
        {"cgroupsPath", json_type_string, "podmount makes no cgroups"},
        {"resources", json_type_object, "podmount makes no cgroups"},
        {"unified", json_type_object, "podmount makes no cgroups"},
        {"sysctl", json_type_object, "podmount runs nothing that has sysctls of its own"},
        {"seccomp", json_type_object, "podmount runs nothing that could be filtered"},
        {"mountLabel", json_type_string, "podmount sets no SELinux label"},
        {"intelRdt", json_type_object, "podmount runs nothing that has resources"},
        {"memoryPolicy", json_type_object, "podmount runs nothing that has memory"},
        {"personality", json_type_object, "podmount runs nothing that has a personality"},
        {NULL},
};

static int warn_member(struct spec *spec, struct json_object *value, const char *pointer, const struct unapplied *rows,
        const char *name, struct failure *f) {
        _cleanup_free_ char *member = json_pointer_join(pointer, name);
        const struct unapplied *row = rows;

        if (!member)
                return -ENOMEM;
        while (row->name && strcmp(row->name, name) != 0)
                row++;
        if (row->name) {
                int r = reader_check_type(value, row->type, member, f);

                if (r != 0)
                        return r;
        }
        return warning_add(&spec->warnings, "%s is not applied: %s", member,
                row->name ? row->reason : "podmount does not know it");
}

/* Warns of every member but the applied ones. */
static int warn_members(struct spec *spec, struct json_object *object, const char *pointer,
        const struct unapplied *rows, const char *const *applied, struct failure *f) {
        struct json_object_iterator it = json_object_iter_begin(object), end = json_object_iter_end(object);

        for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
                const char *name = json_object_iter_peek_name(&it);
                int r;

                if (reader_is_known(applied, name))
                        continue;
                r = warn_member(spec, json_object_iter_peek_value(&it), pointer, rows, name, f);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int warn_document(struct json_object *document, struct spec *spec, struct failure *f) {
        static const char *const applied[] = {"ociVersion", "root", "mounts", "linux", "lenient", "mandatoryMounts", "prepare",
                NULL};
        static const char *const of_linux[] = {"rootfsPropagation", "maskedPaths", "readonlyPaths", NULL};
        struct json_object *section = NULL;
        int r;

        r = warn_members(spec, document, "", document_members, applied, f);
        if (r != 0)
                return r;
        r = reader_get(document, "", "linux", json_type_object, &section, f);
        if (r != 0 || !section)
                return r;
        return warn_members(spec, section, "/linux", linux_members, of_linux, f);
}

/* The specification is compatible within a major version; 0.x was what came before 1.0.0. */
static int check_version(struct json_object *document, struct failure *f) {
        _cleanup_free_ char *version = NULL;
        int r;

        r = reader_get_string(document, "", "ociVersion", &version, f);
        if (r != 0)
                return r;
        if ((version[0] != '0' && version[0] != '1') || version[1] != '.')
                return reader_fail(f, FAILURE_INVALID_SPEC, "/ociVersion",
                        "\"%.80s\" is no version that podmount knows; give one of "
                        "1.x, such as 1.0.2",
                        version);
        return 0;
}

static int parse_root(
        struct json_object *document, struct spec *spec, struct spec_container *container, struct failure *f) {
        static const char *const applied[] = {"path", "readonly", "overlay", "overlaySize", NULL};
        static const struct unapplied none[] = {{NULL}};
        struct json_object *root = NULL;
        int r;

        r = reader_get(document, "", "root", json_type_object, &root, f);
        if (r != 0)
                return r;
        if (!root)
                return reader_fail(
                        f, FAILURE_INVALID_SPEC, "/root", "it is missing; give {\"path\": \"/the/root/directory\"}");
        r = document_parse_root_path(root, "/root", &container->root, f);
        if (r != 0)
                return r;
        r = reader_get_bool(root, "/root", "readonly", false, &container->root_readonly, f);
        if (r == 0)
                r = document_parse_overlay(root, "/root", container, f);
        if (r != 0)
                return r;
        return warn_members(spec, root, "/root", none, applied, f);
}

static int parse_linux(struct json_object *document, struct spec_container *container, struct failure *f) {
        struct json_object *section = NULL;
        int r = reader_get(document, "", "linux", json_type_object, &section, f);

        if (r != 0 || !section)
                return r;
        r = document_parse_maps(section, "/linux", &container->user_maps, f);
        if (r != 0)
                return r;
        r = document_parse_propagation(section, "/linux", "rootfsPropagation", container, f);
        return r != 0 ? r : document_parse_paths(section, "/linux", container, f);
}

int document_parse_oci(struct json_object *document, struct spec *spec, struct failure *f) {
        struct json_object *mounts = NULL;
        struct spec_container *container;
        int r;

        r = check_version(document, f);
        if (r != 0)
                return r;
        container = array_append(&spec->containers, &spec->n_containers);
        if (!container)
                return -ENOMEM;
        container->pointer = strdup("");
        container->name = strdup(CONTAINER_NAME);
        if (!container->pointer || !container->name)
                return -ENOMEM;
        r = reader_get_bool(document, "", "lenient", false, &spec->lenient, f);
        if (r != 0)
                return r;
        r = reader_get_bool(document, "", "mandatoryMounts", true, &container->mandatory, f);
        if (r == 0)
                r = parse_root(document, spec, container, f);
        if (r == 0)
                r = parse_linux(document, container, f);
        if (r != 0)
                return r;
        r = reader_get(document, "", "mounts", json_type_array, &mounts, f);
        if (r != 0)
                return r;
        if (mounts) {
                r = document_parse_mounts(
                        mounts, "/mounts", &spec->warnings, &container->mounts, &container->n_mounts, f);
                if (r != 0)
                        return r;
        }
        r = document_parse_prepare(document, "", false, spec, container, f);
        if (r != 0)
                return r;
        return warn_document(document, spec, f);
}
