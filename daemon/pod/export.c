/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The document has parts: the spec that the pod was made of, and one for each container that was added. Each keeps what it
 * said but for its mounts, which are those on record: what was unmounted is gone, what was mounted since is there. For
 * those who read it, all mounts follow with a name that stays the same, and the fds that Restore() needs anew.
 */

#include "pod/export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pod/lease.h"
#include "spec/spec.h"
#include "store/cgroups.h"
#include "util/array.h"
#include "util/json.h"
#include "util/log.h"

enum { EXPORT_VERSION = 1 };

struct export {
        const struct record_pod *record;
        struct json_object *parts;
        bool added; /* the document is what a container was added by, after the pod was made */
        struct failure *f;
};

/* Each of these takes the value over, also when it fails. */

static int add(struct json_object *object, const char *key, struct json_object *value) {
        if (value && json_object_object_add(object, key, value) == 0)
                return 0;
        (void) json_object_put(value);
        return log_oom();
}

static int append(struct json_object *array, struct json_object *value) {
        if (value && json_object_array_add(array, value) == 0)
                return 0;
        (void) json_object_put(value);
        return log_oom();
}

static int add_text(struct json_object *object, const char *key, const char *text) {
        return text ? add(object, key, json_object_new_string(text)) : 0;
}

/* What the store has was written by us: text that cannot be read is a fault of ours. */
static int parse_own(const char *text, struct json_object **ret) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r = json_parse(text, strlen(text), ret, &f);

        if (r > 0)
                return log_errno(LOG_ERR, EBADMSG, "read a record: %s", f.text);
        return r;
}

static bool is_tree(const struct record_mount *mount) {
        return mount->container[0] == '\0';
}

/* The record of the tmpfs that a container which was added stands on. */
static const struct record_mount *find_added(const struct record_pod *record, const char *container) {
        for (size_t i = 0; i < record->n_mounts; i++)
                if (is_tree(&record->mounts[i]) && record->mounts[i].request && strcmp(record->mounts[i].target, container) == 0)
                        return &record->mounts[i];
        return NULL;
}

static bool is_wanted(const struct record_mount *mount, const char *container) {
        return mount->request && !mount->nested && !is_tree(mount) && strcmp(mount->container, container) == 0;
}

/* Two of one name may be of different calls: a document has one for both. */
static bool has_fd(const struct record_mount *mount) {
        return mount->request && mount->source && strncmp(mount->source, "fd:", 3) == 0 && mount->source_key;
}

static int compare_places(const void *a, const void *b) {
        const struct record_mount *const *x = a, *const *y = b;
        int order = strcmp((*x)->container, (*y)->container);

        return order != 0 ? order : strcmp((*x)->target, (*y)->target);
}

static int compare_sources(const void *a, const void *b) {
        const struct record_mount *const *x = a, *const *y = b;
        int order = strcmp((*x)->source, (*y)->source);

        return order != 0 ? order : strcmp((*x)->source_key, (*y)->source_key);
}

/* In pods of many mounts, too, while others wait: so they are sorted, and neighbours compared. */
static int check(const struct export *export) {
        const struct record_pod *record = export->record;
        _cleanup_free_ const struct record_mount **list = calloc(record->n_mounts + 1, sizeof(*list));
        size_t n = 0;

        if (!list)
                return log_oom();
        for (size_t i = 0; i < record->n_mounts; i++)
                if (is_wanted(&record->mounts[i], record->mounts[i].container))
                        list[n++] = &record->mounts[i];
        qsort(list, n, sizeof(*list), compare_places);
        for (size_t i = 1; i < n; i++)
                if (compare_places(&list[i - 1], &list[i]) == 0)
                        return failure_set(export->f, FAILURE_NOT_SUPPORTED,
                                           "Two mounts are stacked at %s in container %s, which no spec can say; "
                                           "unmount one of them.", list[i]->target, list[i]->container);
        n = 0;
        for (size_t i = 0; i < record->n_mounts; i++)
                if (has_fd(&record->mounts[i]))
                        list[n++] = &record->mounts[i];
        qsort(list, n, sizeof(*list), compare_sources);
        for (size_t i = 1; i < n; i++)
                if (strcmp(list[i - 1]->source, list[i]->source) == 0 && strcmp(list[i - 1]->source_key, list[i]->source_key) != 0)
                        return failure_set(export->f, FAILURE_NOT_SUPPORTED,
                                           "The mounts at %s and %s are of different fds with the same name, %s; "
                                           "unmount one and mount it under another name.", list[i - 1]->target,
                                           list[i]->target, list[i]->source);
        return 0;
}

