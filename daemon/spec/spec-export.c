/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The form that Export() writes, podmount-spec(5): the documents that a pod was made of, with the mounts that it had then.
 * It came back from a client, and is read as strictly as any other: what its parts say is checked like the specs that they
 * are. Its lists of mounts and fds are for people and programs outside, and not read.
 */

#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "util/json.h"
#include "util/path.h"

enum { EXPORT_VERSION = 1 };

/* Gives the part's one container the name that it was added under. */
static int rename_container(struct spec *part, const char *pointer, const char *name, struct failure *f) {
        struct spec_container *container = part->containers;

        if (!name_is_valid(name))
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "container", "\"%.80s\" is no name", name);
        if (part->n_containers != 1)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "container",
                        "it names one container, and the part has %zu", part->n_containers);
        free(container->name);
        container->name = strdup(name);
        return container->name ? 0 : -ENOMEM;
}

static int prefix(char **pointer, const char *with) {
        char *longer;

        if (!*pointer)
                return 0;
        if (asprintf(&longer, "%s%s", with, *pointer) < 0)
                return -ENOMEM;
        free(*pointer);
        *pointer = longer;
        return 0;
}

/* Pointers of the part's document become those of the whole. */
static int prefix_all(struct spec_container *container, const char *with) {
        int r = prefix(&container->pointer, with);

        if (r == 0)
                r = prefix(&container->paths_pointer, with);
        if (r == 0)
                r = prefix(&container->prepare_pointer, with);
        for (size_t i = 0; r == 0 && i < container->n_mounts; i++)
                r = prefix(&container->mounts[i].pointer, with);
        return r;
}

static int check_unique(const struct spec *spec, const struct spec_container *new, struct failure *f) {
        for (size_t i = 0; i < spec->n_containers; i++)
                if (strcmp(spec->containers[i].name, new->name) == 0)
                        return reader_fail(f, FAILURE_INVALID_SPEC, new->pointer,
                                "container \"%s\" is there twice", new->name);
        return 0;
}

/* Takes the part's containers over. */
static int join(struct spec *spec, struct spec *part, const char *pointer, struct failure *f) {
        spec->lenient = spec->lenient || part->lenient;
        for (char **warning = part->warnings; warning && *warning; warning++)
                if (strv_append(&spec->warnings, *warning) < 0)
                        return -ENOMEM;
        for (size_t i = 0; i < part->n_containers; i++) {
                struct spec_container *slot;
                int r = prefix_all(&part->containers[i], pointer);

                if (r == 0)
                        r = check_unique(spec, &part->containers[i], f);
                if (r != 0)
                        return r;
                if (spec->n_containers >= SPEC_CONTAINERS_MAX)
                        return reader_fail(f, FAILURE_INVALID_SPEC, pointer, "a pod has at most %d containers",
                                SPEC_CONTAINERS_MAX);
                if (document_count_links(spec) + part->containers[i].n_links > SPEC_LINKS_MAX)
                        return reader_fail(f, FAILURE_INVALID_SPEC, pointer, "a pod has at most %d network interfaces", SPEC_LINKS_MAX);
                slot = array_append(&spec->containers, &spec->n_containers);
                if (!slot)
                        return -ENOMEM;
                *slot = part->containers[i];
                part->containers[i] = (struct spec_container) {.pointer = NULL};
        }
        return 0;
}

static int parse_document(struct json_object *document, const char *place, struct spec *part, struct failure *f) {
        static const char whole[] = "document: ";
        _cleanup_failure_ struct failure inside = FAILURE_INIT;
        bool at_top;
        int r;

        if (json_object_object_get_ex(document, "podmount", NULL))
                r = document_parse_own(document, part, &inside);
        else if (json_object_object_get_ex(document, "ociVersion", NULL))
                r = document_parse_oci(document, part, &inside);
        else
                return reader_fail(f, FAILURE_INVALID_SPEC, place, "this is neither an OCI document nor podmount's own form");
        if (r <= 0)
                return r;
        /* The place is known to the part as its own. */
        at_top = strncmp(inside.text, whole, strlen(whole)) == 0;
        return failure_set(f, inside.kind, "%s%s%s", place, at_top ? ": " : "", inside.text + (at_top ? strlen(whole) : 0));
}

static int parse_part(struct json_object *object, const char *pointer, struct spec *spec, struct failure *f) {
        static const char *const known[] = {"container", "spec", NULL};
        _cleanup_(spec_freep) struct spec *part = calloc(1, sizeof(*part));
        _cleanup_free_ char *name = NULL, *place = json_pointer_join(pointer, "spec");
        struct json_object *document = NULL;
        int r;

        if (!part || !place)
                return -ENOMEM;
        r = reader_check_type(object, json_type_object, pointer, f);
        if (r == 0)
                r = reader_check_known(object, pointer, known, f);
        if (r == 0)
                r = reader_get_string(object, pointer, "container", &name, f);
        if (r == 0)
                r = reader_get(object, pointer, "spec", json_type_object, &document, f);
        if (r != 0)
                return r;
        if (!document)
                return reader_fail(f, FAILURE_INVALID_SPEC, place, "it is missing; each part has a spec");
        r = parse_document(document, place, part, f);
        if (r == 0 && part->n_volumes > 0)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, place, "volumes",
                        "the volumes of an export are a member of the whole document");
        if (r == 0 && part->gc_path)
                return reader_fail(f, FAILURE_INVALID_SPEC, place, "the \"gc\" of an export is a member of the whole document");
        if (r == 0 && part->visibility != SPEC_VISIBILITY_UNSAID)
                return reader_fail(f, FAILURE_INVALID_SPEC, place, "the \"visibility\" of an export is a member of the whole document");
        if (r == 0 && part->n_host > 0)
                return reader_fail(f, FAILURE_INVALID_SPEC, place,
                        "the \"hostMounts\" of an export are a member of the whole document");
        if (r == 0 && part->cgroups)
                return reader_fail(f, FAILURE_INVALID_SPEC, place, "the \"cgroups\" of an export are a member of the whole document");
        if (r == 0 && name)
                r = rename_container(part, pointer, name, f);
        return r != 0 ? r : join(spec, part, place, f);
}

