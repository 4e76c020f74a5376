/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One mount as the OCI runtime specification writes it (config.md, "Mounts"), read from a document, made from the
 * arguments of a Bind() call, and written in its canonical form.
 */

#include <string.h>

#include "spec/document.h"
#include "spec/option.h"
#include "spec/reader.h"
#include "spec/source.h"
#include "spec/warning.h"
#include "util/json-writer.h"
#include "util/json.h"
#include "util/path.h"

/* Normalises a destination; `pointer` is its place. */
static int parse_destination(const char *text, const char *pointer, char **ret, struct failure *f) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = path_normalize(text, &path);
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
                        "the path \"%.40s…\" is longer than a path may be (4095 bytes, 255 a "
                        "component)",
                        text);
        default:
                return r;
        }
        if (strcmp(path, "/") == 0)
                return reader_fail(f, FAILURE_INVALID_TARGET, pointer,
                        "\"/\" is the container's root, which root.path names; choose a "
                        "destination below it");
        *ret = TAKE_PTR(path);
        return 0;
}

/* Checks what holds for every option, whatever it means. */
static int check_option(const char *option, const char *pointer, struct failure *f) {
        if (option[0] == '\0')
                return reader_fail(f, FAILURE_INVALID_OPTION, pointer, "the option is empty; leave it out");
        if (strlen(option) > SPEC_OPTION_MAX && strncmp(option, "lowerdir=", strlen("lowerdir=")) != 0)
                return reader_fail(f, FAILURE_INVALID_OPTION, pointer, "the option \"%.40s…\" is longer than %d bytes",
                        option, SPEC_OPTION_MAX);
        return 0;
}

/* Layers have a limit of their own. */
static int check_options_count(char *const *options, const char *pointer, struct failure *f) {
        size_t n = strv_length(options);

        if (n <= SPEC_OPTIONS_MAX)
                return 0;
        for (char *const *option = options; option && *option; option++)
                n -= strncmp(*option, "lowerdir+=", strlen("lowerdir+=")) == 0;
        if (n <= SPEC_OPTIONS_MAX)
                return 0;
        return reader_fail(f, FAILURE_INVALID_OPTION, pointer, "there are %zu options, and a mount has at most %d", n,
                SPEC_OPTIONS_MAX);
}

static int parse_options(struct json_object *array, const char *pointer, char ***ret, struct failure *f) {
        _cleanup_strv_ char **options = NULL;
        size_t n = json_object_array_length(array);
        int r;

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *place = json_pointer_join_index(pointer, i), *option = NULL;

                if (!place)
                        return -ENOMEM;
                r = reader_copy_string(json_object_array_get_idx(array, i), place, &option, f);
                if (r != 0)
                        return r;
                r = check_option(option, place, f);
                if (r != 0)
                        return r;
                r = strv_append(&options, option);
                if (r < 0)
                        return r;
        }
        r = check_options_count(options, pointer, f);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(options);
        return 0;
}

/* Members that podmount does not know are told in an OCI document, which demands it, and else refused. */
static int check_members(struct json_object *object, const char *pointer, char ***warnings, struct failure *f) {
        static const char *const known[] = {
                "destination", "type", "source", "options", "uidMappings", "gidMappings", "userns", NULL};
        struct json_object_iterator it = json_object_iter_begin(object), end = json_object_iter_end(object);

        if (!warnings)
                return reader_check_known(object, pointer, known, f);
        for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
                const char *name = json_object_iter_peek_name(&it);
                _cleanup_free_ char *member = NULL;
                int r;

                if (reader_is_known(known, name))
                        continue;
                member = json_pointer_join(pointer, name);
                if (!member)
                        return -ENOMEM;
                r = warning_add(warnings, "%s is not applied: podmount does not know it", member);
                if (r < 0)
                        return r;
        }
        return 0;
}

int document_fill_mount(struct json_object *object, const char *pointer, struct spec_mount *mount, struct failure *f) {
        _cleanup_free_ char *place = NULL;
        struct json_object *options = NULL;
        int r;

        r = reader_get_string(object, pointer, "type", &mount->type, f);
        if (r == 0)
                r = reader_get_string(object, pointer, "source", &mount->source, f);
        if (r == 0)
                r = document_parse_idmap(object, pointer, &mount->idmap, &mount->userns, f);
        if (r == 0)
                r = reader_get(object, pointer, "options", json_type_array, &options, f);
        if (r != 0 || !options)
                return r;
        place = json_pointer_join(pointer, "options");
        if (!place)
                return -ENOMEM;
        return parse_options(options, place, &mount->options, f);
}

