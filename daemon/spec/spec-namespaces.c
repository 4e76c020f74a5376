/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Namespaces by fd: which ones a spec may name, and the member that names them. A path would be a magic link, which
 * podmount never follows; whoever can open it sends the fd.
 */

#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "spec/source.h"
#include "util/json.h"

static const char *const names[_SPEC_NAMESPACE_MAX] = {
        [SPEC_NAMESPACE_PID] = "pid",
        [SPEC_NAMESPACE_NET] = "net",
        [SPEC_NAMESPACE_IPC] = "ipc",
        [SPEC_NAMESPACE_CGROUP] = "cgroup",
};

const char *spec_namespace_name(enum spec_namespace name_space) {
        return (unsigned) name_space < _SPEC_NAMESPACE_MAX ? names[name_space] : "unknown";
}

enum spec_namespace spec_namespace_find(const char *name) {
        if (strcmp(name, "network") == 0)
                return SPEC_NAMESPACE_NET;
        for (unsigned i = 0; i < _SPEC_NAMESPACE_MAX; i++)
                if (strcmp(names[i], name) == 0)
                        return (enum spec_namespace) i;
        return _SPEC_NAMESPACE_MAX;
}

static int parse_one(
        struct json_object *value, const char *name, const char *pointer, struct source *ret, struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join(pointer, name), *text = NULL;
        enum spec_namespace found = spec_namespace_find(name);
        int r;

        if (!place)
                return -ENOMEM;
        if (found == _SPEC_NAMESPACE_MAX)
                return reader_fail(f, FAILURE_INVALID_SPEC, place,
                        "no file system shows such a namespace; name pid, net, ipc or cgroup");
        r = reader_copy_string(value, place, &text, f);
        if (r != 0)
                return r;
        if (!source_is_fd(text))
                return reader_fail(f, FAILURE_INVALID_SPEC, place,
                        "\"%.80s\" is no fd of the call; open the namespace, /proc/PID/ns/%s, send the fd, and write fd:NAME",
                        text, names[found]);
        source_done(&ret[found]);
        return source_parse(text, place, FAILURE_INVALID_SPEC, &ret[found], f);
}

int document_parse_named(struct json_object *object, const char *pointer, struct source *ret, struct failure *f) {
        struct json_object_iterator it, end = json_object_iter_end(object);
        int r = 0;

        for (it = json_object_iter_begin(object); r == 0 && !json_object_iter_equal(&it, &end); json_object_iter_next(&it))
                r = parse_one(json_object_iter_peek_value(&it), json_object_iter_peek_name(&it), pointer, ret, f);
        return r;
}

int document_parse_namespaces(struct json_object *object, const char *pointer, struct source *ret, struct failure *f) {
        _cleanup_free_ char *place = json_pointer_join(pointer, "namespaces");
        struct json_object *namespaces = NULL;
        int r;

        if (!place)
                return -ENOMEM;
        r = reader_get(object, pointer, "namespaces", json_type_object, &namespaces, f);
        if (r != 0 || !namespaces)
                return r;
        return document_parse_named(namespaces, place, ret, f);
}
