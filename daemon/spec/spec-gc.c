/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The program that a pod wants to be run before it is collected. Whether it may, and as whom, is decided when it is to run. */

#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "util/path.h"

static int parse_path(struct json_object *object, struct spec *spec, struct failure *f) {
        _cleanup_free_ char *path = NULL;
        int r = reader_get_string(object, "/gc", "path", &path, f);

        if (r != 0)
                return r;
        if (!path)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/gc/path", "it is missing; name a program in the container's root");
        r = path_normalize(path, &spec->gc_path);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || strcmp(spec->gc_path, "/") == 0)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/gc/path", "\"%.256s\" is no absolute path of a file without \"..\"", path);
        return 0;
}

static bool has_container(const struct spec *spec, const char *name) {
        for (size_t i = 0; i < spec->n_containers; i++)
                if (strcmp(spec->containers[i].name, name) == 0)
                        return true;
        return false;
}

static int parse_container(struct json_object *object, struct spec *spec, struct failure *f) {
        int r = reader_get_string(object, "/gc", "container", &spec->gc_container, f);

        if (r != 0)
                return r;
        if (spec->gc_container && !has_container(spec, spec->gc_container))
                return reader_fail(f, FAILURE_INVALID_SPEC, "/gc/container", "the pod has no container \"%.80s\"", spec->gc_container);
        if (spec->gc_container)
                return 0;
        if (spec->n_containers != 1)
                return reader_fail(f, FAILURE_INVALID_SPEC, "/gc/container", "it is missing; the pod has %zu containers", spec->n_containers);
        spec->gc_container = strdup(spec->containers[0].name);
        return spec->gc_container ? 0 : -ENOMEM;
}

int document_parse_gc(struct json_object *document, struct spec *spec, struct failure *f) {
        static const char *const known[] = {"path", "container", NULL};
        struct json_object *object = NULL;
        int r = reader_get(document, "", "gc", json_type_object, &object, f);

        if (r != 0 || !object)
                return r;
        r = reader_check_known(object, "/gc", known, f);
        if (r == 0)
                r = parse_path(object, spec, f);
        return r != 0 ? r : parse_container(object, spec, f);
}