/* Members of the document that say what the pod was called: copied where there, and of the right shape. */
static int parse_head(struct json_object *document, struct spec *spec, struct failure *f) {
        static const char *const known[] = {"podmount-export", "id", "name", "lease", "volumes", "hostMounts", "namespaces", "parts", "mounts", "fds",
                "warnings", "gc", "visibility", "cgroups", NULL};
        struct json_object *version = NULL, *list = NULL;
        int r = reader_get(document, "", "podmount-export", json_type_int, &version, f);

        if (r == 0 && json_object_get_int64(version) != EXPORT_VERSION)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/podmount-export",
                        "version %s of the format is not known to this podmount, which knows %d: restore it with one that is as new as "
                        "that which exported it",
                        json_object_to_json_string(version), EXPORT_VERSION);
        if (r == 0)
                r = reader_check_known(document, "", known, f);
        if (r == 0)
                r = reader_get_string(document, "", "id", &spec->id, f);
        if (r == 0)
                r = reader_get_string(document, "", "name", &spec->name, f);
        if (r == 0)
                r = reader_get_string(document, "", "lease", &spec->lease, f);
        if (r == 0)
                r = document_parse_visibility(document, spec, f);
        if (r == 0)
                r = document_parse_volumes(document, spec, f);
        if (r == 0)
                r = document_parse_host(document, "", NULL, spec, f);
        if (r == 0)
                r = document_parse_cgroups(document, "", spec, f);
        if (r == 0)
                r = reader_get(document, "", "mounts", json_type_array, &list, f);
        if (r == 0)
                r = reader_get(document, "", "fds", json_type_array, &list, f);
        if (r == 0)
                r = reader_get(document, "", "warnings", json_type_array, &list, f);
        if (r == 0 && spec->name && !name_is_valid(spec->name))
                return reader_fail(f, FAILURE_INVALID_SPEC, "/name", "\"%.80s\" is no name", spec->name);
        return r;
}

static struct spec_container *find_container(const struct spec *spec, const char *name) {
        for (size_t i = 0; i < spec->n_containers; i++)
                if (strcmp(spec->containers[i].name, name) == 0)
                        return &spec->containers[i];
        return NULL;
}

/* The namespaces of mounts that once waited for them, which no part names: {"CONTAINER": {"pid": "fd:NAME"…}…}. */
static int parse_namespaces(struct json_object *document, struct spec *spec, struct failure *f) {
        struct json_object_iterator it, end;
        struct json_object *object = NULL;
        int r = reader_get(document, "", "namespaces", json_type_object, &object, f);

        if (r != 0 || !object)
                return r;
        end = json_object_iter_end(object);
        for (it = json_object_iter_begin(object); r == 0 && !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
                const char *name = json_object_iter_peek_name(&it);
                struct spec_container *container = find_container(spec, name);
                _cleanup_free_ char *place = json_pointer_join("/namespaces", name);

                if (!place)
                        return -ENOMEM;
                if (!container)
                        return reader_fail(f, FAILURE_INVALID_SPEC, place, "no part has such a container");
                r = reader_check_type(json_object_iter_peek_value(&it), json_type_object, place, f);
                if (r == 0)
                        r = document_parse_named(json_object_iter_peek_value(&it), place, container->namespaces, f);
        }
        return r;
}

int document_parse_export(struct json_object *document, struct spec *spec, struct failure *f) {
        struct json_object *parts = NULL;
        int r = parse_head(document, spec, f);

        spec->exported = true;
        if (r == 0)
                r = reader_get(document, "", "parts", json_type_array, &parts, f);
        if (r != 0)
                return r;
        if (!parts || json_object_array_length(parts) == 0)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/parts", "there is none; a pod has at least one container");
        for (size_t i = 0; i < json_object_array_length(parts); i++) {
                _cleanup_free_ char *pointer = json_pointer_join_index("/parts", i);

                if (!pointer)
                        return -ENOMEM;
                r = parse_part(json_object_array_get_idx(parts, i), pointer, spec, f);
                if (r != 0)
                        return r;
        }
        r = parse_namespaces(document, spec, f);
        if (r == 0)
                r = document_parse_gc(document, spec, f);
        if (r != 0)
                return r;
        json_object_object_del(document, "mounts");
        json_object_object_del(document, "fds");
        json_object_object_del(document, "warnings");
        return 0;
}
