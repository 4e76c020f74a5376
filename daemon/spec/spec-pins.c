/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which namespaces of a container's process are bound to files of the host: member "bindNS" of what linuxkit prepares. Each
 * becomes a mount on the host, of a type of its own.
 */

#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "util/array.h"
#include "util/json.h"
#include "util/text.h"

bool spec_pin_find(const char *kind) {
        static const char *const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strcmp(kinds[i], kind) == 0)
                        return true;
        return false;
}

const char *spec_pin_kind(const char *source) {
        const char *colon = source ? strrchr(source, ':') : NULL;

        return colon && colon > source && spec_pin_find(colon + 1) ? colon + 1 : NULL;
}

bool spec_pin_is_of(const char *source, const char *container) {
        const char *kind = spec_pin_kind(source);
        size_t size = strlen(container);

        return kind && (size_t) (kind - 1 - source) == size && strncmp(source, container, size) == 0;
}

/* The mount that the member comes to, as a document would have it. */
static struct json_object *make_mount(const char *container, const char *kind, const char *path) {
        _cleanup_json_ struct json_object *mount = json_object_new_object();
        _cleanup_free_ char *source = text_format("%s:%s", container, kind);

        if (!mount || !source || json_object_object_add(mount, "destination", json_object_new_string(path)) < 0 ||
                json_object_object_add(mount, "source", json_object_new_string(source)) < 0 ||
                json_object_object_add(mount, "type", json_object_new_string(SPEC_PIN_TYPE)) < 0)
                return NULL;
        return TAKE_PTR(mount);
}

/* An empty path asks for nothing, as with linuxkit. */
static int parse_one(struct json_object *value, const char *kind, const char *pointer, const char *container, struct spec *spec,
        struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join(pointer, kind), *path = NULL;
        _cleanup_json_ struct json_object *object = NULL;
        struct spec_mount *mount;
        int r;

        if (!place)
                return -ENOMEM;
        if (!spec_pin_find(kind))
                return reader_fail(f, FAILURE_INVALID_SPEC, place,
                        "no process has such a namespace; name cgroup, ipc, mnt, net, pid, user or uts");
        if (json_object_is_type(value, json_type_string) && json_object_get_string_len(value) == 0)
                return 0;
        r = reader_copy_string(value, place, &path, f);
        if (r != 0)
                return r;
        if (spec->n_host >= SPEC_HOST_MAX)
                return reader_fail(f, FAILURE_INVALID_SPEC, place, "a pod has at most %d mounts on the host", SPEC_HOST_MAX);
        object = make_mount(container, kind, path);
        mount = object ? array_append(&spec->host, &spec->n_host) : NULL;
        if (!mount)
                return -ENOMEM;
        r = document_parse_mount(object, place, NULL, mount, f);
        if (r == 0)
                mount->prepared = true;
        else
                spec->n_host--; /* it has nothing yet */
        return r;
}

int document_parse_pins(struct json_object *object, const char *pointer, const char *container, struct spec *spec,
        struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join(pointer, "bindNS");
        struct json_object *pins = NULL;
        int r = place ? reader_get(object, pointer, "bindNS", json_type_object, &pins, f) : -ENOMEM;

        if (r != 0 || !pins)
                return r;
        json_object_object_foreach(pins, kind, value) {
                r = parse_one(value, kind, place, container, spec, f);
                if (r != 0)
                        return r;
        }
        return 0;
}
