/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of layers' directories, and the jobs that make and remove them. */

#include "plan/layer.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>

#include "util/array.h"
#include "util/log.h"
#include "util/text.h"

char *layer_new_name(uint64_t number) {
        return text_format(".new-%" PRIu64, number);
}

char *layer_removing_name(const char *id, uint64_t number) {
        return text_format(".%s-removing-%" PRIu64, id, number);
}

char *layer_source(bool in_store, uint64_t number) {
        return text_format(in_store ? "podmount-store-layer-%" PRIu64 : "podmount-layer-%" PRIu64, number);
}

/* A number without sign, space and zeros before it, up to `max`, and the colon behind it. */
static const char *parse_number(const char *text, uint64_t max, uint64_t *ret) {
        uint64_t value = 0;

        if (*text < '1' || *text > '9')
                return NULL;
        for (; *text >= '0' && *text <= '9'; text++)
                if (__builtin_mul_overflow(value, UINT64_C(10), &value) || __builtin_add_overflow(value, (uint64_t) (*text - '0'), &value))
                        return NULL;
        *ret = value;
        return *text == ':' && value <= max ? text + 1 : NULL;
}

bool layer_reference_parse(const char *text, struct layer_reference *ret) {
        uint64_t store = 0;

        *ret = (struct layer_reference) {.id = text};
        if (strchr(text, ':')) {
                text = parse_number(text, UINT32_MAX, &store);
                ret->id = text ? parse_number(text, UINT64_MAX, &ret->number) : NULL;
                ret->store = (uint32_t) store;
        }
        return ret->id && layer_id_is_valid(ret->id);
}

char *layer_reference_text(uint32_t store, uint64_t number, const char *id) {
        return text_format("%" PRIu32 ":%" PRIu64 ":%s", store, number, id);
}

int plan_layer(uint64_t job, enum step_kind kind, const char *id, uint64_t number, struct job **ret) {
        _cleanup_(job_freep) struct job *made = job_new();
        struct step *step = made ? job_add(made, kind) : NULL;

        if (!step)
                return log_oom();
        made->id = job;
        step->serial = number;
        step->target = strdup(id);
        if (!step->target)
                return log_oom();
        *ret = TAKE_PTR(made);
        return 0;
}

int plan_copy_caller(const struct job_caller *from, struct job_caller *ret) {
        *ret = (struct job_caller) {.root = from->root, .uid = from->uid, .gid = from->gid};
        if (from->n_groups == 0)
                return 0;
        ret->groups = reallocarray(NULL, from->n_groups, sizeof(*from->groups));
        if (!ret->groups)
                return log_oom();
        memcpy(ret->groups, from->groups, from->n_groups * sizeof(*from->groups));
        ret->n_groups = from->n_groups;
        return 0;
}

static int add_option(struct step *step, const char *name, const char *value) {
        struct step_option *option = array_append(&step->options, &step->n_options);

        if (!option)
                return log_oom();
        option->fd = STEP_NO_FD;
        option->name = strdup(name);
        option->value = strdup(value);
        return option->name && option->value ? 0 : log_oom();
}

static int fill_mount(struct step *step, const struct plan_layer *layer) {
        int r = 0;

        step->flags = layer->writable ? STEP_LAYER_WRITABLE : 0;
        step->attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (layer->writable ? 0 : MOUNT_ATTR_RDONLY);
        step->propagation = layer->shared ? MS_SHARED : MS_PRIVATE;
        for (size_t i = 0; i < layer->n_below && r == 0; i++)
                r = strv_append(&step->stubs, layer->below[i]);
        if (r == 0 && layer->label)
                r = add_option(step, "context", layer->label);
        if (r == 0 && layer->idmap) {
                r = idmap_copy(layer->idmap, &step->idmap);
                step->idmap.given = r == 0;
        }
        return r < 0 ? log_oom() : 0;
}

int plan_layer_mount(uint64_t job, const struct job_caller *caller, const struct plan_layer *layer, struct job **ret) {
        _cleanup_(job_freep) struct job *made = NULL;
        int r = plan_layer(job, STEP_LAYER_MOUNT, layer->id, layer->number, &made);

        if (r == 0)
                r = plan_copy_caller(caller, &made->caller);
        if (r == 0)
                r = fill_mount(&made->steps[0], layer);
        if (r == 0)
                *ret = TAKE_PTR(made);
        return r;
}

