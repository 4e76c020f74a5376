/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Specs: decides which of the two forms a document has, and owns the result. What a client writes is checked for its
 * shape here and in the files of the forms; what it means is wanted.c's.
 */

#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "spec/spec.h"
#include "util/json-scan.h"
#include "util/json.h"

void spec_mount_done(struct spec_mount *mount) {
        if (!mount)
                return;
        free(mount->pointer);
        free(mount->destination);
        free(mount->type);
        free(mount->source);
        (void) strv_free(mount->options); /* returns NULL, always */
        idmap_done(&mount->idmap);
        source_done(&mount->userns);
        *mount = (struct spec_mount) {.pointer = NULL};
}

void spec_mounts_free(struct spec_mount *mounts, size_t n) {
        for (size_t i = 0; i < n; i++)
                spec_mount_done(mounts + i);
        free(mounts);
}

static void spec_container_done(struct spec_container *container) {
        free(container->pointer);
        free(container->name);
        source_done(&container->root);
        idmap_done(&container->root_idmap);
        source_done(&container->root_userns);
        idmap_done(&container->user_maps);
        for (size_t i = 0; i < _SPEC_NAMESPACE_MAX; i++)
                source_done(&container->namespaces[i]);
        spec_mounts_free(container->mounts, container->n_mounts);
        free(container->paths_pointer);
        (void) strv_free(container->masked);
        (void) strv_free(container->readonly);
        free(container->prepare_pointer);
        (void) strv_free(container->mkdir);
        for (size_t i = 0; i < container->n_links; i++)
                spec_link_done(&container->links[i]);
        free(container->links);
}

struct spec *spec_free(struct spec *spec) {
        if (!spec)
                return NULL;
        for (size_t i = 0; i < spec->n_containers; i++)
                spec_container_done(spec->containers + i);
        free(spec->containers);
        spec_mounts_free(spec->volumes, spec->n_volumes);
        spec_mounts_free(spec->host, spec->n_host);
        (void) strv_free(spec->cgroups);
        free(spec->cgroups_pointer);
        free(spec->gc_path);
        free(spec->gc_container);
        free(spec->name);
        (void) strv_free(spec->warnings); /* returns NULL, always */
        free(spec->id);
        free(spec->lease);
        free(spec->canonical);
        free(spec);
        return NULL;
}

static int check_export_size(size_t size, struct failure *f) {
        if (size <= SPEC_EXPORT_SIZE_MAX)
                return 0;
        return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                "bytes of an export: 0 of %d in use, %zu more asked for; spread its mounts over more pods, or have SpecSizeMax= of "
                "podmountd.conf(5) raised above that",
                SPEC_EXPORT_SIZE_MAX, size);
}

int spec_check_export(const char *text, size_t size, uint64_t size_max, struct failure *f) {
        struct json_scan scan;
        int r;

        if (size <= size_max)
                return 0;
        r = check_export_size(size, f);
        if (r == 0)
                r = json_scan(text, size, JSON_DEPTH_MAX, false, &scan);
        if (r != 0 || (scan.n_values <= SPEC_EXPORT_VALUES_MAX && scan.n_containers <= SPEC_EXPORT_CONTAINERS_MAX))
                return r;
        return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                "The export has %zu values, of them %zu arrays and objects; Restore() takes %d and %d: spread its mounts over more pods",
                scan.n_values, scan.n_containers, SPEC_EXPORT_VALUES_MAX, SPEC_EXPORT_CONTAINERS_MAX);
}

/* By its first member, before anybody reads so much. */
static bool looks_exported(const char *text, size_t size) {
        static const char head[] = "{\"podmount-export\"";
        size_t n = 0;

        for (size_t i = 0; i < size && head[n] && (text[i] == head[n] || strchr(" \t\r\n", text[i])); i++)
                n += text[i] == head[n];
        return head[n] == '\0';
}