/* What tells the mounts of "prepare" apart: the texts are those of values that json-c made, so that equal ones are the same. */
static int prepared_key(struct json_object *mount, char **ret) {
        struct json_object *destination = json_object_object_get(mount, "destination"), *options = json_object_object_get(mount, "options");
        const char *place = json_object_to_json_string_ext(destination, JSON_C_TO_STRING_PLAIN);
        const char *more = json_object_to_json_string_ext(options, JSON_C_TO_STRING_PLAIN);

        if (place && more && asprintf(ret, "%s%s", place, more) >= 0)
                return 0;
        *ret = NULL;
        return log_oom();
}

/* Those mounts as the keys of an object, for a pod may have thousands of them. */
static int index_prepared(struct json_object *asked, struct json_object **ret) {
        _cleanup_json_ struct json_object *keys = json_object_new_object();
        int r = keys ? 0 : log_oom();

        for (size_t i = 0; r == 0 && asked && i < json_object_array_length(asked); i++) {
                _cleanup_free_ char *key = NULL;

                r = prepared_key(json_object_array_get_idx(asked, i), &key);
                if (r == 0 && json_object_object_add(keys, key, NULL) < 0)
                        r = log_oom();
        }
        if (r == 0)
                *ret = TAKE_PTR(keys);
        return r;
}

/* Whether the mount is one of "prepare" still (1) or not (0): as such Restore() makes the directories of its overlay, too. */
static int is_prepared(struct json_object *keys, struct json_object *mount) {
        _cleanup_free_ char *key = NULL;

        if (json_object_object_length(keys) == 0)
                return 0;
        return prepared_key(mount, &key) < 0 ? -ENOMEM : json_object_object_get_ex(keys, key, NULL);
}

static int append_mount(struct json_object *mount, struct json_object *keys, struct json_object *prepared, struct json_object *mounts) {
        int r = is_prepared(keys, mount);

        if (r < 0)
                (void) json_object_put(mount);
        return r < 0 ? r : append(r > 0 ? prepared : mounts, mount);
}

/* Replaces the mounts of a container's object, or of an OCI document, and those of its "prepare". */
static int put_mounts(const struct export *export, struct json_object *object, const char *container) {
        struct json_object *prepare = json_object_object_get(object, "prepare");
        struct json_object *asked = json_object_object_get(prepare, "mounts");
        _cleanup_json_ struct json_object *mounts = json_object_new_array(), *prepared = json_object_new_array(), *keys = NULL;
        int r = mounts && prepared ? index_prepared(asked, &keys) : log_oom();

        if (prepare) { /* they are the pod's: see add_host() */
                json_object_object_del(prepare, "hostMounts");
                json_object_object_del(prepare, "bindNS");
                json_object_object_del(prepare, "cgroups");
        }
        for (size_t i = 0; r == 0 && i < export->record->n_mounts; i++) {
                struct json_object *mount = NULL;

                if (!is_wanted(&export->record->mounts[i], container))
                        continue;
                r = parse_own(export->record->mounts[i].request, &mount);
                if (r == 0)
                        r = append_mount(mount, keys, prepared, mounts);
        }
        if (r == 0 && asked)
                r = add(prepare, "mounts", TAKE_PTR(prepared));
        if (r == 0)
                r = add(object, "mandatoryMounts", json_object_new_boolean(false)); /* those that it has are among them */
        return r < 0 ? r : add(object, "mounts", TAKE_PTR(mounts));
}

/* Whether the container that this spec brought is still there, and was not removed and added anew. */
static bool is_kept(const struct export *export, const char *name) {
        for (char **container = export->record->containers; container && *container; container++)
                if (strcmp(*container, name) == 0)
                        return export->added || !find_added(export->record, name);
        return false;
}

