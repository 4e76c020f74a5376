/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which fds of the call a document uses. An fd that no source names is an error of the caller's, and one that is named
 * and was not sent likewise; both are found with this list.
 */

#include <string.h>

#include "spec/option.h"
#include "spec/source.h"
#include "spec/spec.h"
#include "util/array.h"

/* Names as they come, some of them again and again; sorting finds those, however many there are. */
struct named {
        char *name;
        size_t place;
        bool again;
};

struct names {
        struct named *named;
        size_t n_named;
};

static void names_done(struct names *names) {
        for (size_t i = 0; i < names->n_named; i++)
                free(names->named[i].name);
        free(names->named);
}

static int names_add(struct names *names, const char *name) {
        struct named *named = array_append(&names->named, &names->n_named);

        if (!named)
                return -ENOMEM;
        named->place = names->n_named - 1;
        named->name = strdup(name);
        return named->name ? 0 : -ENOMEM;
}

static int compare_names(const void *a, const void *b) {
        const struct named *first = a, *second = b;
        int order = strcmp(first->name, second->name);

        if (order != 0)
                return order;
        return first->place < second->place ? -1 : first->place > second->place;
}

static int compare_places(const void *a, const void *b) {
        const struct named *first = a, *second = b;

        return first->place < second->place ? -1 : first->place > second->place;
}

/* Each name once, in the order of its first use. */
static int names_to_strv(struct names *names, char ***ret) {
        char **strv = calloc(names->n_named + 1, sizeof(*strv));
        size_t n = 0;

        if (!strv)
                return -ENOMEM;
        if (names->n_named > 0)
                qsort(names->named, names->n_named, sizeof(*names->named), compare_names);
        for (size_t i = 1; i < names->n_named; i++)
                names->named[i].again = strcmp(names->named[i - 1].name, names->named[i].name) == 0;
        if (names->n_named > 0)
                qsort(names->named, names->n_named, sizeof(*names->named), compare_places);
        for (size_t i = 0; i < names->n_named; i++)
                if (!names->named[i].again)
                        strv[n++] = TAKE_PTR(names->named[i].name);
        *ret = strv;
        return 0;
}

static int add_text(struct names *names, const char *text) {
        return source_is_fd(text) ? names_add(names, text + strlen("fd:")) : 0;
}

static int add_layers(struct names *names, const char *lowerdir) {
        _cleanup_strv_ char **layers = NULL;
        int r;

        r = source_split_layers(lowerdir, &layers);
        if (r == -EINVAL)
                return 0; /* refused when it is compiled */
        for (char **layer = layers; r == 0 && *layer; layer++)
                r = add_text(names, *layer);
        return r;
}

/* The layers of an overlay and the fds of a server are in the options. */
static int add_options(struct names *names, const char *type, char *const *options) {
        int r = 0;

        for (; r == 0 && options && *options; options++) {
                const char *equals = strchr(*options, '=');
                _cleanup_free_ char *name = equals ? strndup(*options, (size_t) (equals - *options)) : NULL;
                const struct option_row *row = name ? option_find_data(type, name) : NULL;

                if (equals && !name)
                        return -ENOMEM;
                if (row && (row->value == VALUE_PATH || row->value == VALUE_FD))
                        r = add_text(names, equals + 1);
                else if (row && row->value == VALUE_PATHS)
                        r = add_layers(names, equals + 1);
        }
        return r;
}

/* fuse.SUBTYPE has the options of fuse. */
static const char *base_type(const char *type) {
        return strncmp(type, "fuse.", strlen("fuse.")) == 0 ? "fuse" : type;
}

static int add_mounts(struct names *names, const struct spec_mount *mounts, size_t n) {
        int r = 0;

        for (const struct spec_mount *mount = mounts; r == 0 && mount < mounts + n; mount++) {
                if (mount->source)
                        r = add_text(names, mount->source);
                if (r == 0 && mount->userns.kind == SOURCE_FD)
                        r = names_add(names, mount->userns.text);
                if (r == 0 && mount->type)
                        r = add_options(names, base_type(mount->type), mount->options);
        }
        return r;
}

int spec_mounts_fd_names(const struct spec_mount *mounts, size_t n, char ***ret) {
        _cleanup_(names_done) struct names names = {.named = NULL};
        int r;

        r = add_mounts(&names, mounts, n);
        if (r < 0)
                return r;
        return names_to_strv(&names, ret);
}

int spec_fd_names(const struct spec *spec, char ***ret) {
        _cleanup_(names_done) struct names names = {.named = NULL};
        int r = add_mounts(&names, spec->volumes, spec->n_volumes);

        if (r == 0)
                r = add_mounts(&names, spec->host, spec->n_host);
        for (size_t i = 0; r == 0 && i < spec->n_containers; i++) {
                const struct spec_container *container = spec->containers + i;

                if (container->root.kind == SOURCE_FD)
                        r = names_add(&names, container->root.text);
                if (r == 0 && container->root_userns.kind == SOURCE_FD)
                        r = names_add(&names, container->root_userns.text);
                for (size_t j = 0; r == 0 && j < _SPEC_NAMESPACE_MAX; j++)
                        if (container->namespaces[j].kind == SOURCE_FD)
                                r = names_add(&names, container->namespaces[j].text);
                if (r == 0)
                        r = add_mounts(&names, container->mounts, container->n_mounts);
        }
        if (r < 0)
                return r;
        return names_to_strv(&names, ret);
}