/* Parses the text within the limits that hold for every document. */
static int parse_text(const char *text, size_t size, uint64_t size_max, struct json_object **ret, struct failure *f) {
        if (size > size_max)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                        "bytes of a spec (SpecSizeMax=): 0 of %llu in use, %zu more asked for; %s have SpecSizeMax= "
                        "of podmountd.conf(5) raised",
                        (unsigned long long) size_max, size,
                        looks_exported(text, size) ? "this is an export of a pod: restore it, by Restore() or `podmountctl restore`, or"
                                                   : "split it, or");
        return json_parse(text, size, ret, f);
}

static int parse_restored_text(const char *text, size_t size, uint64_t size_max, struct json_object **ret, struct failure *f) {
        int r;

        if (size <= size_max)
                return json_parse(text, size, ret, f);
        r = check_export_size(size, f);
        return r != 0 ? r : json_parse_few(text, size, SPEC_EXPORT_VALUES_MAX, SPEC_EXPORT_CONTAINERS_MAX, ret, f);
}

/* linuxkit's file: lists of these, and of what podmount's own form and OCI's have by other names. */
static bool is_runtime(struct json_object *document) {
        static const char *const members[] = {"mounts", "mkdir", "interfaces", "bindNS", "cgroups", "namespace"};
        size_t n = 0;

        if (json_object_get_type(document) != json_type_object || json_object_object_length(document) == 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(members); i++)
                n += json_object_object_get_ex(document, members[i], NULL);
        return n == (size_t) json_object_object_length(document);
}

static int parse_document(struct json_object *document, struct spec *spec, struct failure *f) {
        if (json_object_get_type(document) == json_type_object) {
                if (json_object_object_get_ex(document, "podmount-export", NULL))
                        return document_parse_export(document, spec, f);
                if (json_object_object_get_ex(document, "podmount", NULL))
                        return document_parse_own(document, spec, f);
                if (json_object_object_get_ex(document, "ociVersion", NULL))
                        return document_parse_oci(document, spec, f);
        }
        if (is_runtime(document))
                return reader_fail(f, FAILURE_INVALID_SPEC, "",
                        "this looks like linuxkit's runtime.json, which names no root: leave it as runtime.json beside the config.json of a "
                        "bundle, or give it as \"prepare\" of a container; see podmount-spec(5)");
        return reader_fail(f, FAILURE_INVALID_SPEC, "",
                "this is no spec: give an OCI config.json, an object with \"ociVersion\" and "
                "\"root\", or podmount's own form, {\"podmount\": 1, \"containers\": […]}; see podmount-spec(5)");
}

/* What is no export, and where to go with it. */
static int check_exported(struct json_object *document, struct failure *f) {
        static const char *const members[] = {"podmount", "ociVersion", "root", "containers", "mounts"};
        const bool object = json_object_is_type(document, json_type_object);

        if (object && json_object_object_get_ex(document, "podmount-export", NULL))
                return 0;
        for (size_t i = 0; object && i < ELEMENTSOF(members); i++)
                if (json_object_object_get_ex(document, members[i], NULL))
                        return reader_fail(f, FAILURE_INVALID_SPEC, "",
                                "this is no export of a pod, as `podmountctl export` prints it, but looks like a spec (it has \"%s\"): "
                                "give it to CreatePod(), `podmountctl create`",
                                members[i]);
        return reader_fail(f, FAILURE_INVALID_SPEC, "",
                "this is no export of a pod: that is an object with \"podmount-export\", as `podmountctl export` prints it");
}

static int read_document(struct json_object *document, uint64_t mounts_max, struct spec **ret, struct failure *f) {
        _cleanup_(spec_freep) struct spec *spec = NULL;
        int r = document_check_count(document, mounts_max, f);

        if (r != 0)
                return r;
        spec = calloc(1, sizeof(*spec));
        if (!spec)
                return -ENOMEM;
        r = parse_document(document, spec, f);
        if (r != 0)
                return r;
        spec->canonical = json_canonical(document);
        if (!spec->canonical)
                return -ENOMEM;
        *ret = TAKE_PTR(spec);
        return 0;
}

