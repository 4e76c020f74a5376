/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Makes a job's head from the pod and a step from a wanted mount: copies, with fd names turned into indexes. */

#include "plan/make.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "util/array.h"
#include "util/log.h"

int make_job(const struct plan_pod *pod, struct job **ret) {
        _cleanup_(job_freep) struct job *job = job_new();

        if (!job)
                return log_oom();
        if (strlen(pod->uuid) >= sizeof(job->uuid))
                return log_errno(LOG_ERR, EINVAL, "plan for pod %s", pod->uuid);
        job->id = pod->job;
        strcpy(job->uuid, pod->uuid);
        job->private = pod->private;
        job->owner = pod->owner;
        job->owner_group = pod->owner_group;
        if (pod->caller) {
                const struct job_caller *from = pod->caller;

                job->caller = (struct job_caller) {.root = from->root, .uid = from->uid, .gid = from->gid,
                        .brought_max = from->brought_max};
                if (from->n_groups > 0) {
                        job->caller.groups = reallocarray(NULL, from->n_groups, sizeof(*from->groups));
                        if (!job->caller.groups)
                                return log_oom();
                        memcpy(job->caller.groups, from->groups, from->n_groups * sizeof(*from->groups));
                        job->caller.n_groups = from->n_groups;
                }
        }
        job->n_fds = (uint32_t) strv_length(pod->fd_names);
        if (pod->fd_names) {
                int r = strv_copy(pod->fd_names, &job->fd_names);

                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(job);
        return 0;
}

static int copy_text(const char *from, char **ret) {
        if (!from)
                return 0;
        *ret = strdup(from);
        return *ret ? 0 : log_oom();
}

static int find_fd(const struct plan_pod *pod, const struct wanted_mount *mount, const char *name, uint32_t *ret,
        struct failure *f) {
        for (uint32_t i = 0; pod->fd_names && pod->fd_names[i]; i++)
                if (strcmp(pod->fd_names[i], name) == 0) {
                        *ret = i;
                        return 0;
                }
        return failure_set(f, FAILURE_INVALID_ARGS,
                "%s%sThe source fd:%s of %s names no file descriptor of this call; send one by that name.",
                mount->pointer ? mount->pointer : "", mount->pointer && mount->pointer[0] ? ": " : "", name,
                mount->target);
}

static int make_source(const struct plan_pod *pod, const struct wanted_mount *mount, const struct source *source,
        struct step_source *ret, struct failure *f) {
        switch (source->kind) {
        case SOURCE_NONE:
                return copy_text(source->text, &ret->path);
        case SOURCE_PATH:
                ret->kind = STEP_SOURCE_PATH;
                return copy_text(source->text, &ret->path);
        case SOURCE_FD:
                ret->kind = STEP_SOURCE_FD;
                return find_fd(pod, mount, source->text, &ret->fd, f);
        case SOURCE_VOLUME:
                ret->kind = STEP_SOURCE_VOLUME;
                return copy_text(source->text, &ret->path);
        case SOURCE_LAYER:
                ret->kind = STEP_SOURCE_LAYER;
                return copy_text(source->text, &ret->path);
        }
        return -EINVAL;
}

static int make_sources(const struct plan_pod *pod, const struct wanted_mount *mount, struct step *step,
        struct failure *f) {
        int r = make_source(pod, mount, &mount->source, &step->source, f);

        if (r == 0)
                r = make_source(pod, mount, &mount->space, &step->space, f);
        if (r == 0)
                r = make_source(pod, mount, &mount->userns, &step->userns, f);
        if (r == 0 && idmap_copy(&mount->idmap, &step->idmap) < 0)
                return log_oom();
        if (r != 0 || (mount->kind != WANTED_OVERLAY && mount->source.kind != SOURCE_LAYER))
                return r;
        step->source.id = mount->layer;
        if (mount->layer_reference) {
                free(step->source.path);
                step->source.path = strdup(mount->layer_reference);
                if (!step->source.path)
                        return log_oom();
        }
        if (mount->n_lower > JOB_LAYERS_MAX)
                return failure_set(f, FAILURE_INVALID_OPTION,
                        "%s: the overlay at %s names %zu lower layers; give at most %d.", mount->pointer, mount->target,
                        mount->n_lower, JOB_LAYERS_MAX);
        for (size_t i = 0; i < mount->n_lower; i++) {
                struct step_source *layer = array_append(&step->layers, &step->n_layers);

                if (!layer)
                        return log_oom();
                r = make_source(pod, mount, &mount->lower[i], layer, f);
                if (r != 0)
                        return r;
        }
        r = make_source(pod, mount, &mount->upper, &step->upper, f);
        return r != 0 ? r : make_source(pod, mount, &mount->work, &step->work, f);
}

/* Whether the option's value names an fd of the call. */
static bool is_fd_option(const struct wanted_mount *mount, const struct data_option *data) {
        const struct option_row *row = option_find_data(mount->type, data->name);

        return row && row->value == VALUE_FD && data->value && strncmp(data->value, "fd:", strlen("fd:")) == 0;
}

static int make_options(const struct plan_pod *pod, const struct wanted_mount *mount, struct step *step, struct failure *f) {
        if ((mount->kind == WANTED_ROOT && mount->source.kind != SOURCE_LAYER) || mount->kind == WANTED_BIND)
                return 0;
        for (size_t i = 0; i < mount->n_data; i++) {
                struct step_option *option = array_append(&step->options, &step->n_options);

                if (!option)
                        return log_oom();
                option->fd = STEP_NO_FD;
                if (copy_text(mount->data[i].name, &option->name) < 0)
                        return -ENOMEM;
                if (is_fd_option(mount, &mount->data[i])) {
                        int r = find_fd(pod, mount, mount->data[i].value + strlen("fd:"), &option->fd, f);

                        if (r != 0)
                                return r;
                } else if (copy_text(mount->data[i].value, &option->value) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static enum step_kind kind_of(enum wanted_kind kind) {
        switch (kind) {
        case WANTED_ROOT:
                return STEP_ROOT;
        case WANTED_BIND:
                return STEP_BIND;
        case WANTED_FILESYSTEM:
                return STEP_FILESYSTEM;
        case WANTED_OVERLAY:
                return STEP_OVERLAY;
        case WANTED_IMAGE:
                return STEP_IMAGE;
        case WANTED_MASK:
                return STEP_MASK;
        case WANTED_READONLY:
                return STEP_READONLY;
        case WANTED_PIN:
                return STEP_PIN;
        }
        return _STEP_KIND_MAX;
}

/* Nobody can write to a read-only root or bind: it needs no upper layer to take the writes, only stubs. */
static bool has_tmpfs_upper(const struct wanted_mount *mount) {
        return (mount->kind == WANTED_ROOT || mount->kind == WANTED_BIND) && mount->overlay == SPEC_OVERLAY_TMPFS &&
               !(mount->attr_set & MOUNT_ATTR_RDONLY);
}

static uint32_t flags_of(const struct wanted_mount *mount) {
        const bool clone = mount->kind == WANTED_ROOT || mount->kind == WANTED_BIND;

        return (clone && mount->recursive ? STEP_RECURSIVE : 0) | (mount->attr_recursive ? STEP_ATTR_RECURSIVE : 0) |
               (mount->propagation_recursive ? STEP_PROPAGATION_RECURSIVE : 0) |
               (has_tmpfs_upper(mount) ? STEP_OVERLAY_TMPFS : 0) |
               (mount->way & OPTION_WAY_COPY_UP ? STEP_COPY_UP : 0) |
               (mount->way & OPTION_WAY_SOURCE_NOFOLLOW && mount->source.kind != SOURCE_VOLUME ? STEP_SOURCE_NOFOLLOW : 0) |
               (mount->way & OPTION_WAY_TARGET_NOFOLLOW ? STEP_TARGET_NOFOLLOW : 0) | (mount->device ? STEP_DEVICE : 0) |
               (mount->make_layers ? STEP_MAKE_LAYERS : 0) | (mount->layer_writable ? STEP_LAYER_WRITABLE : 0) |
               (mount->mandatory ? STEP_OPTIONAL : 0);
}

int make_step(struct job *job, const struct plan_pod *pod, const struct wanted *wanted, uint32_t index,
        struct step **ret, struct failure *f) {
        const struct wanted_mount *mount = &wanted->mounts[index];
        struct step *step = job_add(job, kind_of(mount->kind));
        int r;

        if (!step)
                return log_oom();
        step->wanted = index;
        step->flags = flags_of(mount);
        step->attr_set = mount->attr_set;
        step->attr_clear = mount->attr_clear;
        step->attr_set_below = mount->attr_set_below;
        step->attr_clear_below = mount->attr_clear_below;
        step->propagation = mount->propagation;
        if (strcmp(wanted_container(wanted, mount), SPEC_HOST) == 0)
                step->flags |= STEP_HOST;
        if (copy_text(wanted_container(wanted, mount), &step->container) < 0 ||
                copy_text(mount->target, &step->target) < 0)
                return -ENOMEM;
        if ((mount->kind == WANTED_FILESYSTEM || mount->kind == WANTED_IMAGE) && copy_text(mount->type, &step->type) < 0)
                return -ENOMEM;
        if (mount->kind == WANTED_PIN && copy_text(mount->pin, &step->type) < 0)
                return -ENOMEM;
        if (has_tmpfs_upper(mount))
                step->size = mount->overlay_size;
        r = make_options(pod, mount, step, f);
        if (r != 0)
                return r;
        r = make_sources(pod, mount, step, f);
        if (r != 0)
                return r;
        *ret = step;
        return 0;
}

int plan_remount(const struct plan_pod *pod, const struct wanted *wanted, uint64_t id, uint32_t mount_id,
        uint64_t namespace, struct job **ret, struct failure *f) {
        const struct wanted_mount *mount = wanted->mounts;
        _cleanup_(job_freep) struct job *job = NULL;
        struct step *step;
        int r = make_job(pod, &job);

        if (r < 0)
                return r;
        step = job_add(job, STEP_REMOUNT);
        if (!step)
                return log_oom();
        step->wanted = 0;
        step->flags = mount->attr_recursive ? STEP_ATTR_RECURSIVE : 0;
        step->attr_set = mount->attr_set;
        step->attr_clear = mount->attr_clear;
        step->attr_set_below = mount->attr_set_below;
        step->attr_clear_below = mount->attr_clear_below;
        step->id = id;
        step->mount_id = mount_id;
        step->namespace = namespace;
        if (copy_text(wanted_container(wanted, mount), &step->container) < 0 ||
                copy_text(mount->target, &step->target) < 0 || copy_text(mount->type, &step->type) < 0)
                return -ENOMEM;
        r = make_options(pod, mount, step, f);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(job);
        return 0;
}