/* Podmount's own form: its containers that are still there. */
static int keep_containers(const struct export *export, struct json_object *spec, const char *only, size_t *ret_n) {
        struct json_object *array = json_object_object_get(spec, "containers");
        size_t i = 0;
        int r = 0;

        while (r == 0 && array && i < json_object_array_length(array)) {
                struct json_object *object = json_object_array_get_idx(array, i), *member = NULL;
                const char *name = only;

                if (!name && json_object_object_get_ex(object, "name", &member))
                        name = json_object_get_string(member);
                if (!name || !is_kept(export, name)) {
                        (void) json_object_array_del_idx(array, i, 1); /* it is there: fails for nothing else */
                        continue;
                }
                r = put_mounts(export, object, name);
                i++;
        }
        *ret_n = i;
        return r;
}

static int add_part(struct export *export, struct json_object *spec, const char *container) {
        _cleanup_json_ struct json_object *part = json_object_new_object();
        size_t n = 1;
        int r = part ? 0 : log_oom();

        json_object_object_del(spec, "volumes");
        json_object_object_del(spec, "gc");
        json_object_object_del(spec, "visibility");
        if (r == 0 && json_object_object_get_ex(spec, "podmount", NULL))
                r = keep_containers(export, spec, container, &n);
        else if (r == 0 && is_kept(export, container ?: "main"))
                r = put_mounts(export, spec, container ?: "main");
        else
                n = 0;
        if (r < 0 || n == 0)
                return r;
        r = add_text(part, "container", container);
        if (r == 0)
                r = add(part, "spec", json_object_get(spec));
        return r < 0 ? r : append(export->parts, TAKE_PTR(part));
}

/* A document on record, which is a spec or an export that was restored; `container`: that it was added as, or NULL. */
static int add_document(struct export *export, const char *text, const char *container) {
        _cleanup_json_ struct json_object *document = NULL;
        struct json_object *parts = NULL;
        int r = parse_own(text, &document);

        if (r < 0 || !json_object_object_get_ex(document, "parts", &parts))
                return r < 0 ? r : add_part(export, document, container);
        for (size_t i = 0; r == 0 && i < json_object_array_length(parts); i++) {
                struct json_object *part = json_object_array_get_idx(parts, i), *name = NULL;

                (void) json_object_object_get_ex(part, "container", &name); /* NULL when it is not there */
                r = add_part(export, json_object_object_get(part, "spec"),
                             container ?: name ? json_object_get_string(name) : NULL);
        }
        return r;
}

static int add_parts(struct export *export) {
        const struct record_pod *record = export->record;
        int r = add_document(export, record->spec, NULL);

        export->added = true;
        for (size_t i = 0; r == 0 && i < record->n_mounts; i++)
                if (is_tree(&record->mounts[i]) && record->mounts[i].request)
                        r = add_document(export, record->mounts[i].request, record->mounts[i].target);
        return r;
}

/* A volume as a spec has it: a name in place of a destination. */
static int append_volume(struct json_object *volumes, const struct record_mount *mount) {
        _cleanup_json_ struct json_object *volume = NULL;
        int r = parse_own(mount->request, &volume);

        if (r < 0)
                return r;
        json_object_object_del(volume, "destination");
        r = add_text(volume, "name", mount->target + 1);
        return r < 0 ? r : append(volumes, TAKE_PTR(volume));
}

/* Those on record stand at the document's top, whichever of its parts are left. */
static int add_volumes(const struct export *export, struct json_object *document) {
        _cleanup_json_ struct json_object *volumes = json_object_new_array();
        int r = volumes ? 0 : log_oom();

        for (size_t i = 0; r == 0 && i < export->record->n_mounts; i++)
                if (is_wanted(&export->record->mounts[i], SPEC_VOLUMES))
                        r = append_volume(volumes, &export->record->mounts[i]);
        if (r < 0 || json_object_array_length(volumes) == 0)
                return r;
        return add(document, "volumes", TAKE_PTR(volumes));
}

