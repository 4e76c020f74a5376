/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a container has as its root: a directory, which both forms of a spec name alike, or a layer. */

#include "spec/document.h"
#include "spec/reader.h"
#include "spec/source.h"
#include "util/json.h"
#include "util/path.h"

int document_parse_root_path(struct json_object *root, const char *pointer, struct source *ret, struct failure *f) {
        _cleanup_free_ char *path = NULL, *member = NULL;
        int r;

        r = reader_get_string(root, pointer, "path", &path, f);
        if (r != 0)
                return r;
        member = json_pointer_join(pointer, "path");
        if (!member)
                return -ENOMEM;
        if (!path)
                return reader_fail(f, FAILURE_INVALID_SPEC, member,
                        "it is missing; give the absolute path of the container's root "
                        "directory, or fd:NAME for an fd of the call");
        if (path[0] != '/' && !source_is_fd(path) && !source_is_volume(path))
                return reader_fail(f, FAILURE_INVALID_SPEC, member,
                        "\"%.80s\" is relative, and podmountd has no bundle directory to "
                        "start from; give the absolute path (podmountctl does so for a bundle)",
                        path);
        return source_parse(path, member, FAILURE_INVALID_SPEC, ret, f);
}

int document_parse_root_source(struct json_object *root, const char *pointer, struct source *ret, struct failure *f) {
        _cleanup_free_ char *id = NULL;
        int r = reader_get_string(root, pointer, "layer", &id, f);

        if (r != 0)
                return r;
        if (!id)
                return document_parse_root_path(root, pointer, ret, f);
        if (json_object_object_get_ex(root, "path", NULL))
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "layer",
                        "a root is a layer or the directory of a path; give one of them");
        if (!layer_id_is_valid(id))
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "layer",
                        "\"%.140s\" is no id of a layer: 1 to %d letters, digits, '.', '_' and '-', the first a letter or a digit",
                        id, LAYER_ID_MAX);
        *ret = (struct source) {.kind = SOURCE_LAYER, .text = TAKE_PTR(id)};
        return 0;
}
