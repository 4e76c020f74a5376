/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which namespaces a pod shows: those that a spec names are in its document. Those that SetNamespaces() named for mounts
 * that waited are in no document, and an export that did not say so would come back with the mounts waiting again or, for
 * root, with the host's.
 */

#include <errno.h>
#include <string.h>

#include "pod/export.h"
#include "spec/wanted.h"
#include "util/array.h"
#include "util/json.h"
#include "util/log.h"
#include "util/path.h"

static bool shows_named(const struct record_mount *mount) {
        return mount->request && !mount->nested && !mount->deferred && mount->source && strncmp(mount->source, "fd:", 3) == 0 &&
               wanted_namespace_of(mount->type) != _SPEC_NAMESPACE_MAX;
}

static bool has_name(char *const *names, const char *name) {
        for (; names && *names; names++)
                if (strcmp(*names, name) == 0)
                        return true;
        return false;
}

/* "CONTAINER.pid", or with the container's number where that is no name or is taken. */
static int make_name(const char *container, size_t number, enum spec_namespace shows, char *const *taken, char **ret) {
        _cleanup_free_ char *name = NULL;

        if (asprintf(&name, "%s.%s", container, spec_namespace_name(shows)) < 0) {
                name = NULL;
                return log_oom();
        }
        if (!name_is_valid(name) || has_name(taken, name)) {
                free(name);
                if (asprintf(&name, "%zu.%s", number, spec_namespace_name(shows)) < 0) {
                        name = NULL;
                        return log_oom();
                }
        }
        *ret = TAKE_PTR(name);
        return 0;
}

static int add_one(struct json_object *of, enum spec_namespace shows, const char *name) {
        _cleanup_free_ char *text = NULL;
        struct json_object *value;

        if (asprintf(&text, "fd:%s", name) < 0) {
                text = NULL;
                return log_oom();
        }
        value = json_object_new_string(text);
        if (value && json_object_object_add(of, spec_namespace_name(shows), value) == 0)
                return 0;
        (void) json_object_put(value);
        return log_oom();
}

/* Those of one container that no part names. */
static int add_container(const struct record_pod *record, const struct spec *spec, size_t number, char *const *taken,
                         struct json_object *namespaces) {
        const struct spec_container *container = &spec->containers[number];
        _cleanup_json_ struct json_object *of = json_object_new_object();
        int r = of ? 0 : log_oom();

        for (size_t i = 0; r == 0 && i < record->n_mounts; i++) {
                const struct record_mount *mount = &record->mounts[i];
                _cleanup_free_ char *name = NULL;
                enum spec_namespace shows;

                if (!shows_named(mount) || strcmp(mount->container, container->name) != 0)
                        continue;
                shows = wanted_namespace_of(mount->type);
                if (container->namespaces[shows].kind == SOURCE_FD)
                        continue;
                r = make_name(container->name, number, shows, taken, &name);
                if (r == 0)
                        r = add_one(of, shows, name);
        }
        if (r < 0 || json_object_object_length(of) == 0)
                return r;
        if (json_object_object_add(namespaces, container->name, of) < 0)
                return log_oom();
        (void) TAKE_PTR(of); /* the document's */
        return 0;
}

static const char *text_of(struct json_object *object, const char *key) {
        struct json_object *value = NULL;

        return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : NULL;
}

/* The lists for readers have the new names, too, so that the export of what is restored says the same. */
static int rename_sources(struct json_object *document, struct json_object *namespaces) {
        struct json_object *mounts = json_object_object_get(document, "mounts");

        for (size_t i = 0; mounts && i < json_object_array_length(mounts); i++) {
                struct json_object *mount = json_object_array_get_idx(mounts, i), *of = NULL, *name = NULL;
                const char *type = text_of(mount, "type"), *source = text_of(mount, "source");
                enum spec_namespace shows = type ? wanted_namespace_of(type) : _SPEC_NAMESPACE_MAX;

                if (shows == _SPEC_NAMESPACE_MAX || !source || strncmp(source, "fd:", 3) != 0)
                        continue;
                if (!json_object_object_get_ex(namespaces, text_of(mount, "container"), &of) ||
                    !json_object_object_get_ex(of, spec_namespace_name(shows), &name))
                        continue;
                if (json_object_object_add(mount, "source", json_object_get(name)) < 0)
                        return log_oom();
        }
        return 0;
}

int export_add_namespaces(const struct record_pod *record, struct json_object *document, struct failure *f) {
        const char *text = json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN);
        _cleanup_json_ struct json_object *namespaces = json_object_new_object();
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_strv_ char **taken = NULL;
        int r;

        if (!text || !namespaces)
                return log_oom();
        r = spec_parse(text, strlen(text), UINT64_MAX, UINT64_MAX, &spec, f);
        if (r == 0)
                r = spec_fd_names(spec, &taken);
        for (size_t i = 0; r == 0 && i < spec->n_containers; i++)
                r = add_container(record, spec, i, taken, namespaces);
        if (r != 0 || json_object_object_length(namespaces) == 0)
                return r;
        r = rename_sources(document, namespaces);
        if (r < 0)
                return r;
        if (json_object_object_add(document, "namespaces", namespaces) < 0)
                return log_oom();
        (void) TAKE_PTR(namespaces);
        return 0;
}