/* Whether it is a namespace of a container that was removed: no process of that will be named any more. */
static bool is_orphaned(const struct record_pod *record, const struct record_mount *mount) {
        for (char **container = record->containers; container && *container; container++)
                if (spec_pin_is_of(mount->source, *container))
                        return false;
        return strcmp(mount->type, SPEC_PIN_TYPE) == 0;
}

/* Likewise, whichever container prepared them. */
static int add_host(const struct export *export, struct json_object *document) {
        _cleanup_json_ struct json_object *mounts = json_object_new_array();
        int r = mounts ? 0 : log_oom();

        for (size_t i = 0; r == 0 && i < export->record->n_host; i++) {
                struct json_object *mount = NULL;

                if (is_orphaned(export->record, &export->record->host[i]))
                        continue;
                r = parse_own(export->record->host[i].request, &mount);
                if (r == 0)
                        r = append(mounts, mount);
        }
        return r < 0 || export->record->n_host == 0 ? r : add(document, "hostMounts", TAKE_PTR(mounts));
}

/* The names: Restore() makes them below whichever parent there is then. */
static int add_cgroups(const struct export *export, struct json_object *document) {
        _cleanup_json_ struct json_object *names = json_object_new_array();
        int r = names ? 0 : log_oom();

        for (size_t i = 0; r == 0 && i < export->record->n_cgroups; i++)
                r = append(names, json_object_new_string(export->record->cgroups[i].name));
        return r < 0 || export->record->n_cgroups == 0 ? r : add(document, "cgroups", TAKE_PTR(names));
}

/* As long as its container is there. */
static int add_gc(const struct export *export, struct json_object *document) {
        const struct record_gc *gc = &export->record->gc;
        struct json_object *object;
        bool kept = false;

        for (char **container = export->record->containers; gc->path && container && *container; container++)
                kept = kept || strcmp(*container, gc->container) == 0;
        if (!kept)
                return 0;
        object = json_object_new_object();
        if (!object || add_text(object, "path", gc->path) < 0 || add_text(object, "container", gc->container) < 0) {
                (void) json_object_put(object);
                return log_oom();
        }
        return add(document, "gc", object);
}

/* Whatever said so when it was made. */
static int add_visibility(const struct export *export, struct json_object *document) {
        return add_text(document, "visibility", export->record->private ? "private" : "host");
}

