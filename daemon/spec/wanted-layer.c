/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A root that is a layer. A spec that is silent has the layer as it is: a read-only one is a read-only root, a read-write one
 * takes what is written. What others stand on is never written to, so that what a spec says against that is refused.
 */

#include <string.h>
#include <sys/mount.h>

#include "spec/compile.h"
#include "spec/reader.h"

static const struct wanted_layer *find(const struct compile *c, const struct spec_container *container) {
        for (size_t i = 0; container->root.kind == SOURCE_LAYER && i < c->facts->n_layers; i++)
                if (strcmp(c->facts->layers[i].id, container->root.text) == 0)
                        return &c->facts->layers[i];
        return NULL;
}

/* A read-only layer. */
static int check_read_only(struct compile *c, const struct wanted_mount *w, const struct spec_container *container) {
        if (container->overlay == SPEC_OVERLAY_PERSISTENT)
                return reader_fail_member(c->f, FAILURE_INVALID_SPEC, w->pointer, "overlay",
                        "layer %s is read-only, for others may stand on it; make a read-write one on it, with podmountctl layer create "
                        "--read-write --parent %s, and name that",
                        container->root.text, container->root.text);
        if (container->root_says && !container->root_readonly && w->overlay == SPEC_OVERLAY_NONE)
                return reader_fail_member(c->f, FAILURE_INVALID_SPEC, w->pointer, "readonly",
                        "layer %s is read-only; give the root an overlay, \"tmpfs\", or name a read-write layer (podmountctl layer "
                        "create --read-write --parent %s)",
                        container->root.text, container->root.text);
        return 0;
}

static int check_read_write(struct compile *c, const struct wanted_mount *w, const struct spec_container *container) {
        if (w->overlay == SPEC_OVERLAY_TMPFS)
                return reader_fail_member(c->f, FAILURE_INVALID_SPEC, w->pointer, "overlay",
                        "layer %s is read-write and takes what is written, and a tmpfs would keep that from it; leave the overlay "
                        "out, or name the layer that it stands on",
                        container->root.text);
        return 0;
}

static bool same_list(const struct id_mapping *a, size_t n_a, const struct id_mapping *b, size_t n_b) {
        for (size_t i = 0; n_a == n_b && i < n_a; i++)
                if (a[i].container_id != b[i].container_id || a[i].host_id != b[i].host_id || a[i].size != b[i].size)
                        return false;
        return n_a == n_b;
}

/* A layer's ids are its own: what is written to one, or through the mapping of another, would be files of nobody. */
static int settle_idmap(struct compile *c, struct wanted_mount *w, const struct spec_container *container,
        const struct wanted_layer *layer) {
        const struct idmap *asked = &container->root_idmap;
        const bool asks = asked->n_uids > 0 || container->root_userns.kind == SOURCE_FD;
        int r;

        if (asks && !layer->idmap && layer->read_write)
                return reader_fail_member(c->f, FAILURE_INVALID_SPEC, w->pointer, "uidMappings",
                        "a read-write layer has the mappings that it was made with, and %s has none; make it with uid-map and gid-map",
                        layer->id);
        if (!layer->idmap) {
                r = compile_root_idmap(w, container);
                w->idmap.recursive = false;
                return r;
        }
        if (asks && (container->root_userns.kind == SOURCE_FD ||
                            !same_list(asked->uids, asked->n_uids, layer->idmap->uids, layer->idmap->n_uids) ||
                            !same_list(asked->gids, asked->n_gids, layer->idmap->gids, layer->idmap->n_gids)))
                return reader_fail_member(c->f, FAILURE_INVALID_SPEC, w->pointer,
                        container->root_userns.kind == SOURCE_FD ? "userns" : "uidMappings",
                        "layer %s has mappings of its own, and they are others; leave them out here", layer->id);
        r = idmap_copy(layer->idmap, &w->idmap);
        w->idmap.given = true;
        w->idmap.recursive = false;
        return r;
}

static int add_below(struct wanted_mount *w, const struct wanted_layer *layer) {
        for (size_t i = 0; i < layer->n_below; i++) {
                struct source *lower = array_append(&w->lower, &w->n_lower);

                if (!lower)
                        return -ENOMEM;
                *lower = (struct source) {.kind = SOURCE_LAYER, .text = strdup(layer->below[i])};
                if (!lower->text)
                        return -ENOMEM;
        }
        return layer->label ? compile_add_data(w, "context", layer->label) : 0;
}

int compile_root_layer(struct compile *c, struct wanted_mount *w, const struct spec_container *container) {
        const struct wanted_layer unknown = {.id = container->root.text}, *layer = find(c, container);
        int r = 0;

        w->recursive = false;
        if (!layer && !c->facts->any_layer)
                return reader_fail_member(
                        c->f, FAILURE_NO_SUCH_LAYER, w->pointer, "layer", "no layer \"%.140s\" is known", container->root.text);
        if (layer)
                r = layer->read_write ? check_read_write(c, w, container) : check_read_only(c, w, container);
        if (r != 0)
                return r;
        w->layer = layer ? layer->number : 0;
        if (layer && layer->reference) {
                w->layer_reference = strdup(layer->reference);
                if (!w->layer_reference)
                        return -ENOMEM;
        }
        w->layer_writable = layer ? layer->read_write
                                  : container->overlay == SPEC_OVERLAY_PERSISTENT ||
                                              (container->root_says && !container->root_readonly && w->overlay == SPEC_OVERLAY_NONE);
        if (!w->layer_writable && w->overlay == SPEC_OVERLAY_NONE)
                w->attr_set |= MOUNT_ATTR_RDONLY;
        w->attr_set_below = 0;
        r = settle_idmap(c, w, container, layer ? layer : &unknown);
        return r == 0 && layer ? add_below(w, layer) : r;
}

const struct idmap *compile_maps(const struct compile *c, const struct spec_container *container) {
        const struct wanted_layer *layer = find(c, container);

        if (container->root_idmap.n_uids > 0)
                return &container->root_idmap;
        return layer && layer->idmap ? layer->idmap : &container->user_maps;
}