int plan_layer_unmount(uint64_t job, const char *id, uint64_t number, uint64_t unique, uint32_t mount_id, uint64_t device, struct job **ret) {
        int r = plan_layer(job, STEP_LAYER_UNMOUNT, id, number, ret);

        if (r < 0)
                return r;
        (*ret)->steps[0].id = unique;
        (*ret)->steps[0].mount_id = mount_id;
        (*ret)->steps[0].device = device;
        return 0;
}

static int add_layers(struct step *step, const char *const *ids, size_t n) {
        for (size_t i = 0; i < n; i++) {
                struct step_source *layer = array_append(&step->layers, &step->n_layers);

                if (!layer)
                        return log_oom();
                *layer = (struct step_source) {.kind = STEP_SOURCE_LAYER, .path = strdup(ids[i])};
                if (!layer->path)
                        return log_oom();
        }
        return 0;
}

int plan_layer_apply(uint64_t job, const struct job_caller *caller, const struct plan_apply *apply, struct job **ret) {
        _cleanup_(job_freep) struct job *made = NULL;
        struct step *step;
        int r = plan_layer(job, STEP_LAYER_APPLY, apply->id, apply->number, &made);

        if (r == 0)
                r = plan_copy_caller(caller, &made->caller);
        if (r < 0)
                return r;
        step = &made->steps[0];
        made->n_fds = 1;
        step->source = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = 0};
        step->flags = (apply->writable ? STEP_LAYER_WRITABLE : 0) | (apply->base ? STEP_LAYER_BASE : 0);
        step->size = apply->bytes_max;
        step->id = apply->inodes_max;
        r = add_layers(step, apply->below, apply->n_below);
        if (r == 0 && apply->idmap) {
                r = idmap_copy(apply->idmap, &step->idmap);
                step->idmap.given = r == 0;
        }
        if (r == 0 && apply->digest) {
                r = strv_append(&step->stubs, apply->digest);
                if (r == 0)
                        r = strv_append(&step->stubs, apply->diff_id);
        }
        if (r == 0)
                *ret = TAKE_PTR(made);
        return r < 0 ? log_oom() : 0;
}

int plan_layer_merge(uint64_t job, const char *id, uint64_t number, bool base, uint64_t bytes_max, uint64_t inodes_max, struct job **ret) {
        int r = plan_layer(job, STEP_LAYER_MERGE, id, number, ret);

        if (r < 0)
                return r;
        (*ret)->steps[0].flags = base ? STEP_LAYER_BASE : 0;
        (*ret)->steps[0].size = bytes_max;
        (*ret)->steps[0].id = inodes_max;
        return 0;
}

static int add_beside_idmap(struct step *step, const struct idmap *idmap) {
        _cleanup_free_ char *text = idmap_to_text(idmap);

        return text ? add_option(step, PLAN_READ_IDMAP, text) : log_oom();
}

int plan_layer_read(uint64_t job, const struct job_caller *caller, enum step_kind kind, const struct plan_read *read, struct job **ret) {
        _cleanup_(job_freep) struct job *made = NULL;
        struct step *step;
        int r = plan_layer(job, kind, read->id, read->number, &made);

        if (r == 0)
                r = plan_copy_caller(caller, &made->caller);
        if (r < 0)
                return r;
        step = &made->steps[0];
        step->flags = read->own ? STEP_LAYER_OWN : 0;
        if (kind == STEP_LAYER_DIFF) {
                made->n_fds = 1;
                step->source = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = 0};
        }
        for (size_t i = 0; i < read->n_below && r == 0; i++)
                r = strv_append(&step->stubs, read->below[i]);
        if (r == 0)
                r = add_layers(step, read->beside, read->n_beside);
        if (r == 0 && read->beside_idmap)
                r = add_beside_idmap(step, read->beside_idmap);
        if (r == 0 && read->idmap) {
                r = idmap_copy(read->idmap, &step->idmap);
                step->idmap.given = r == 0;
        }
        if (r == 0)
                *ret = TAKE_PTR(made);
        return r < 0 ? log_oom() : 0;
}

int plan_layer_open(uint64_t job, const struct job_caller *caller, const char *id, uint64_t number, struct job **ret) {
        _cleanup_(job_freep) struct job *made = NULL;
        int r = plan_layer(job, STEP_LAYER_OPEN, id, number, &made);

        if (r == 0)
                r = plan_copy_caller(caller, &made->caller);
        if (r == 0)
                *ret = TAKE_PTR(made);
        return r;
}
