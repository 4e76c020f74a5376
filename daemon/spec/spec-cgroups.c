/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which cgroups a pod has: member "cgroups" of what linuxkit prepares. They are the pod's, whichever of its containers name them,
 * and two that name the same one share it.
 */

#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "util/array.h"
#include "util/json.h"
#include "util/path.h"

bool spec_cgroup_is_name(const char *name) {
        size_t size = strlen(name);

        if (size > SPEC_CGROUP_NAME_MAX || !path_is_component(name))
                return false;
        for (size_t i = 0; i < size; i++)
                if ((unsigned char) name[i] <= ' ' || name[i] == 0x7f)
                        return false;
        return true;
}

static bool is_known(const struct spec *spec, const char *name) {
        for (char **known = spec->cgroups; known && *known; known++)
                if (strcmp(*known, name) == 0)
                        return true;
        return false;
}

static int parse_one(struct json_object *value, const char *pointer, struct spec *spec, struct failure *f) {
        _cleanup_free_ char *name = NULL;
        int r = reader_copy_string(value, pointer, &name, f);

        if (r != 0)
                return r;
        if (!spec_cgroup_is_name(name))
                return reader_fail(f, FAILURE_INVALID_SPEC, pointer,
                        "\"%.80s\" is no name for a cgroup; give one component of a path, of at most %d bytes, without blanks and control characters",
                        name, SPEC_CGROUP_NAME_MAX);
        if (is_known(spec, name))
                return 0;
        if (strv_length(spec->cgroups) >= SPEC_CGROUPS_MAX)
                return reader_fail(f, FAILURE_INVALID_SPEC, pointer, "a pod has at most %d cgroups", SPEC_CGROUPS_MAX);
        return strv_append(&spec->cgroups, name);
}

int document_parse_cgroups(struct json_object *object, const char *pointer, struct spec *spec, struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join(pointer, "cgroups");
        struct json_object *names = NULL;
        int r = place ? reader_get(object, pointer, "cgroups", json_type_array, &names, f) : -ENOMEM;

        for (size_t i = 0; r == 0 && names && i < json_object_array_length(names); i++) {
                _cleanup_free_ char *item = json_pointer_join_index(place, i);

                r = item ? parse_one(json_object_array_get_idx(names, i), item, spec, f) : -ENOMEM;
        }
        if (r == 0 && spec->cgroups && !spec->cgroups_pointer)
                spec->cgroups_pointer = TAKE_PTR(place);
        return r;
}
