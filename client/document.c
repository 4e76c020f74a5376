/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reads documents whole and touches in them only what is relative. A document that needs no change is sent byte for
 * byte, so that the daemon judges what the user wrote and not what a JSON library made of it.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "client/document.h"
#include "client/report.h"
#include "client/value.h"
#include "dbus/names.h"
#include "util/failure.h"
#include "util/path.h"

void document_done(struct document *document) {
        free(document->text);
        free(document->base);
        *document = (struct document) {0};
}

static bool has_dotdot(const char *path) {
        for (const char *p = path; *p;) {
                size_t length = strcspn(p, "/");

                if (length == 2 && p[0] == '.' && p[1] == '.')
                        return true;
                p += length + strspn(p + length, "/");
        }
        return false;
}

char *document_absolute(const char *base, const char *path) {
        _cleanup_free_ char *joined = NULL;
        char *resolved;

        if (*path == '/')
                return strdup(path);
        joined = path_join(base, path);
        if (!joined || !has_dotdot(joined))
                return TAKE_PTR(joined);
        resolved = realpath(joined, NULL);
        return resolved ? resolved : TAKE_PTR(joined);
}

/* Makes one string member absolute. */
static int absolutize_member(struct json_object *object, const char *key, const char *base) {
        const char *path = value_string(object, key, NULL);
        _cleanup_free_ char *absolute = NULL;

        if (!path || !*path || *path == '/' || strncmp(path, "fd:", 3) == 0 || strncmp(path, "volume:", 7) == 0)
                return 0;
        if (!base)
                return -EXDEV;
        absolute = document_absolute(base, path);
        if (!absolute)
                return -ENOMEM;
        return value_add(object, key, json_object_new_string(absolute)) < 0 ? -ENOMEM : 1;
}

static bool is_bind(struct json_object *mount) {
        const char *type = value_string(mount, "type", "");
        struct json_object *options = value_array(mount, "options");

        if (strcmp(type, "bind") == 0 || strcmp(type, "rbind") == 0)
                return true;
        for (size_t i = 0; options && i < json_object_array_length(options); i++) {
                struct json_object *option = json_object_array_get_idx(options, i);

                if (json_object_is_type(option, json_type_string) &&
                        (strcmp(json_object_get_string(option), "bind") == 0 ||
                                strcmp(json_object_get_string(option), "rbind") == 0))
                        return true;
        }
        return false;
}

int document_absolutize_mounts(struct json_object *mounts, const char *base) {
        int changed = 0, r;

        if (json_object_is_type(mounts, json_type_object))
                return is_bind(mounts) ? absolutize_member(mounts, "source", base) : 0;
        if (!json_object_is_type(mounts, json_type_array))
                return 0; /* the daemon says what is wrong with it */
        for (size_t i = 0; i < json_object_array_length(mounts); i++) {
                struct json_object *mount = json_object_array_get_idx(mounts, i);

                if (!json_object_is_type(mount, json_type_object))
                        continue;
                r = document_absolutize_mounts(mount, base);
                if (r < 0)
                        return r;
                changed |= r;
        }
        return changed;
}

/* A container, or an OCI document, which has the same two members. */
static int absolutize_container(struct json_object *container, const char *base) {
        struct json_object *root, *prepare, *mounts = value_array(container, "mounts");
        int changed = 0, r;

        if (json_object_object_get_ex(container, "root", &root) && json_object_is_type(root, json_type_object)) {
                changed = absolutize_member(root, "path", base);
                if (changed < 0)
                        return changed;
        }
        r = mounts ? document_absolutize_mounts(mounts, base) : 0;
        if (r < 0)
                return r;
        changed |= r;
        if (!json_object_object_get_ex(container, "prepare", &prepare) || !json_object_is_type(prepare, json_type_object))
                return changed;
        mounts = value_array(prepare, "mounts");
        r = mounts ? document_absolutize_mounts(mounts, base) : 0;
        if (r < 0)
                return r;
        changed |= r;
        mounts = value_array(prepare, "hostMounts");
        r = mounts ? document_absolutize_mounts(mounts, base) : 0;
        return r < 0 ? r : changed | r;
}

int document_absolutize_spec(struct json_object *spec, const char *base) {
        struct json_object *containers, *volumes;
        int changed, r;

        if (!json_object_is_type(spec, json_type_object))
                return 0;
        changed = absolutize_container(spec, base);
        volumes = value_array(spec, "volumes");
        if (changed >= 0 && volumes) {
                r = document_absolutize_mounts(volumes, base);
                changed = r < 0 ? r : changed | r;
        }
        containers = value_array(spec, "containers");
        for (size_t i = 0; changed >= 0 && containers && i < json_object_array_length(containers); i++) {
                struct json_object *container = json_object_array_get_idx(containers, i);

                if (!json_object_is_type(container, json_type_object))
                        continue;
                r = absolutize_container(container, base);
                changed = r < 0 ? r : changed | r;
        }
        return changed;
}

static int read_stream(FILE *stream, const char *where, struct document *document) {
        size_t allocated = 0;

        for (;;) {
                size_t n;

                if (document->size + 1 >= allocated) {
                        size_t larger = allocated ? allocated * 2 : 65536;
                        char *text = realloc(document->text, larger);

                        if (!text)
                                return report_oom();
                        document->text = text;
                        allocated = larger;
                }
                n = fread(document->text + document->size, 1, allocated - document->size - 1, stream);
                document->size += n;
                document->text[document->size] = '\0';
                if (document->size > DOCUMENT_MAX)
                        return report_error(
                                "%s is larger than %d MiB; no spec is", where, DOCUMENT_MAX / (1024 * 1024));
                if (n == 0)
                        break;
        }
        return ferror(stream) ? report_errno(errno, "Cannot read %s", where) : 0;
}

