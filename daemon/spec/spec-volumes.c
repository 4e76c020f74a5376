/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A pod's volumes: mounts that have a name instead of a destination. They become mounts with the name as destination,
 * for everything that is done with mounts is done with them.
 */

#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "util/json.h"
#include "util/path.h"

static int parse_name(struct json_object *object, const char *pointer, struct spec_mount *volume, struct failure *f) {
        _cleanup_free_ char *name = NULL;
        int r = reader_get_string(object, pointer, "name", &name, f);

        if (r != 0)
                return r;
        if (!name)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "name",
                        "it is missing; each volume has a name, by which binds call it: \"source\": \"volume:NAME\"");
        if (!name_is_valid(name))
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "name",
                        "\"%.80s\" is no name: 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit", name);
        volume->destination = path_join("/", name);
        return volume->destination ? 0 : -ENOMEM;
}

static int parse_volume(struct json_object *object, struct spec_mount *volume, struct failure *f) {
        static const char *const known[] = {"name", "type", "source", "options", "uidMappings", "gidMappings", "userns",
                NULL};
        int r = reader_check_type(object, json_type_object, volume->pointer, f);

        if (r == 0)
                r = reader_check_known(object, volume->pointer, known, f);
        if (r == 0)
                r = parse_name(object, volume->pointer, volume, f);
        return r != 0 ? r : document_fill_mount(object, volume->pointer, volume, f);
}

/* Refuses the last volume if one before it has its name. */
static int check_unique(const struct spec *spec, struct failure *f) {
        const struct spec_mount *last = spec->volumes + spec->n_volumes - 1;

        for (const struct spec_mount *volume = spec->volumes; volume < last; volume++)
                if (strcmp(volume->destination, last->destination) == 0)
                        return reader_fail_member(f, FAILURE_INVALID_SPEC, last->pointer, "name",
                                "\"%s\" is the name of %s already; give each volume a name of its own",
                                last->destination + 1, volume->pointer);
        return 0;
}

int document_parse_volumes(struct json_object *document, struct spec *spec, struct failure *f) {
        struct json_object *array = NULL;
        size_t n;
        int r = reader_get(document, "", "volumes", json_type_array, &array, f);

        if (r != 0 || !array)
                return r;
        n = json_object_array_length(array);
        if (n > SPEC_VOLUMES_MAX)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/volumes", "there are %zu volumes, and a pod has at most %d", n,
                        SPEC_VOLUMES_MAX);
        for (size_t i = 0; r == 0 && i < n; i++) {
                struct spec_mount *volume = array_append(&spec->volumes, &spec->n_volumes);

                if (!volume)
                        return -ENOMEM;
                volume->pointer = json_pointer_join_index("/volumes", i);
                if (!volume->pointer)
                        return -ENOMEM;
                r = parse_volume(json_object_array_get_idx(array, i), volume, f);
                if (r == 0)
                        r = check_unique(spec, f);
        }
        return r;
}
