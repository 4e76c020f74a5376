/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What config-linux.md says of a container's tree beside its mounts: paths that are hidden or read-only, and the
 * propagation of the root. podmount's own form takes the same members.
 */

#include <string.h>

#include "spec/document.h"
#include "spec/option.h"
#include "spec/reader.h"
#include "util/json.h"
#include "util/path.h"

static int parse_path(const char *text, const char *pointer, char **ret, struct failure *f) {
        _cleanup_free_ char *path = NULL;
        int r = path_normalize(text, &path);

        switch (r) {
        case 0:
                break;
        case -EINVAL:
                return reader_fail(f, FAILURE_INVALID_TARGET, pointer,
                        "\"%.80s\" is relative; give an absolute path inside the container", text);
        case -EXDEV:
                return reader_fail(f, FAILURE_INVALID_TARGET, pointer,
                        "\"%.80s\" has a \"..\" in it; give the path that it leads to", text);
        case -ENAMETOOLONG:
                return reader_fail(f, FAILURE_INVALID_TARGET, pointer,
                        "the path \"%.40s…\" is longer than a path may be (4095 bytes, 255 a component)", text);
        default:
                return r;
        }
        if (strcmp(path, "/") == 0)
                return reader_fail(f, FAILURE_INVALID_TARGET, pointer,
                        "\"/\" is the whole root; make that read-only, or leave it out");
        *ret = TAKE_PTR(path);
        return 0;
}

int document_parse_path_list(
        struct json_object *object, const char *pointer, const char *key, char ***ret, struct failure *f) {
        _cleanup_free_ char *list = json_pointer_join(pointer, key);
        _cleanup_strv_ char **paths = NULL;
        struct json_object *array = NULL;
        size_t n;
        int r;

        if (!list)
                return -ENOMEM;
        r = reader_get(object, pointer, key, json_type_array, &array, f);
        if (r != 0 || !array)
                return r;
        n = json_object_array_length(array);
        if (n > SPEC_PATHS_MAX)
                return reader_fail(f, FAILURE_INVALID_SPEC, list, "there are %zu paths, and the limit is %d", n,
                        SPEC_PATHS_MAX);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *place = json_pointer_join_index(list, i), *text = NULL, *path = NULL;

                if (!place)
                        return -ENOMEM;
                r = reader_copy_string(json_object_array_get_idx(array, i), place, &text, f);
                if (r == 0)
                        r = parse_path(text, place, &path, f);
                if (r == 0)
                        r = strv_append(&paths, path);
                if (r != 0)
                        return r;
        }
        *ret = TAKE_PTR(paths);
        return 0;
}

int document_parse_paths(
        struct json_object *object, const char *pointer, struct spec_container *container, struct failure *f) {
        int r;

        container->paths_pointer = strdup(pointer);
        if (!container->paths_pointer)
                return -ENOMEM;
        r = document_parse_path_list(object, pointer, "maskedPaths", &container->masked, f);
        return r != 0 ? r : document_parse_path_list(object, pointer, "readonlyPaths", &container->readonly, f);
}

int document_parse_propagation(struct json_object *object, const char *pointer, const char *key,
        struct spec_container *container, struct failure *f) {
        _cleanup_free_ char *word = NULL;
        const struct option_row *row;
        int r = reader_get_string(object, pointer, key, &word, f);

        if (r != 0 || !word)
                return r;
        row = option_find(word);
        if (!row || row->kind != OPTION_PROPAGATION)
                return reader_fail_member(f, FAILURE_INVALID_SPEC, pointer, key,
                        "\"%.80s\" is no propagation; give shared, slave, private, unbindable, or one of these with an r "
                        "before it",
                        word);
        container->propagation = row->propagation;
        container->propagation_recursive = row->recursive;
        return 0;
}
