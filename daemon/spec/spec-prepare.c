/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What has to be there before a container starts, in the words of linuxkit's runtime.json: mounts (whose overlays get
 * their upper and work directories made), then directories, network interfaces, cgroups, and namespaces that are bound to files; and, in
 * words of our own, mounts on the host.
 */

#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "spec/warning.h"
#include "util/array.h"
#include "util/json.h"

static int check_members(struct json_object *prepare, const char *pointer, bool strict, char ***warnings,
        struct failure *f) {
        static const char *const known[] = {"mounts", "hostMounts", "mkdir", "cgroups", "interfaces", "bindNS", NULL};

        if (strict)
                return reader_check_known(prepare, pointer, known, f);
        json_object_object_foreach(prepare, key, value) {
                _cleanup_free_ char *place = reader_is_known(known, key) ? NULL : json_pointer_join(pointer, key);
                int r;

                (void) value;
                if (reader_is_known(known, key))
                        continue;
                r = place ? warning_add(warnings, "%s is not applied: podmount does not know it", place) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Behind the container's own, which may be what they go on. */
static int append_mounts(struct spec_container *container, struct spec_mount *mounts, size_t n) {
        for (size_t i = 0; i < n; i++) {
                struct spec_mount *mount = array_append(&container->mounts, &container->n_mounts);

                if (!mount)
                        return -ENOMEM;
                *mount = mounts[i];
                mount->prepared = true;
                mounts[i] = (struct spec_mount) {.pointer = NULL};
        }
        return 0;
}

static int parse_mounts(struct json_object *prepare, const char *pointer, bool strict,
        struct spec_container *container, char ***warnings, struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join(pointer, "mounts");
        struct json_object *array = NULL;
        struct spec_mount *mounts = NULL;
        size_t n = 0;
        int r;

        if (!place)
                return -ENOMEM;
        r = reader_get(prepare, pointer, "mounts", json_type_array, &array, f);
        if (r != 0 || !array)
                return r;
        r = document_parse_mounts(array, place, strict ? NULL : warnings, &mounts, &n, f);
        if (r != 0)
                return r;
        r = append_mounts(container, mounts, n);
        spec_mounts_free(mounts, n);
        return r < 0 ? r : document_check_duplicates(container->mounts, container->n_mounts, f);
}

static int append_host(struct spec *spec, struct spec_mount *mounts, size_t n) {
        for (size_t i = 0; i < n; i++) {
                struct spec_mount *mount = array_append(&spec->host, &spec->n_host);

                if (!mount)
                        return -ENOMEM;
                *mount = mounts[i];
                mount->prepared = true;
                mounts[i] = (struct spec_mount) {.pointer = NULL};
        }
        return 0;
}

int document_parse_host(struct json_object *object, const char *pointer, char ***warnings, struct spec *spec,
        struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join(pointer, "hostMounts");
        struct json_object *array = NULL;
        struct spec_mount *mounts = NULL;
        size_t n = 0;
        int r = place ? reader_get(object, pointer, "hostMounts", json_type_array, &array, f) : -ENOMEM;

        if (r != 0 || !array)
                return r;
        if (spec->n_host + json_object_array_length(array) > SPEC_HOST_MAX)
                return reader_fail(f, FAILURE_INVALID_SPEC, place, "a pod has at most %d mounts on the host", SPEC_HOST_MAX);
        r = document_parse_mounts(array, place, warnings, &mounts, &n, f);
        if (r != 0)
                return r;
        r = append_host(spec, mounts, n);
        spec_mounts_free(mounts, n);
        return r;
}

int document_parse_prepare(struct json_object *object, const char *pointer, bool strict, struct spec *spec,
        struct spec_container *container, struct failure *f) {
        char ***warnings = &spec->warnings;
        _cleanup_free_ char *place = json_pointer_join(pointer, "prepare");
        struct json_object *prepare = NULL;
        int r;

        if (!place)
                return -ENOMEM;
        r = reader_get(object, pointer, "prepare", json_type_object, &prepare, f);
        if (r != 0 || !prepare)
                return r;
        r = check_members(prepare, place, strict, warnings, f);
        if (r == 0)
                r = parse_mounts(prepare, place, strict, container, warnings, f);
        if (r == 0)
                r = document_parse_host(prepare, place, strict ? NULL : warnings, spec, f);
        if (r == 0)
                r = document_parse_pins(prepare, place, container->name, spec, f);
        if (r == 0)
                r = document_parse_links(prepare, place, strict ? NULL : warnings, spec, container, f);
        if (r == 0)
                r = document_parse_cgroups(prepare, place, spec, f);
        if (r == 0)
                r = document_parse_path_list(prepare, place, "mkdir", &container->mkdir, f);
        container->prepare_pointer = TAKE_PTR(place);
        return r;
}
