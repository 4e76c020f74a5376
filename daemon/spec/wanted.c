/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Compilation: from what a client wrote to the mounts that are to be made, in order, each of them typed and complete.
 * Containers and roots are here; what a mount needs is in wanted-mount.c and the files beside it.
 */

#include <string.h>
#include <sys/mount.h>

#include "spec/compile.h"
#include "spec/reader.h"
#include "spec/warning.h"
#include "util/json.h"
#include "util/path.h"

static void mount_done(struct wanted_mount *w) {
        free(w->pointer);
        free(w->target);
        free(w->type);
        free(w->request);
        source_done(&w->source);
        source_done(&w->space);
        free(w->layer_reference);
        free(w->pin);
        source_done(&w->userns);
        for (size_t i = 0; i < w->n_lower; i++)
                source_done(w->lower + i);
        free(w->lower);
        source_done(&w->upper);
        source_done(&w->work);
        for (size_t i = 0; i < w->n_data; i++) {
                free(w->data[i].name);
                free(w->data[i].value);
        }
        free(w->data);
        idmap_done(&w->idmap);
        (void) strv_free(w->options); /* returns NULL, always */
}

struct wanted *wanted_free(struct wanted *wanted) {
        if (!wanted)
                return NULL;
        for (size_t i = 0; i < wanted->n_mounts; i++)
                mount_done(wanted->mounts + i);
        free(wanted->mounts);
        for (size_t i = 0; i < wanted->n_directories; i++) {
                free(wanted->directories[i].pointer);
                free(wanted->directories[i].target);
        }
        free(wanted->directories);
        (void) strv_free(wanted->containers); /* returns NULL, always */
        (void) strv_free(wanted->cgroups);
        (void) strv_free(wanted->warnings);
        free(wanted);
        return NULL;
}

int wanted_join(struct wanted *wanted, struct wanted *from) {
        for (; from->n_mounts > 0; from->n_mounts--) {
                struct wanted_mount *added = array_append(&wanted->mounts, &wanted->n_mounts);

                if (!added)
                        return -ENOMEM;
                *added = from->mounts[0];
                memmove(from->mounts, from->mounts + 1, (from->n_mounts - 1) * sizeof(*from->mounts));
        }
        return 0;
}

const char *wanted_container(const struct wanted *wanted, const struct wanted_mount *mount) {
        if (mount->container == WANTED_VOLUMES)
                return SPEC_VOLUMES;
        return mount->container == WANTED_HOST ? SPEC_HOST : wanted->containers[mount->container];
}

static uint64_t overlay_size(const struct compile *c, uint64_t size) {
        return size ? size : c->facts->tmpfs_size;
}

static void set_overlay(const struct compile *c, const struct spec_container *container, struct wanted_mount *w) {
        if (container->overlay == SPEC_OVERLAY_NONE || container->overlay == SPEC_OVERLAY_PERSISTENT)
                return;
        w->overlay = SPEC_OVERLAY_TMPFS;
        w->overlay_size = overlay_size(c, container->overlay_size);
}

/* A root's attributes hold for the mounts below its source, too: they are part of what the container has as its root.
 */
static int compile_root(struct compile *c, size_t index, const struct spec_container *container) {
        struct wanted_mount *w = array_append(&c->wanted->mounts, &c->wanted->n_mounts);
        int r;

        if (!w)
                return -ENOMEM;
        w->kind = WANTED_ROOT;
        w->container = index;
        w->recursive = true;
        set_overlay(c, container, w);
        w->propagation = container->propagation;
        w->propagation_recursive = container->propagation_recursive;
        w->attr_set = w->attr_set_below = container->root_readonly ? MOUNT_ATTR_RDONLY : 0;
        w->pointer = json_pointer_join(container->pointer, "root");
        w->target = strdup("/");
        w->type = strdup("bind");
        if (!w->pointer || !w->target || !w->type)
                return -ENOMEM;
        w->source.text = strdup(container->root.text);
        if (!w->source.text)
                return -ENOMEM;
        w->source.kind = container->root.kind;
        r = w->source.kind == SOURCE_LAYER ? compile_root_layer(c, w, container) : compile_root_idmap(w, container);
        if (r != 0)
                return r;
        r = compile_attributes(c, w);
        if (r != 0)
                return r;
        return compile_words(w);
}

