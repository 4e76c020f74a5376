/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A container's root directory, which both forms of a spec name alike. */

#include "spec/document.h"
#include "spec/reader.h"
#include "spec/source.h"
#include "util/json.h"

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