/* Reads the members; what is filled on failure is the caller's to release. */
static int fill_mount(struct json_object *object, const char *pointer, struct spec_mount *mount, struct failure *f) {
        _cleanup_free_ char *destination = NULL, *place = NULL;
        int r;

        r = reader_get_string(object, pointer, "destination", &destination, f);
        if (r != 0)
                return r;
        place = json_pointer_join(pointer, "destination");
        if (!place)
                return -ENOMEM;
        if (!destination)
                return reader_fail(
                        f, FAILURE_INVALID_SPEC, place, "it is missing; give the absolute path inside the container");
        r = parse_destination(destination, place, &mount->destination, f);
        return r != 0 ? r : document_fill_mount(object, pointer, mount, f);
}

int document_parse_mount(
        struct json_object *object, const char *pointer, char ***warnings, struct spec_mount *ret, struct failure *f) {
        _cleanup_(spec_mount_done) struct spec_mount mount = {.pointer = strdup(pointer)};
        int r;

        if (!mount.pointer)
                return -ENOMEM;
        r = reader_check_type(object, json_type_object, pointer, f);
        if (r != 0)
                return r;
        r = check_members(object, pointer, warnings, f);
        if (r != 0)
                return r;
        r = fill_mount(object, pointer, &mount, f);
        if (r != 0)
                return r;
        *ret = mount;
        mount = (struct spec_mount) {.pointer = NULL};
        return 0;
}

static bool has_remount(char *const *options) {
        for (; options && *options; options++) {
                const struct option_row *row = option_find(*options);

                if (row && row->kind == OPTION_REMOUNT)
                        return true;
        }
        return false;
}

/* A remount has a source already. */
static int take_source(const char *source, char *const *options, char **ret, struct failure *f) {
        struct source parsed = {.kind = SOURCE_NONE};
        int r;

        if (!*source && has_remount(options))
                return 0;
        r = source_parse_bind(source, "source", FAILURE_INVALID_ARGS, &parsed, f);
        if (r != 0)
                return r;
        *ret = source_to_text(&parsed);
        source_done(&parsed);
        return *ret ? 0 : -ENOMEM;
}

int spec_mount_from_bind(
        const char *source, const char *target, char *const *options, struct spec_mount *ret, struct failure *f) {
        _cleanup_(spec_mount_done) struct spec_mount mount = {.pointer = strdup("")};
        bool has_bind = false;
        int r;

        if (!mount.pointer)
                return -ENOMEM;
        r = take_source(source, options, &mount.source, f);
        if (r != 0)
                return r;
        r = parse_destination(target, "target", &mount.destination, f);
        if (r != 0)
                return r;
        r = check_options_count(options, "options", f);
        if (r != 0)
                return r;
        r = strv_copy(options, &mount.options);
        if (r < 0)
                return r;
        for (char *const *option = options; option && *option; option++) {
                const struct option_row *row = option_find(*option);

                r = check_option(*option, "options", f);
                if (r != 0)
                        return r;
                has_bind = has_bind || (row && row->kind == OPTION_BIND);
        }
        if (!has_bind) {
                r = strv_append(&mount.options, "bind");
                if (r < 0)
                        return r;
        }
        mount.type = strdup("bind");
        if (!mount.type)
                return -ENOMEM;
        *ret = mount;
        mount = (struct spec_mount) {.pointer = NULL};
        return 0;
}

static void add_member(struct json_writer *out, const char *key, const char *value) {
        json_writer_add(out, key, strlen(key));
        json_writer_add_string(out, value, strlen(value));
}

/* Written directly, in the form of json_canonical(): the keys are in its order. */
int spec_mount_to_text(const struct spec_mount *mount, char **ret) {
        _cleanup_free_ char *userns = source_to_text(&mount->userns);
        struct json_writer out = {.text = NULL};
        char *text;

        if (!userns)
                return -ENOMEM;

        add_member(&out, "{\"destination\":", mount->destination);
        document_write_gids(&out, &mount->idmap);
        for (size_t i = 0; mount->options && mount->options[i]; i++)
                add_member(&out, i == 0 ? ",\"options\":[" : ",", mount->options[i]);
        if (mount->options && mount->options[0])
                json_writer_add_byte(&out, ']');
        if (mount->source)
                add_member(&out, ",\"source\":", mount->source);
        if (mount->type)
                add_member(&out, ",\"type\":", mount->type);
        document_write_uids(&out, &mount->idmap);
        if (mount->userns.kind == SOURCE_FD)
                add_member(&out, ",\"userns\":", userns);
        json_writer_add_byte(&out, '}');
        text = json_writer_take(&out);
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}
