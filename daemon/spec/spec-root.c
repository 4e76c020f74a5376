/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a container has as its root: a directory, which both forms of a spec name alike, or a layer; and what lies over it. */

#include <string.h>

#include "spec/document.h"
#include "spec/reader.h"
#include "spec/source.h"
#include "util/json.h"
#include "util/path.h"

#define OVERLAY_SIZE_MIN INT64_C(65536)
#define OVERLAY_SIZE_MAX (INT64_C(1) << 49)

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

static enum spec_overlay overlay_of(const char *word) {
        static const struct {
                const char *word;
                enum spec_overlay overlay;
        } overlays[] = {{"tmpfs", SPEC_OVERLAY_TMPFS}, {"all", SPEC_OVERLAY_ALL}, {"persistent", SPEC_OVERLAY_PERSISTENT}};

        for (size_t i = 0; word && i < ELEMENTSOF(overlays); i++)
                if (strcmp(word, overlays[i].word) == 0)
                        return overlays[i].overlay;
        return SPEC_OVERLAY_NONE;
}

static int check_persistent(
        struct spec_container *container, const char *pointer, const struct json_object *size, struct failure *f) {
        if (container->root.kind != SOURCE_LAYER)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "overlay",
                        "\"persistent\" is for a root that is a read-write layer, which takes what is written; a directory takes it "
                        "without an overlay");
        if (container->root_readonly)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "overlay",
                        "nothing can be written to a root that is readonly; leave one of the two out");
        if (size)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "overlaySize",
                        "it is the size of a tmpfs, and a layer has none");
        container->overlay = SPEC_OVERLAY_PERSISTENT;
        return 0;
}

int document_parse_overlay(
        struct json_object *root, const char *pointer, struct spec_container *container, struct failure *f) {
        _cleanup_free_ char *overlay = NULL;
        struct json_object *size = NULL;
        enum spec_overlay kind;
        int r;

        r = reader_get_string(root, pointer, "overlay", &overlay, f);
        if (r == 0)
                r = reader_get(root, pointer, "overlaySize", json_type_int, &size, f);
        if (r != 0)
                return r;
        kind = overlay_of(overlay);
        if (kind == SPEC_OVERLAY_NONE && overlay)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "overlay",
                        "\"%.80s\" is no overlay of a root; there are \"tmpfs\", over the root, \"all\", over each "
                        "writable bind, too, and \"persistent\", of a read-write layer",
                        overlay);
        if (kind == SPEC_OVERLAY_PERSISTENT)
                return check_persistent(container, pointer, size, f);
        if (size && (!overlay || json_object_get_int64(size) < OVERLAY_SIZE_MIN ||
                            json_object_get_int64(size) > OVERLAY_SIZE_MAX))
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, "overlaySize",
                        "it is the size of the overlay's tmpfs in bytes, %lld to %lld, and needs the member overlay",
                        (long long) OVERLAY_SIZE_MIN, (long long) OVERLAY_SIZE_MAX);
        container->overlay_size = size ? (uint64_t) json_object_get_int64(size) : 0;
        container->overlay = kind;
        return 0;
}