int spec_parse(
        const char *text, size_t size, uint64_t size_max, uint64_t mounts_max, struct spec **ret, struct failure *f) {
        _cleanup_json_ struct json_object *document = NULL;
        int r = parse_text(text, size, size_max, &document, f);

        return r != 0 ? r : read_document(document, mounts_max, ret, f);
}

int spec_parse_restored(
        const char *text, size_t size, uint64_t size_max, uint64_t mounts_max, struct spec **ret, struct failure *f) {
        _cleanup_json_ struct json_object *document = NULL;
        int r = parse_restored_text(text, size, size_max, &document, f);

        if (r == 0)
                r = check_exported(document, f);
        return r != 0 ? r : read_document(document, mounts_max, ret, f);
}

int spec_parse_container(const char *text, size_t size, uint64_t size_max, uint64_t mounts_max, const char *name,
        struct spec **ret, struct failure *f) {
        _cleanup_(spec_freep) struct spec *spec = NULL;
        struct spec_container *container;
        int r = spec_parse(text, size, size_max, mounts_max, &spec, f);

        if (r != 0)
                return r;
        if (spec->n_containers != 1 && spec->exported)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/parts",
                        "this is an export of a pod of %zu containers, and one is added: restore the pod, by Restore() or `podmountctl restore`, "
                        "or add the spec of one",
                        spec->n_containers);
        if (spec->n_containers != 1)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/containers",
                        "there are %zu containers; add them one by one", spec->n_containers);
        if (spec->n_volumes > 0)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/volumes",
                        "volumes are made with their pod; a container that is added may bind those that it has");
        if (spec->n_host > 0)
                return reader_fail(f, FAILURE_INVALID_SPEC, spec->host->pointer,
                        "mounts on the host are made with their pod; a container that is added has none");
        if (spec->cgroups)
                return reader_fail(f, FAILURE_INVALID_SPEC, spec->cgroups_pointer,
                        "cgroups are made with their pod; a container that is added has none");
        if (spec->gc_path)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/gc",
                        "a pod's gc program is named when the pod is made; a container that is added has none");
        if (spec->visibility != SPEC_VISIBILITY_UNSAID)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/visibility", "a container that is added is where its pod is");
        container = spec->containers;
        if (container->pointer[0] != '\0' && strcmp(container->name, name) != 0)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, container->pointer, "name",
                        "\"%s\" is not the name that the call gives, \"%s\"", container->name, name);
        free(container->name);
        container->name = strdup(name);
        if (!container->name)
                return -ENOMEM;
        *ret = TAKE_PTR(spec);
        return 0;
}

static int parse_one_mount(struct json_object *object, struct spec_mount **ret, size_t *ret_n, struct failure *f) {
        _cleanup_free_ struct spec_mount *mount = calloc(1, sizeof(*mount));
        int r;

        if (!mount)
                return -ENOMEM;
        r = document_parse_mount(object, "", NULL, mount, f);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(mount);
        *ret_n = 1;
        return 0;
}

int spec_parse_mounts(
        const char *text, size_t size, uint64_t size_max, struct spec_mount **ret, size_t *ret_n, struct failure *f) {
        _cleanup_json_ struct json_object *document = NULL;
        enum json_type type;
        int r;

        r = parse_text(text, size, size_max, &document, f);
        if (r != 0)
                return r;
        type = json_object_get_type(document);
        if (type == json_type_object)
                return parse_one_mount(document, ret, ret_n, f);
        if (type != json_type_array)
                return reader_fail(f, FAILURE_INVALID_SPEC, "",
                        "give one OCI mount object or an array of them; see podmount-spec(5)");
        if (json_object_array_length(document) == 0)
                return reader_fail(f, FAILURE_INVALID_SPEC, "", "the array has no mount in it");
        return document_parse_mounts(document, "", NULL, ret, ret_n, f);
}