static int compile_mounts(struct compile *c, size_t container, const struct spec_mount *mounts, size_t n) {
        const bool host = strcmp(c->wanted->containers[container], SPEC_HOST) == 0;

        for (size_t i = 0; i < n; i++) {
                int r = host ? compile_host(c, container, mounts + i) : compile_mount(c, container, mounts + i);

                if (r != 0)
                        return r;
        }
        return 0;
}

/* A mount of the spec that is made before others that it was listed after. */
static int warn_order(struct compile *c, const struct spec_mount *mounts, const size_t *order, size_t from, size_t n) {
        size_t least = SIZE_MAX; /* of those made after it */
        int r = 0;

        for (size_t i = n; r == 0 && i-- > 0;) {
                if (order[i] < from)
                        continue;
                if (order[i] > least)
                        r = warning_add(&c->wanted->warnings,
                                "%s: the mount at %s is made before those that are listed before it and lie below it",
                                mounts[order[i]].pointer, mounts[order[i]].destination);
                else
                        least = order[i];
        }
        return r;
}

/* The container's own mounts and, before them, what it has in any case: `n_mandatory` of the `n` mounts. */
static int compile_ordered(struct compile *c, size_t index, const struct spec_container *container,
        const struct spec_mount *mounts, size_t n_mandatory, size_t n) {
        static char own[] = "devtmpfs";
        _cleanup_free_ size_t *order = NULL;
        int r = wanted_order(mounts, n, &order);

        if (r == 0)
                r = warn_order(c, mounts, order, n_mandatory, n);
        for (size_t i = 0; r == 0 && i < n; i++) {
                struct spec_mount mount = mounts[order[i]];
                size_t before = c->wanted->n_mounts;

                if (compile_is_dev(container, &mount))
                        mount.type = own;
                r = compile_mount(c, index, &mount);
                if (r == 0 && order[i] < n_mandatory && c->wanted->n_mounts > before)
                        c->wanted->mounts[before].mandatory = true;
        }
        return r;
}

static int compile_all_mounts(struct compile *c, size_t index, const struct spec_container *container) {
        struct spec_mount *mandatory = NULL;
        _cleanup_free_ struct spec_mount *all = NULL;
        size_t n = 0;
        int r = compile_mandatory(container, &mandatory, &n);

        if (r < 0)
                return r;
        all = calloc(n + container->n_mounts + 1, sizeof(*all));
        if (!all)
                r = -ENOMEM;
        for (size_t i = 0; r == 0 && i < n + container->n_mounts; i++) /* borrowed */
                all[i] = i < n ? mandatory[i] : container->mounts[i - n];
        if (r == 0)
                r = compile_ordered(c, index, container, all, n, n + container->n_mounts);
        spec_mounts_free(mandatory, n);
        return r;
}

/* Not one of a volume, which is there to be shared. */
bool wanted_overlay_bind(struct wanted_mount *mount, uint64_t size) {
        if (mount->kind != WANTED_BIND || mount->source.kind == SOURCE_VOLUME || (mount->attr_set & MOUNT_ATTR_RDONLY))
                return false;
        mount->overlay = SPEC_OVERLAY_TMPFS;
        mount->overlay_size = size;
        return true;
}

/* Every writable bind of the container gets what its root has. */
static void overlay_all(struct compile *c, enum spec_overlay overlay, uint64_t size, size_t from) {
        for (size_t i = from; overlay == SPEC_OVERLAY_ALL && i < c->wanted->n_mounts; i++)
                (void) wanted_overlay_bind(c->wanted->mounts + i, overlay_size(c, size)); /* the others stay as they are */
}

/* The copy of a read-only path has the mounts below it, which stay as they are, as with runc. */
int compile_path(struct compile *c, size_t container, enum wanted_kind kind, const char *pointer, const char *target) {
        const bool mask = kind == WANTED_MASK;
        struct wanted_mount *w = array_append(&c->wanted->mounts, &c->wanted->n_mounts);

        if (!w)
                return -ENOMEM;
        w->kind = kind;
        w->container = container;
        w->pointer = strdup(pointer);
        w->target = strdup(target);
        w->type = strdup(mask ? "mask" : "readonly");
        if (!w->pointer || !w->target || !w->type)
                return -ENOMEM;
        w->recursive = !mask;
        w->attr_set = MOUNT_ATTR_RDONLY;
        w->propagation = c->facts->propagation_private ? MS_PRIVATE : MS_SHARED;
        return compile_words(w);
}

