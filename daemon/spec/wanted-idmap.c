/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which id mapping a mount has in the end: the one of its option, of its members, or its container's. Mappings without
 * idmap or ridmap mean idmap. Whose ids they are is judged where that can be known: executor/mapping.h.
 */

#include <errno.h>
#include <string.h>

#include "spec/compile.h"
#include "spec/reader.h"

static int fail_options(struct compile *c, const struct wanted_mount *w, const char *sentence) {
        return reader_fail_member(c->f, FAILURE_INVALID_OPTION, w->pointer, "options", "option %s: %s",
                w->idmap.recursive ? "ridmap" : "idmap", sentence);
}

/* The container's mapping becomes the mount's own, for those who will make it again without its container. */
static int write_request(struct wanted_mount *w, const struct spec_mount *mount) {
        struct spec_mount own = *mount; /* borrowed, all of it */
        char *request;
        int r;

        own.idmap = w->idmap;
        own.userns = w->userns;
        r = spec_mount_to_text(&own, &request);
        if (r < 0)
                return r;
        free(w->request);
        w->request = request;
        return 0;
}

static int copy_userns(const struct source *from, struct source *ret) {
        char *text = strdup(from->text);

        if (!text)
                return -ENOMEM;
        *ret = (struct source){.kind = from->kind, .text = text};
        return 0;
}

/* Takes over the lists that `w` does not have itself. */
static int take_maps(struct wanted_mount *w, const struct idmap *from) {
        _cleanup_idmap_ struct idmap copy = {};
        int r = idmap_copy(from, &copy);

        if (r < 0)
                return r;
        if (w->idmap.n_uids == 0) {
                w->idmap.uids = TAKE_PTR(copy.uids);
                w->idmap.n_uids = copy.n_uids;
        }
        if (w->idmap.n_gids == 0) {
                w->idmap.gids = TAKE_PTR(copy.gids);
                w->idmap.n_gids = copy.n_gids;
        }
        return 0;
}

/* Turns ids of the container's user namespace into the host's. Each range lies in one of its mappings. */
static bool resolve_relative(struct id_mapping *list, size_t n, const struct id_mapping *space, size_t n_space) {
        for (size_t i = 0; i < n; i++) {
                bool found = !list[i].relative;

                for (size_t j = 0; j < n_space && !found; j++) {
                        uint64_t offset = (uint64_t) list[i].host_id - space[j].container_id;

                        found = list[i].host_id >= space[j].container_id && offset + list[i].size <= space[j].size;
                        if (found)
                                list[i].host_id = space[j].host_id + (uint32_t) offset;
                }
                if (!found)
                        return false;
                list[i].relative = false;
        }
        return true;
}

static int settle_relative(struct compile *c, struct wanted_mount *w) {
        static const struct idmap none = {};
        const struct idmap *space = c->maps ? c->maps : &none;
        const char *must;

        if (!resolve_relative(w->idmap.uids, w->idmap.n_uids, space->uids, space->n_uids) ||
                !resolve_relative(w->idmap.gids, w->idmap.n_gids, space->gids, space->n_gids))
                return fail_options(c, w,
                        "a mapping with @ leads to ids that are not within one mapping of the container's user "
                        "namespace (linux.uidMappings and linux.gidMappings)");
        must = idmap_check(w->idmap.uids, w->idmap.n_uids);
        if (!must)
                must = idmap_check(w->idmap.gids, w->idmap.n_gids);
        if (must)
                return reader_fail_member(c->f, FAILURE_INVALID_OPTION, w->pointer, "options", "mappings must be %s", must);
        return 0;
}

/* What the mount says, and else what its container is like. */
static int settle_maps(struct compile *c, struct wanted_mount *w, const struct spec_mount *mount) {
        bool none = w->idmap.n_uids == 0 && w->idmap.n_gids == 0;
        int r = 0;

        if (none && mount->userns.kind == SOURCE_FD)
                return copy_userns(&mount->userns, &w->userns);
        if (mount->idmap.n_uids > 0)
                r = take_maps(w, &mount->idmap);
        else if (none && c->userns && c->userns->kind == SOURCE_FD) {
                r = copy_userns(c->userns, &w->userns);
                return r < 0 ? r : write_request(w, mount);
        } else if (c->maps && c->maps->n_uids > 0) {
                r = take_maps(w, c->maps);
                if (r == 0 && none)
                        r = write_request(w, mount);
        }
        if (r < 0)
                return r;
        if (w->idmap.n_uids == 0 || w->idmap.n_gids == 0)
                return fail_options(c, w,
                        "there is no mapping of uids and gids both; give uidMappings and gidMappings, \"userns\": "
                        "\"fd:NAME\", or the mappings behind idmap=");
        return settle_relative(c, w);
}

int compile_idmap(struct compile *c, struct wanted_mount *w, const struct spec_mount *mount) {
        const char *member = mount->userns.kind == SOURCE_FD ? "userns" : "uidMappings";

        if (!w->idmap.given && mount->idmap.n_uids == 0 && mount->userns.kind == SOURCE_NONE)
                return 0;
        if (w->kind != WANTED_BIND && w->kind != WANTED_OVERLAY)
                return reader_fail_member(c->f, FAILURE_INVALID_SPEC, w->pointer, member,
                        "a mount of type %s has no id mapping: binds have one, the layers of overlays, and roots", w->type);
        w->idmap.given = true;
        return settle_maps(c, w, mount);
}

int compile_root_idmap(struct wanted_mount *w, const struct spec_container *container) {
        if (container->root_userns.kind == SOURCE_NONE && container->root_idmap.n_uids == 0)
                return 0;
        w->idmap.given = true;
        w->idmap.recursive = true; /* what is mounted below a root is part of it */
        if (container->root_userns.kind == SOURCE_FD)
                return copy_userns(&container->root_userns, &w->userns);
        return take_maps(w, &container->root_idmap);
}