/* The directory of a path that was opened, or our own for stdin. */
static int set_base(const char *path, bool is_directory, struct document *document) {
        _cleanup_free_ char *directory = path ? strdup(path) : NULL;
        char *slash;

        if (!path) {
                document->base = realpath(".", NULL);
        } else if (!directory) {
                return report_oom();
        } else {
                slash = is_directory ? NULL : strrchr(directory, '/');
                if (slash)
                        slash[slash == directory ? 1 : 0] = '\0';
                document->base = realpath(is_directory || slash ? directory : ".", NULL);
        }
        return document->base ? 0 : report_errno(errno, "Cannot tell the directory of %s", path ? path : "this shell");
}

static int read_whole(const char *where, struct document *document) {
        _cleanup_fclose_ FILE *stream = NULL;
        _cleanup_free_ char *inside = NULL;
        struct stat st;
        bool is_directory;
        int r;

        if (strcmp(where, "-") == 0) {
                r = set_base(NULL, true, document);
                return r != 0 ? r : read_stream(stdin, "stdin", document);
        }
        is_directory = stat(where, &st) == 0 && S_ISDIR(st.st_mode);
        document->is_bundle = is_directory;
        if (is_directory) {
                inside = path_join(where, "config.json");
                if (!inside)
                        return report_oom();
        }
        stream = fopen(inside ? inside : where, "re");
        if (!stream)
                return report_errno(errno, "Cannot open %s", inside ? inside : where);
        r = set_base(where, is_directory, document);
        return r != 0 ? r : read_stream(stream, inside ? inside : where, document);
}

/* The runtime.json beside a bundle's config.json, if there is one, as the member that the daemon reads it from. */
static int add_runtime(const char *where, struct json_object *spec, bool *ret_added) {
        _cleanup_free_ char *path = path_join(where, "runtime.json");
        _cleanup_document_ struct document document = {0};
        _cleanup_failure_ struct failure failure = FAILURE_INIT;
        _cleanup_json_ struct json_object *runtime = NULL;
        _cleanup_fclose_ FILE *stream = NULL;
        int r;

        if (!path)
                return report_oom();
        stream = fopen(path, "re");
        if (!stream)
                return errno == ENOENT ? 0 : report_errno(errno, "Cannot open %s", path);
        r = read_stream(stream, path, &document);
        if (r != 0)
                return r;
        r = json_parse(document.text, document.size, &runtime, &failure);
        if (r < 0)
                return report_errno(r, "Cannot parse %s", path);
        if (r > 0)
                return report_failure(PODMOUNT_ERROR_INVALID_SPEC, &failure);
        if (!json_object_is_type(spec, json_type_object))
                return 0; /* the daemon says what is wrong with it */
        if (json_object_object_get_ex(spec, "prepare", NULL))
                return report_error("%s: config.json has a member \"prepare\" already; use one of the two", path);
        if (value_add(spec, "prepare", TAKE_PTR(runtime)) < 0)
                return report_oom();
        *ret_added = true;
        return 0;
}

static int absolutize(const struct client *client, int (*change)(struct json_object *, const char *), const char *bundle,
        struct document *document) {
        bool elsewhere = client->transport == CLIENT_HOST || client->transport == CLIENT_MACHINE;
        _cleanup_json_ struct json_object *json = NULL;
        _cleanup_failure_ struct failure failure = FAILURE_INIT;
        bool added = false;
        char *text;
        int r;

        r = json_parse(document->text, document->size, &json, &failure);
        if (r < 0)
                return report_errno(r, "Cannot parse the document");
        if (r > 0)
                return report_failure(PODMOUNT_ERROR_INVALID_SPEC, &failure);
        if (bundle) {
                r = add_runtime(bundle, json, &added);
                if (r != 0)
                        return r;
        }
        r = change(json, elsewhere ? NULL : document->base);
        if (r == -EXDEV)
                return report_error(
                        "The document has relative paths, which mean nothing on %s; make them absolute", client->where);
        if (r < 0)
                return report_oom();
        if (r == 0 && !added)
                return 0;
        text = strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        if (!text)
                return report_oom();
        free(document->text);
        document->text = text;
        document->size = strlen(text);
        return 0;
}

static int read_document(const struct client *client, const char *where, bool mounts, struct document *ret) {
        _cleanup_document_ struct document document = {0};
        int r;

        if (mounts && (*where == '{' || *where == '[')) {
                document.text = strdup(where);
                if (!document.text)
                        return report_oom();
                document.size = strlen(where);
                r = set_base(NULL, true, &document);
        } else {
                r = read_whole(where, &document);
        }
        if (r == 0)
                r = absolutize(client, mounts ? document_absolutize_mounts : document_absolutize_spec,
                        !mounts && document.is_bundle ? where : NULL, &document);
        if (r != 0)
                return r;
        if (strlen(document.text) != document.size)
                return report_error("%s holds NUL bytes; a spec is JSON text", where);
        *ret = document;
        document = (struct document) {0};
        return 0;
}

int document_read_spec(const struct client *client, const char *where, struct document *ret) {
        return read_document(client, where, false, ret);
}

int document_read_mounts(const struct client *client, const char *where, struct document *ret) {
        return read_document(client, where, true, ret);
}
