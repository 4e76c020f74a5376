/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A layer's mount: looked for in the table, made and taken away by jobs of one step. */

#include "pod/layer-mount.h"

#include <string.h>

#include "kernel/mountinfo.h"
#include "plan/layer.h"
#include "pod/registry.h"
#include "pod/use.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"
#include "util/text.h"

char *layer_path(const struct pods *pods, const struct layer *layer) {
        return text_format("%s/layers/%s", pods->runtime_directory, layer->record->id);
}

#define STORE_SOURCE "podmount-store-layer-"

static bool ends_with(const char *text, const char *end) {
        size_t a = strlen(text), b = strlen(end);

        return a >= b && strcmp(text + a - b, end) == 0;
}

/* An overlay has the layer's number in its source; a bind shows the directory of the layer. 1, 0, or a negative errno, logged. */
static int is_of_layer(const struct entry *entry, const struct layer *layer) {
        _cleanup_free_ char *wanted = layer_source(layer->store, layer->record->number), *read = NULL;
        _cleanup_free_ char *root = text_format("/layers/%s/diff", layer->record->id);
        const char *source = entry->source;

        if (!wanted || !root)
                return log_oom();
        if (layer->record->parent == 0 && (!layer->missing || strcmp(entry->type, "overlay") != 0))
                return ends_with(entry->root, root);
        if (strcmp(entry->type, "overlay") != 0)
                return 0;
        if (!source) { /* Linux 6.12 has statmount(2), and that tells no sources */
                int r = mountinfo_find_source(entry->id, &read);

                if (r < 0)
                        return r;
                source = read;
        }
        if (layer->missing) /* its number is not known */
                return source && strncmp(source, STORE_SOURCE, strlen(STORE_SOURCE)) == 0;
        return source && strcmp(source, wanted) == 0;
}

/* Of several mounts on each other's roots at one place the lowest that is of the layer: it was there first. Who covers it may have
 * bound it over itself. */
static int find_mount(const struct entry *top, const char *path, const struct layer *layer, const struct entry **ret) {
        *ret = NULL;
        for (const struct entry *entry = top; entry && strcmp(entry->point, path) == 0; entry = entry->parent) {
                int r = is_of_layer(entry, layer);

                if (r < 0)
                        return r;
                if (r > 0)
                        *ret = entry;
        }
        return 0;
}

int layer_look(struct pods *pods, struct layer *layer) {
        _cleanup_free_ char *path = layer_path(pods, layer);
        const struct entry *top, *entry;
        int r;

        if (!path)
                return log_oom();
        r = pods_sync(pods);
        if (r < 0)
                return log_errno(LOG_ERR, r, "read the mount table");
        top = table_at(pods->table, path);
        r = find_mount(top, path, layer, &entry);
        if (r < 0)
                return r;
        layer->mounted = entry;
        layer->covered = entry && entry != top;
        if (layer->mounted) {
                layer->mount_unique = entry->unique_id;
                layer->mount_id = entry->id;
                layer->device = entry->device;
        }
        return 0;
}

void layer_set_mounted(struct layer *layer, const struct step_result *made) {
        layer->mounted = true;
        layer->covered = false;
        layer->mount_unique = made->id;
        layer->mount_id = made->mount_id;
        layer->device = made->device;
}

int layer_read_map(const struct record_layer *record, struct idmap *ret) {
        _cleanup_free_ char *text = text_format("uids=%s;gids=%s", record->uid_map, record->gid_map);
        const char *must;

        if (!text)
                return log_oom();
        return idmap_parse(text, ret, &must) == 0 ? 0 : log_errno(LOG_ERR, EBADMSG, "read the id mapping of layer %s", record->id);
}

int layer_plan_mount(struct operation *operation, const struct layer *layer) {
        const struct record_layer *record = layer->record;
        /* What is in a store is the administrator's: users there are others. */
        const uid_t uid = layer->store ? 0 : record->owner;
        const struct job_caller owner = {.root = uid == 0, .uid = uid, .gid = layer->store ? 0 : record->owner_group};
        _cleanup_free_ const char **below = calloc(layer->depth, sizeof(*below));
        _cleanup_idmap_ struct idmap idmap = {};
        struct plan_layer plan = {
                .id = layer_reference(layer),
                .number = record->number,
                .below = below,
                .writable = record->read_write,
                .label = record->label,
                .shared = !operation->pods->facts.propagation_private,
        };
        int r = 0;

        if (!below)
                return log_oom();
        for (const struct layer *parent = layer->parent; parent; parent = parent->parent)
                below[plan.n_below++] = layer_reference(parent);
        if (record->uid_map) {
                r = layer_read_map(record, &idmap);
                plan.idmap = &idmap;
        }
        if (r < 0)
                return r;
        if (operation->job_id == 0)
                operation->job_id = store_next_job(operation->pods->store);
        return plan_layer_mount(operation->job_id, &owner, &plan, &operation->job);
}

int layer_plan_unmount(struct operation *operation, const struct layer *layer) {
        if (operation->job_id == 0)
                operation->job_id = store_next_job(operation->pods->store);
        return plan_layer_unmount(operation->job_id, layer->record->id, layer->record->number, layer->mount_unique, layer->mount_id,
                                  layer->device, &operation->job);
}

int layer_check_mounts(struct operation *operation, const struct layer *layer, struct failure *f) {
        const struct pods *pods = operation->pods;
        const struct quota_ask ask = {.mounts = 1};
        struct quota_use use = {.mounts_of_namespace = table_size(pods->table), .mounts_max = pods->mounts_max};
        const struct caller owner = {.uid = layer->store ? 0 : layer->record->owner, .gid = layer->store ? 0 : layer->record->owner_group,
                                     .host_user_namespace = true, .host_mount_namespace = true, .host_root_directory = true};

        if (owner.uid != 0)
                use_count(pods, owner.uid, owner.gid, operation, &use);
        return quota_check(pods->settings, &owner, &use, &ask, f);
}