/* "main:/data": names that say the same after a restart. */
static int describe(const struct record_mount *mount, struct json_object **ret) {
        _cleanup_json_ struct json_object *object = json_object_new_object(), *options = json_object_new_array();
        _cleanup_free_ char *device = NULL;

        if (!object || !options || asprintf(&device, "%s:%s", mount->container, mount->target) < 0) {
                device = NULL;
                return log_oom();
        }
        for (char **option = mount->options; option && *option; option++)
                if (append(options, json_object_new_string(*option)) < 0)
                        return -ENOMEM;
        if (add_text(object, "device", device) < 0 || add_text(object, "container", mount->container) < 0 ||
            add_text(object, "target", mount->target) < 0 || add_text(object, "type", mount->type) < 0 ||
            add_text(object, "source", mount->source) < 0 || add(object, "options", TAKE_PTR(options)) < 0 ||
            add(object, "deferred", json_object_new_boolean(mount->deferred)) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(object);
        return 0;
}

/* As Restore() makes them: the root, the mounts that a spec asks for, then the paths that it hides and protects. */
static unsigned rank(const struct record_mount *mount) {
        if (strcmp(mount->target, "/") == 0 && !mount->request)
                return 0;
        return mount->request ? 1 : 2;
}

static int add_mounts_of(const struct export *export, const char *container, unsigned wanted, struct json_object *mounts) {
        for (size_t i = 0; i < export->record->n_mounts; i++) {
                const struct record_mount *mount = &export->record->mounts[i];
                struct json_object *object = NULL;

                if (mount->nested || strcmp(mount->container, container) != 0 || rank(mount) != wanted)
                        continue;
                if (describe(mount, &object) < 0 || append(mounts, object) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int add_mounts(const struct export *export, struct json_object *document) {
        _cleanup_json_ struct json_object *mounts = json_object_new_array();
        int r = mounts ? add_mounts_of(export, SPEC_VOLUMES, 1, mounts) : log_oom();

        for (char **container = export->record->containers; r == 0 && container && *container; container++)
                for (unsigned wanted = 0; r == 0 && wanted <= 2; wanted++)
                        r = add_mounts_of(export, *container, wanted, mounts);
        for (size_t i = 0; r == 0 && i < export->record->n_host; i++) {
                struct json_object *object = NULL;

                r = describe(&export->record->host[i], &object);
                if (r == 0)
                        r = append(mounts, object);
        }
        return r < 0 ? r : add(document, "mounts", TAKE_PTR(mounts));
}

/* What is in no pod's tree cannot be made again with it. */
static int add_warnings(const struct record_pod *record, struct json_object *document) {
        _cleanup_json_ struct json_object *warnings = json_object_new_array();
        int r = warnings ? 0 : log_oom();

        for (size_t i = 0; i < record->n_inside && r == 0; i++) {
                _cleanup_free_ char *text = NULL;

                if (record->inside[i].nested)
                        continue;
                if (asprintf(&text, "%s in the mount namespace of a running container %s is left out", record->inside[i].target,
                             record->inside[i].container) < 0) {
                        text = NULL;
                        return log_oom();
                }
                r = append(warnings, json_object_new_string(text));
        }
        return r < 0 || record->n_inside == 0 ? r : add(document, "warnings", TAKE_PTR(warnings));
}

/* The fds of all parts, found by reading the document as Restore() will. */
static int add_fds(const struct record_pod *record, struct json_object *document, struct failure *f) {
        const char *text = json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN);
        _cleanup_json_ struct json_object *fds = json_object_new_array();
        _cleanup_(spec_freep) struct spec *spec = NULL;
        _cleanup_strv_ char **names = NULL;
        int r;

        if (!text || !fds)
                return log_oom();
        r = spec_parse(text, strlen(text), UINT64_MAX, UINT64_MAX, &spec, f);
        if (r == 0)
                r = spec_fd_names(spec, &names);
        for (char **name = names; r == 0 && name && *name; name++)
                r = append(fds, json_object_new_string(*name));
        if (r == 0 && record->lease && strcmp(record->lease, "pid") == 0)
                r = append(fds, json_object_new_string(LEASE_FD));
        return r != 0 ? r : add(document, "fds", TAKE_PTR(fds));
}

int export_pod(const struct record_pod *record, uint64_t spec_size_max, char **ret, struct failure *f) {
        const int flags = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
        _cleanup_json_ struct json_object *document = json_object_new_object();
        struct export export = {.record = record, .parts = json_object_new_array(), .f = f};
        const char *text;
        int r;

        if (!document || add(document, "podmount-export", json_object_new_int(EXPORT_VERSION)) < 0) {
                (void) json_object_put(export.parts);
                return log_oom();
        }
        r = add(document, "parts", export.parts);
        if (r == 0)
                r = check(&export);
        if (r == 0)
                r = add_volumes(&export, document);
        if (r == 0)
                r = add_host(&export, document);
        if (r == 0)
                r = add_gc(&export, document);
        if (r == 0)
                r = add_visibility(&export, document);
        if (r == 0)
                r = add_cgroups(&export, document);
        if (r == 0)
                r = add_parts(&export);
        if (r == 0 && (add_text(document, "id", record->uuid) < 0 || add_text(document, "name", record->name) < 0 ||
                       add_text(document, "lease", record->lease) < 0 || add_mounts(&export, document) < 0))
                r = -ENOMEM;
        if (r == 0)
                r = export_add_namespaces(record, document, f);
        if (r == 0)
                r = add_warnings(record, document);
        if (r == 0)
                r = add_fds(record, document, f);
        if (r != 0)
                return r;
        text = json_object_to_json_string_ext(document, flags);
        if (!text)
                return log_oom();
        r = spec_check_export(text, strlen(text), spec_size_max, f);
        if (r != 0)
                return r;
        *ret = strdup(text);
        return *ret ? 0 : log_oom();
}
