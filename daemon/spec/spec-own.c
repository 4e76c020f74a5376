/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * podmount's own form, podmount-spec(5): several containers in one pod. Unlike an OCI document it is written for
 * podmount alone, so that a member it does not know is a mistake and refused.
 */

#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "util/json.h"
#include "util/path.h"

enum { FORMAT_VERSION = 1 };

/* A name of a pod or container; NULL when there is none. */
static int parse_name(struct json_object *object, const char *pointer, char **ret, struct failure *f) {
        _cleanup_free_ char *name = NULL;
        int r;

        r = reader_get_string(object, pointer, "name", &name, f);
        if (r != 0)
                return r;
        if (name && !name_is_valid(name))
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "name",
                        "\"%.80s\" is no name: 1 to 64 of A-Z a-z 0-9 . _ -, "
                        "the first a letter or digit",
                        name);
        *ret = TAKE_PTR(name);
        return 0;
}

static int parse_root(struct json_object *object, struct spec_container *container, struct failure *f) {
        static const char *const known[] = {"path", "layer", "readonly", "overlay", "overlaySize", "propagation", "uidMappings",
                "gidMappings", "userns", NULL};
        _cleanup_free_ char *pointer = json_pointer_join(container->pointer, "root");
        struct json_object *root = NULL;
        int r;

        if (!pointer)
                return -ENOMEM;
        r = reader_get(object, container->pointer, "root", json_type_object, &root, f);
        if (r != 0)
                return r;
        if (!root)
                return reader_fail(
                        f, FAILURE_INVALID_SPEC, pointer,
                        "it is missing; give {\"path\": \"/the/root/directory\"} or {\"layer\": \"ID\"}");
        r = reader_check_known(root, pointer, known, f);
        if (r != 0)
                return r;
        r = document_parse_root_source(root, pointer, &container->root, f);
        if (r != 0)
                return r;
        r = reader_get_bool(root, pointer, "readonly", false, &container->root_readonly, f);
        if (r != 0)
                return r;
        container->root_says = json_object_object_get_ex(root, "readonly", NULL);
        r = document_parse_idmap(root, pointer, &container->root_idmap, &container->root_userns, f);
        if (r != 0)
                return r;
        r = document_parse_propagation(root, pointer, "propagation", container, f);
        return r != 0 ? r : document_parse_overlay(root, pointer, container, f);
}

static int parse_container(struct json_object *object, struct spec *spec, struct spec_container *container,
        struct failure *f) {
        static const char *const known[] = {"name", "root", "mounts", "namespaces", "maskedPaths", "readonlyPaths",
                "mandatoryMounts", "prepare", NULL};
        _cleanup_free_ char *pointer = NULL;
        struct json_object *mounts = NULL;
        int r;

        r = reader_check_type(object, json_type_object, container->pointer, f);
        if (r != 0)
                return r;
        r = reader_check_known(object, container->pointer, known, f);
        if (r != 0)
                return r;
        r = parse_name(object, container->pointer, &container->name, f);
        if (r != 0)
                return r;
        if (!container->name)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, container->pointer, "name",
                        "it is missing; each container has a name");
        r = parse_root(object, container, f);
        if (r == 0)
                r = reader_get_bool(object, container->pointer, "mandatoryMounts", container->mandatory,
                        &container->mandatory, f);
        if (r == 0)
                r = document_parse_paths(object, container->pointer, container, f);
        if (r != 0)
                return r;
        r = document_parse_namespaces(object, container->pointer, container->namespaces, f);
        if (r != 0)
                return r;
        r = reader_get(object, container->pointer, "mounts", json_type_array, &mounts, f);
        if (r != 0)
                return r;
        pointer = json_pointer_join(container->pointer, "mounts");
        if (!pointer)
                return -ENOMEM;
        if (mounts)
                r = document_parse_mounts(mounts, pointer, NULL, &container->mounts, &container->n_mounts, f);
        return r != 0 ? r : document_parse_prepare(object, container->pointer, true, spec, container, f);
}

/* Refuses the last container if one before it has its name. */
static int check_unique(const struct spec *spec, struct failure *f) {
        const struct spec_container *last = spec->containers + spec->n_containers - 1;

        for (const struct spec_container *container = spec->containers; container < last; container++)
                if (strcmp(container->name, last->name) == 0)
                        return reader_fail_member(f, FAILURE_INVALID_SPEC, last->pointer, "name",
                                "\"%s\" is the name of %s already; "
                                "give each container a name of its own",
                                last->name, container->pointer);
        return 0;
}

static int parse_containers(struct json_object *document, struct json_object *array, struct spec *spec, struct failure *f) {
        size_t n = json_object_array_length(array);

        if (n == 0)
                return reader_fail(
                        f, FAILURE_INVALID_SPEC, "/containers", "the array is empty; a pod has at least one container");
        if (n > SPEC_CONTAINERS_MAX)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/containers",
                        "there are %zu containers, and a pod has at most %d", n, SPEC_CONTAINERS_MAX);
        for (size_t i = 0; i < n; i++) {
                struct spec_container *container = array_append(&spec->containers, &spec->n_containers);
                int r;

                if (!container)
                        return -ENOMEM;
                container->pointer = json_pointer_join_index("/containers", i);
                if (!container->pointer)
                        return -ENOMEM;
                r = document_parse_namespaces(document, "", container->namespaces, f); /* the pod's hold for each */
                if (r == 0)
                        r = reader_get_bool(document, "", "mandatoryMounts", true, &container->mandatory, f);
                if (r != 0)
                        return r;
                r = parse_container(json_object_array_get_idx(array, i), spec, container, f);
                if (r != 0)
                        return r;
                r = check_unique(spec, f);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int check_version(struct json_object *document, struct failure *f) {
        struct json_object *version = NULL;
        int r;

        r = reader_get(document, "", "podmount", json_type_int, &version, f);
        if (r != 0)
                return r;
        if (json_object_get_int64(version) == FORMAT_VERSION)
                return 0;
        return reader_fail(f, FAILURE_INVALID_SPEC, "/podmount",
                "version %s of the format is not known to this podmount; write %d", json_object_to_json_string(version),
                FORMAT_VERSION);
}

int document_parse_own(struct json_object *document, struct spec *spec, struct failure *f) {
        static const char *const known[] = {"podmount", "name", "lenient", "containers", "volumes", "namespaces",
                "mandatoryMounts", "gc", "visibility", NULL};
        struct json_object *containers = NULL;
        int r;

        r = check_version(document, f);
        if (r != 0)
                return r;
        r = reader_check_known(document, "", known, f);
        if (r != 0)
                return r;
        r = parse_name(document, "", &spec->name, f);
        if (r != 0)
                return r;
        r = reader_get_bool(document, "", "lenient", false, &spec->lenient, f);
        if (r != 0)
                return r;
        r = document_parse_visibility(document, spec, f);
        if (r == 0)
                r = document_parse_volumes(document, spec, f);
        if (r == 0)
                r = reader_get(document, "", "containers", json_type_array, &containers, f);
        if (r != 0)
                return r;
        if (!containers)
                return reader_fail(
                        f, FAILURE_INVALID_SPEC, "/containers", "it is missing; a pod has at least one container");
        r = parse_containers(document, containers, spec, f);
        return r != 0 ? r : document_parse_gc(document, spec, f);
}