static int compile_list(struct compile *c, size_t index, const struct spec_container *container, enum wanted_kind kind,
        char *const *paths) {
        const bool mask = kind == WANTED_MASK;
        _cleanup_free_ char *list = json_pointer_join(container->paths_pointer, mask ? "maskedPaths" : "readonlyPaths");
        int r = list ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && paths && paths[i]; i++) {
                _cleanup_free_ char *pointer = json_pointer_join_index(list, i);

                r = pointer ? compile_path(c, index, kind, pointer, paths[i]) : -ENOMEM;
        }
        return r;
}

/* Hidden and read-only paths come last, over all that the container has at them. */
static int compile_paths(struct compile *c, size_t index, const struct spec_container *container) {
        int r = 0;

        if (container->readonly)
                r = compile_list(c, index, container, WANTED_READONLY, container->readonly);
        if (r == 0 && container->masked)
                r = compile_list(c, index, container, WANTED_MASK, container->masked);
        return r;
}

/* Not in what shows the kernel: nothing is ever made there. */
static int compile_directories(struct compile *c, size_t index, const struct spec_container *container) {
        _cleanup_free_ char *list = NULL;

        if (!container->mkdir)
                return 0;
        list = json_pointer_join(container->prepare_pointer, "mkdir");
        if (!list)
                return -ENOMEM;
        for (size_t i = 0; container->mkdir[i]; i++) {
                const char *target = container->mkdir[i];
                struct wanted_directory *directory =
                        array_append(&c->wanted->directories, &c->wanted->n_directories);

                if (!directory)
                        return -ENOMEM;
                directory->container = index;
                directory->pointer = json_pointer_join_index(list, i);
                directory->target = strdup(target);
                if (!directory->pointer || !directory->target)
                        return -ENOMEM;
                if (path_is_below(target, "/proc") || path_is_below(target, "/sys"))
                        return reader_fail(c->f, FAILURE_INVALID_TARGET, directory->pointer,
                                "no directories are made in /proc and /sys; choose another place");
        }
        return 0;
}

int wanted_from_spec(
        const struct spec *spec, const struct wanted_facts *facts, struct wanted **ret, struct failure *f) {
        _cleanup_(wanted_freep) struct wanted *wanted = calloc(1, sizeof(*wanted));
        struct compile c = {.facts = facts, .wanted = wanted, .lenient = spec->lenient, .f = f};
        int r;

        if (!wanted)
                return -ENOMEM;
        wanted->memory = facts->memory;
        r = strv_copy(spec->warnings, &wanted->warnings);
        if (r == 0)
                r = strv_copy(spec->cgroups, &wanted->cgroups);
        if (r < 0)
                return r;
        for (size_t i = 0; i < spec->n_volumes; i++) {
                r = compile_volume(&c, spec->volumes + i);
                if (r != 0)
                        return r;
        }
        for (size_t i = 0; i < spec->n_containers; i++) {
                const struct spec_container *container = spec->containers + i;
                size_t from;

                r = strv_append(&wanted->containers, container->name);
                if (r < 0)
                        return r;
                r = compile_root(&c, i, container);
                if (r != 0)
                        return r;
                c.spaces = container->namespaces;
                from = wanted->n_mounts;
                c.maps = compile_maps(&c, container);
                c.userns = &container->root_userns;
                r = compile_all_mounts(&c, i, container);
                overlay_all(&c, container->overlay, container->overlay_size, from);
                if (r == 0)
                        r = compile_paths(&c, i, container);
                if (r == 0)
                        r = compile_directories(&c, i, container);
                if (r != 0)
                        return r;
        }
        r = compile_all_host(&c, spec);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(wanted);
        return 0;
}

int wanted_from_mounts(const char *container, const struct spec_mount *mounts, size_t n,
        const struct wanted_facts *facts, struct wanted **ret, struct failure *f) {
        _cleanup_(wanted_freep) struct wanted *wanted = calloc(1, sizeof(*wanted));
        struct compile c = {.facts = facts, .wanted = wanted, .f = f, .spaces = facts->spaces};
        int r;

        if (!wanted)
                return -ENOMEM;
        wanted->memory = facts->memory;
        r = strv_append(&wanted->containers, container);
        if (r < 0)
                return r;
        r = strv_copy(NULL, &wanted->warnings); /* an empty vector, so that readers need not ask */
        if (r < 0)
                return r;
        r = compile_mounts(&c, 0, mounts, n);
        if (r != 0)
                return r;
        overlay_all(&c, facts->overlay, facts->overlay_size, 0);
        *ret = TAKE_PTR(wanted);
        return 0;
}
