/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Jobs on the wire. The decoder is what stands between a captured front and the executor's memory: it accepts only
 * what the encoder writes. A kind of step carries only the fields that it has, named in one table for both directions,
 * so that an unmount with a source cannot even be said.
 *
 *     job   magic, id, uuid, private, owner, owner_group, caller, containers, n_fds, fd_names, steps
 *     step  kind, flags, wanted, then the fields of the kind in the order of enum step_field
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan/step.h"
#include "plan/wire.h"
#include "util/array.h"
#include "util/channel.h"
#include "util/log.h"

enum {
        JOB_MAGIC = 0x314a4d50,     /* "PMJ1" */
        JOB_CONTAINERS_MAX = 65536, /* names; the door knows the real limit */
        STEP_SIZE_MIN = 3 * sizeof(uint32_t),
        SOURCE_SIZE_MIN = 1 + sizeof(uint32_t),
        OPTION_SIZE_MIN = 3 * sizeof(uint32_t),
        MAPPING_SIZE = 3 * sizeof(uint32_t),
};

enum step_field {
        FIELD_CONTAINER = 1 << 0,
        FIELD_TARGET = 1 << 1,
        FIELD_TYPE = 1 << 2,
        FIELD_SOURCE = 1 << 3,
        FIELD_LAYERS = 1 << 4, /* layers, upper, work */
        FIELD_OPTIONS = 1 << 5,
        FIELD_STUBS = 1 << 6,
        FIELD_ATTRIBUTES = 1 << 7, /* attr_set, attr_clear, the same below, propagation */
        FIELD_SIZE = 1 << 8,
        FIELD_CREATE = 1 << 9, /* create, cover_step, cover_id */
        FIELD_ID = 1 << 10,    /* id, mount_id, device */
        FIELD_MADE = 1 << 11,  /* made, made_file */
        FIELD_SPACE = 1 << 12,
        FIELD_IDMAP = 1 << 13, /* idmap, userns */
        FIELD_NAMESPACE = 1 << 14,
        FIELD_SERIAL = 1 << 15,
        FIELD_PROPAGATION = 1 << 16, /* …which FIELD_ATTRIBUTES has, too */
        FIELDS_PLACED = FIELD_CONTAINER | FIELD_TARGET | FIELD_SOURCE | FIELD_ATTRIBUTES | FIELD_CREATE,
        FLAGS_PLACED = STEP_ATTR_RECURSIVE | STEP_PROPAGATION_RECURSIVE | STEP_STACK | STEP_TARGET_NOFOLLOW,
};

static const struct kind_row {
        uint32_t fields; /* enum step_field */
        uint32_t flags;  /* enum step_flags that may be set */
} kind_rows[_STEP_KIND_MAX] = {
        [STEP_TREE] = {FIELD_ATTRIBUTES | FIELD_SIZE, 0},
        [STEP_ROOT] = {FIELDS_PLACED | FIELD_IDMAP | FIELD_LAYERS | FIELD_OPTIONS | FIELD_STUBS | FIELD_SIZE,
                FLAGS_PLACED | STEP_RECURSIVE | STEP_OVERLAY_TMPFS | STEP_LAYER_WRITABLE},
        [STEP_BIND] = {FIELDS_PLACED | FIELD_IDMAP | FIELD_STUBS | FIELD_SIZE,
                FLAGS_PLACED | STEP_RECURSIVE | STEP_SOURCE_NOFOLLOW | STEP_OVERLAY_TMPFS | STEP_BENEATH | STEP_HOST},
        [STEP_FILESYSTEM] = {FIELD_STUBS | FIELDS_PLACED | FIELD_TYPE | FIELD_OPTIONS | FIELD_SPACE,
                FLAGS_PLACED | STEP_COPY_UP | STEP_BENEATH | STEP_OPTIONAL | STEP_HOST},
        [STEP_IMAGE] = {FIELDS_PLACED | FIELD_TYPE | FIELD_OPTIONS, FLAGS_PLACED | STEP_DEVICE | STEP_BENEATH},
        [STEP_OVERLAY] = {FIELDS_PLACED | FIELD_IDMAP | FIELD_LAYERS | FIELD_OPTIONS | FIELD_STUBS,
                FLAGS_PLACED | STEP_BENEATH | STEP_MAKE_LAYERS | STEP_HOST},
        [STEP_MASK] = {FIELD_CONTAINER | FIELD_TARGET | FIELD_ATTRIBUTES, 0},
        [STEP_READONLY] = {FIELD_CONTAINER | FIELD_TARGET | FIELD_ATTRIBUTES, 0},
        [STEP_MKDIR] = {FIELD_CONTAINER | FIELD_TARGET | FIELD_CREATE, 0},
        [STEP_REMOUNT] = {FIELD_CONTAINER | FIELD_TARGET | FIELD_TYPE | FIELD_OPTIONS | FIELD_ATTRIBUTES | FIELD_ID |
                                 FIELD_NAMESPACE,
                STEP_ATTR_RECURSIVE},
        [STEP_PUBLISH] = {0, 0},
        [STEP_CONTAINER] = {FIELD_CONTAINER | FIELD_ATTRIBUTES | FIELD_SIZE, 0},
        [STEP_JOIN] = {FIELD_CONTAINER, 0},
        [STEP_UNMOUNT] = {FIELD_TARGET | FIELD_ID | FIELD_MADE | FIELD_PROPAGATION, STEP_LAZY_BELOW | STEP_RESTORE | STEP_HOST | STEP_OF_TREE},
        [STEP_DETACH] = {FIELD_TARGET | FIELD_ID | FIELD_MADE, STEP_HOST},
        [STEP_UNMAKE] = {FIELD_TARGET | FIELD_SOURCE | FIELD_MADE, 0},
        [STEP_REMOVE_POD] = {0, STEP_DESERTED},
        [STEP_OPEN_TREE] = {FIELD_CONTAINER | FIELD_TARGET, 0},
        [STEP_FIND] = {FIELD_CONTAINER | FIELD_STUBS, 0},
        [STEP_EXAMINE] = {FIELD_CONTAINER | FIELD_TARGET, 0},
        [STEP_IDENTIFY] = {FIELD_SOURCE, 0},
        [STEP_ENTER] = {FIELD_CONTAINER | FIELD_SOURCE | FIELD_NAMESPACE, 0},
        [STEP_SEEK] = {FIELD_ID | FIELD_NAMESPACE, STEP_RECURSIVE},
        [STEP_WITHDRAW] = {FIELD_ID | FIELD_NAMESPACE, STEP_LAZY_BELOW | STEP_RECURSIVE | STEP_OPTIONAL},
        [STEP_LAYER_MAKE] = {FIELD_TARGET | FIELD_SERIAL, 0},
        [STEP_LAYER_RETIRE] = {FIELD_TARGET | FIELD_SERIAL, 0},
        [STEP_LAYER_MOUNT] = {FIELD_TARGET | FIELD_SERIAL | FIELD_STUBS | FIELD_IDMAP | FIELD_OPTIONS | FIELD_ATTRIBUTES, STEP_LAYER_WRITABLE},
        [STEP_LAYER_UNMOUNT] = {FIELD_TARGET | FIELD_SERIAL | FIELD_ID, 0},
        [STEP_LAYER_PURGE] = {FIELD_TARGET | FIELD_SERIAL, 0},
        [STEP_LAYER_APPLY] = {FIELD_TARGET | FIELD_SERIAL | FIELD_SOURCE | FIELD_SIZE | FIELD_ID | FIELD_IDMAP | FIELD_STUBS | FIELD_LAYERS,
                               STEP_LAYER_WRITABLE | STEP_LAYER_BASE},
        [STEP_LAYER_ADOPT] = {FIELD_TARGET | FIELD_SERIAL, 0},
        [STEP_LAYER_MERGE] = {FIELD_TARGET | FIELD_SERIAL | FIELD_SIZE | FIELD_ID, STEP_LAYER_BASE},
        [STEP_LAYER_CLEAR] = {FIELD_TARGET | FIELD_SERIAL, 0},
        [STEP_IMAGE_READ] = {FIELD_SOURCE | FIELD_STUBS, 0},
        [STEP_IMAGE_BLOB] = {FIELD_SOURCE | FIELD_STUBS | FIELD_SIZE, 0},
        [STEP_LAYER_DIFF] = {FIELD_TARGET | FIELD_SERIAL | FIELD_STUBS | FIELD_LAYERS | FIELD_IDMAP | FIELD_OPTIONS | FIELD_SOURCE, STEP_LAYER_OWN},
        [STEP_LAYER_CHANGES] = {FIELD_TARGET | FIELD_SERIAL | FIELD_STUBS | FIELD_LAYERS | FIELD_IDMAP | FIELD_OPTIONS, STEP_LAYER_OWN},
        [STEP_LAYER_SIZE] = {FIELD_TARGET | FIELD_SERIAL | FIELD_STUBS | FIELD_LAYERS | FIELD_IDMAP | FIELD_OPTIONS, STEP_LAYER_OWN},
        [STEP_LAYER_OPEN] = {FIELD_TARGET | FIELD_SERIAL, 0},
        [STEP_PIN] = {FIELDS_PLACED | FIELD_TYPE, FLAGS_PLACED | STEP_HOST},
        [STEP_HOLDERS] = {FIELD_ID, STEP_RECURSIVE},
        [STEP_GC_PROGRAM] = {FIELD_CONTAINER | FIELD_TARGET, STEP_GC_LISTED | STEP_GC_DEBUG | STEP_GC_REGISTRY},
        [STEP_LINK] = {FIELD_CONTAINER | FIELD_TARGET | FIELD_TYPE | FIELD_SOURCE | FIELD_STUBS | FIELD_ID, STEP_LINK_MOVE},
        [STEP_UNLINK] = {FIELD_CONTAINER | FIELD_TARGET | FIELD_TYPE | FIELD_STUBS | FIELD_ID, STEP_LINK_MOVE},
        [STEP_CGROUP_MAKE] = {FIELD_TARGET | FIELD_SOURCE, STEP_OPTIONAL},
        [STEP_CGROUP_REMOVE] = {FIELD_TARGET | FIELD_SOURCE, 0},
};

/* The rules that both directions share; what they leave open is the door's. */

static bool uuid_is_valid(const char *uuid) {
        if (uuid[0] == 0)
                return true;
        if (strnlen(uuid, JOB_UUID_SIZE) != JOB_UUID_SIZE - 1)
                return false;
        for (size_t i = 0; i < JOB_UUID_SIZE - 1; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;

                if (dash ? uuid[i] != '-' : !strchr("0123456789abcdef", uuid[i]))
                        return false;
        }
        return true;
}

static bool source_is_valid(const struct job *job, const struct step_source *source) {
        switch (source->kind) {
        case STEP_SOURCE_NONE:
                return source->fd == 0 && source->id == 0;
        case STEP_SOURCE_PATH:
                return source->path && source->fd == 0 && source->id == 0;
        case STEP_SOURCE_FD:
                return !source->path && source->fd < job->n_fds && source->id == 0;
        case STEP_SOURCE_VOLUME:
        case STEP_SOURCE_LAYER:
                return source->path && source->fd == 0;
        }
        return false;
}

static bool fields_are_there(const struct step *step, uint32_t fields) {
        if ((fields & FIELD_CONTAINER) && !step->container)
                return false;
        if ((fields & FIELD_TARGET) && !step->target)
                return false;
        return !(fields & FIELD_TYPE) || step->type;
}

static bool source_is_empty(const struct step_source *source) {
        return source->kind == STEP_SOURCE_NONE && !source->path && source->fd == 0 && source->id == 0;
}

/* Nothing is set that this kind of step does not carry: it would get lost on the way. */
static bool others_are_empty(const struct step *step, uint32_t fields) {
        const uint32_t not = ~fields;

        return (!(not & FIELD_CONTAINER) || !step->container) && (!(not & FIELD_TARGET) || !step->target) &&
               (!(not & FIELD_TYPE) || !step->type) && (!(not & FIELD_SOURCE) || source_is_empty(&step->source)) &&
               (!(not & FIELD_SPACE) || source_is_empty(&step->space)) &&
               (!(not & FIELD_IDMAP) || !step->idmap.given) &&
               (!(not & FIELD_LAYERS) ||
                (step->n_layers == 0 && source_is_empty(&step->upper) && source_is_empty(&step->work))) &&
               (!(not & FIELD_OPTIONS) || step->n_options == 0) &&
               (!(not & FIELD_STUBS) || !step->stubs || !step->stubs[0]) &&
               (!(not & FIELD_ATTRIBUTES) || (step->attr_set | step->attr_clear) == 0) &&
               ((fields & (FIELD_ATTRIBUTES | FIELD_PROPAGATION)) || step->propagation == 0) &&
               ((step->flags & STEP_ATTR_RECURSIVE) || (step->attr_set_below | step->attr_clear_below) == 0) &&
               (!(not & FIELD_SIZE) || step->size == 0) &&
               (!(not & FIELD_CREATE) || (step->create == STEP_CREATE_NEVER && step->cover_step == STEP_NO_COVER &&
                                          step->cover_id == 0)) &&
               (!(not & FIELD_ID) || (step->id == 0 && step->mount_id == 0 && step->device == 0)) &&
               (!(not & FIELD_NAMESPACE) || step->namespace == 0) && (!(not & FIELD_SERIAL) || step->serial == 0) &&
               (!(not & FIELD_MADE) || (step->made == 0 && !step->made_file));
}

/* Mappings or a user namespace, or nothing at all. */
static bool idmap_is_valid(const struct job *job, const struct step *step) {
        const struct idmap *idmap = &step->idmap;
        bool mappings = idmap->n_uids > 0 && idmap->n_gids > 0, none = idmap->n_uids == 0 && idmap->n_gids == 0;

        if (!idmap->given)
                return none && !idmap->recursive && source_is_empty(&step->userns);
        if (idmap->n_uids > IDMAP_MAX || idmap->n_gids > IDMAP_MAX)
                return false;
        for (size_t i = 0; i < idmap->n_uids; i++)
                if (idmap->uids[i].relative)
                        return false;
        for (size_t i = 0; i < idmap->n_gids; i++)
                if (idmap->gids[i].relative)
                        return false;
        return step->userns.kind == STEP_SOURCE_FD ? none && source_is_valid(job, &step->userns)
                                                   : mappings && source_is_empty(&step->userns);
}

/* A value or an fd. */
static bool option_is_valid(const struct job *job, const struct step_option *option) {
        return option->fd == STEP_NO_FD || (!option->value && option->fd < job->n_fds);
}

static bool step_is_valid(const struct job *job, size_t index) {
        const struct step *step = &job->steps[index];
        const struct kind_row *row;

        if ((unsigned) step->kind >= _STEP_KIND_MAX)
                return false;
        row = &kind_rows[step->kind];
        if ((step->flags & ~row->flags) || !fields_are_there(step, row->fields) || !others_are_empty(step, row->fields))
                return false;
        if (step->wanted != UINT32_MAX && step->wanted >= JOB_STEPS_MAX)
                return false;
        if ((unsigned) step->create >= _STEP_CREATE_MAX)
                return false;
        if (step->cover_step != STEP_NO_COVER && step->cover_step >= index)
                return false;
        if (step->n_layers > JOB_LAYERS_BESIDE_MAX || step->n_options > JOB_OPTIONS_MAX || !idmap_is_valid(job, step))
                return false;
        for (size_t i = 0; i < step->n_layers; i++)
                if (!source_is_valid(job, &step->layers[i]))
                        return false;
        for (size_t i = 0; i < step->n_options; i++)
                if (!step->options[i].name || !option_is_valid(job, &step->options[i]))
                        return false;
        return source_is_valid(job, &step->source) && source_is_valid(job, &step->space) && source_is_valid(job, &step->upper) &&
               source_is_valid(job, &step->work);
}

static bool head_is_valid(const struct job *job) {
        return uuid_is_valid(job->uuid) && (!job->private || job->uuid[0]) && job->caller.n_groups <= JOB_GROUPS_MAX && job->n_fds <= CHANNEL_FDS_MAX &&
               strv_length(job->fd_names) <= job->n_fds;
}

static void put_source(struct wire_writer *writer, const struct step_source *source) {
        wire_put_u8(writer, (uint8_t) source->kind);
        if (source->kind == STEP_SOURCE_FD)
                wire_put_u32(writer, source->fd);
        else
                wire_put_string(writer, source->path);
        if (source->kind == STEP_SOURCE_VOLUME || source->kind == STEP_SOURCE_LAYER)
                wire_put_u64(writer, source->id);
}

static void put_layers(struct wire_writer *writer, const struct step *step) {
        wire_put_count(writer, step->n_layers);
        for (size_t i = 0; i < step->n_layers; i++)
                put_source(writer, &step->layers[i]);
        put_source(writer, &step->upper);
        put_source(writer, &step->work);
}

static void put_mappings(struct wire_writer *writer, const struct id_mapping *list, size_t n) {
        wire_put_count(writer, n);
        for (size_t i = 0; i < n; i++) {
                wire_put_u32(writer, list[i].container_id);
                wire_put_u32(writer, list[i].host_id);
                wire_put_u32(writer, list[i].size);
        }
}

static void put_idmap(struct wire_writer *writer, const struct step *step) {
        wire_put_u8(writer, step->idmap.given);
        if (!step->idmap.given)
                return;
        wire_put_u8(writer, step->idmap.recursive);
        put_source(writer, &step->userns);
        put_mappings(writer, step->idmap.uids, step->idmap.n_uids);
        put_mappings(writer, step->idmap.gids, step->idmap.n_gids);
}

static void put_options(struct wire_writer *writer, const struct step *step) {
        wire_put_count(writer, step->n_options);
        for (size_t i = 0; i < step->n_options; i++) {
                wire_put_string(writer, step->options[i].name);
                wire_put_string(writer, step->options[i].value);
                wire_put_u32(writer, step->options[i].fd);
        }
}

static void put_step(struct wire_writer *writer, const struct step *step) {
        const uint32_t fields = kind_rows[step->kind].fields;

        wire_put_u32(writer, step->kind);
        wire_put_u32(writer, step->flags);
        wire_put_u32(writer, step->wanted);
        if (fields & FIELD_CONTAINER)
                wire_put_string(writer, step->container);
        if (fields & FIELD_TARGET)
                wire_put_string(writer, step->target);
        if (fields & FIELD_TYPE)
                wire_put_string(writer, step->type);
        if (fields & FIELD_SOURCE)
                put_source(writer, &step->source);
        if (fields & FIELD_SPACE)
                put_source(writer, &step->space);
        if (fields & FIELD_IDMAP)
                put_idmap(writer, step);
        if (fields & FIELD_LAYERS)
                put_layers(writer, step);
        if (fields & FIELD_OPTIONS)
                put_options(writer, step);
        if (fields & FIELD_STUBS)
                wire_put_strv(writer, step->stubs);
        if (fields & FIELD_ATTRIBUTES) {
                wire_put_u64(writer, step->attr_set);
                wire_put_u64(writer, step->attr_clear);
                wire_put_u64(writer, step->attr_set_below);
                wire_put_u64(writer, step->attr_clear_below);
                wire_put_u64(writer, step->propagation);
        }
        if (fields & FIELD_SIZE)
                wire_put_u64(writer, step->size);
        if (fields & FIELD_CREATE) {
                wire_put_u32(writer, step->create);
                wire_put_u32(writer, step->cover_step);
                wire_put_u64(writer, step->cover_id);
        }
        if (fields & FIELD_ID) {
                wire_put_u64(writer, step->id);
                wire_put_u32(writer, step->mount_id);
                wire_put_u64(writer, step->device);
        }
        if (fields & FIELD_NAMESPACE)
                wire_put_u64(writer, step->namespace);
        if (fields & FIELD_MADE) {
                wire_put_u32(writer, step->made);
                wire_put_u8(writer, step->made_file);
        }
        if (fields & FIELD_SERIAL)
                wire_put_u64(writer, step->serial);
        if (fields & FIELD_PROPAGATION)
                wire_put_u64(writer, step->propagation);
}

int job_encode(const struct job *job, uint8_t **ret, size_t *ret_size) {
        struct wire_writer writer = {};

        if (job->n_steps > JOB_STEPS_MAX)
                return -E2BIG;
        if (!head_is_valid(job))
                return log_errno(LOG_ERR, EINVAL, "encode the head of job %llu", (unsigned long long) job->id);
        for (size_t i = 0; i < job->n_steps; i++)
                if (!step_is_valid(job, i))
                        return log_errno(LOG_ERR, EINVAL, "encode step %zu (%s) of job %llu", i,
                                step_kind_name(job->steps[i].kind), (unsigned long long) job->id);

        wire_put_u32(&writer, JOB_MAGIC);
        wire_put_u64(&writer, job->id);
        wire_put_string(&writer, job->uuid);
        wire_put_u8(&writer, job->private);
        wire_put_u32(&writer, job->owner);
        wire_put_u32(&writer, job->owner_group);
        wire_put_u8(&writer, job->caller.root);
        wire_put_u32(&writer, job->caller.uid);
        wire_put_u32(&writer, job->caller.gid);
        wire_put_u32(&writer, job->caller.brought_max);
        wire_put_count(&writer, job->caller.n_groups);
        for (size_t i = 0; i < job->caller.n_groups; i++)
                wire_put_u32(&writer, job->caller.groups[i]);
        wire_put_strv(&writer, job->containers);
        wire_put_u32(&writer, job->n_fds);
        wire_put_strv(&writer, job->fd_names);
        wire_put_count(&writer, job->n_steps);
        for (size_t i = 0; i < job->n_steps; i++)
                put_step(&writer, &job->steps[i]);
        return wire_finish(&writer, ret, ret_size);
}

static void take_source(struct wire_reader *reader, struct step_source *ret) {
        uint8_t kind = wire_take_u8(reader);

        switch (kind) {
        case STEP_SOURCE_NONE:
        case STEP_SOURCE_PATH:
                ret->path = wire_take_string(reader, kind == STEP_SOURCE_PATH);
                break;
        case STEP_SOURCE_FD:
                ret->fd = wire_take_u32(reader);
                break;
        case STEP_SOURCE_VOLUME:
        case STEP_SOURCE_LAYER:
                ret->path = wire_take_string(reader, true);
                ret->id = wire_take_u64(reader);
                break;
        default:
                wire_fail(reader, -EBADMSG);
                return;
        }
        ret->kind = (enum step_source_kind) kind;
}

static void take_layers(struct wire_reader *reader, struct step *step) {
        size_t n = wire_take_count(reader, JOB_LAYERS_BESIDE_MAX, SOURCE_SIZE_MIN);

        if (n > 0) {
                step->layers = calloc(n, sizeof(*step->layers));
                if (!step->layers) {
                        wire_fail(reader, -ENOMEM);
                        return;
                }
                step->n_layers = n;
        }
        for (size_t i = 0; i < n; i++)
                take_source(reader, &step->layers[i]);
        take_source(reader, &step->upper);
        take_source(reader, &step->work);
}

static void take_mappings(struct wire_reader *reader, struct id_mapping **ret, size_t *ret_n) {
        size_t n = wire_take_count(reader, IDMAP_MAX, MAPPING_SIZE);

        if (n == 0)
                return;
        *ret = calloc(n, sizeof(**ret));
        if (!*ret) {
                wire_fail(reader, -ENOMEM);
                return;
        }
        *ret_n = n;
        for (size_t i = 0; i < n; i++) {
                (*ret)[i].container_id = wire_take_u32(reader);
                (*ret)[i].host_id = wire_take_u32(reader);
                (*ret)[i].size = wire_take_u32(reader);
        }
}

static void take_idmap(struct wire_reader *reader, struct step *step) {
        step->idmap.given = wire_take_bool(reader);
        if (!step->idmap.given)
                return;
        step->idmap.recursive = wire_take_bool(reader);
        take_source(reader, &step->userns);
        take_mappings(reader, &step->idmap.uids, &step->idmap.n_uids);
        take_mappings(reader, &step->idmap.gids, &step->idmap.n_gids);
}

static void take_options(struct wire_reader *reader, struct step *step) {
        size_t n = wire_take_count(reader, JOB_OPTIONS_MAX, OPTION_SIZE_MIN);

        if (n == 0)
                return;
        step->options = calloc(n, sizeof(*step->options));
        if (!step->options) {
                wire_fail(reader, -ENOMEM);
                return;
        }
        step->n_options = n;
        for (size_t i = 0; i < n; i++) {
                step->options[i].name = wire_take_string(reader, true);
                step->options[i].value = wire_take_string(reader, false);
                step->options[i].fd = wire_take_u32(reader);
        }
}

/* An enum of ours: compared as the number that it came as, before it becomes one. */
static uint32_t take_enum(struct wire_reader *reader, uint32_t max) {
        uint32_t value = wire_take_u32(reader);

        if (value >= max) {
                wire_fail(reader, -EBADMSG);
                return 0;
        }
        return value;
}

static void take_step(struct wire_reader *reader, struct job *job) {
        enum step_kind kind = (enum step_kind) take_enum(reader, _STEP_KIND_MAX);
        const uint32_t fields = kind_rows[kind].fields;
        struct step *step;

        if (reader->error < 0)
                return;
        step = job_add(job, kind);
        if (!step) {
                wire_fail(reader, -ENOMEM);
                return;
        }
        step->flags = wire_take_u32(reader);
        step->wanted = wire_take_u32(reader);
        if (fields & FIELD_CONTAINER)
                step->container = wire_take_string(reader, true);
        if (fields & FIELD_TARGET)
                step->target = wire_take_string(reader, true);
        if (fields & FIELD_TYPE)
                step->type = wire_take_string(reader, true);
        if (fields & FIELD_SOURCE)
                take_source(reader, &step->source);
        if (fields & FIELD_SPACE)
                take_source(reader, &step->space);
        if (fields & FIELD_IDMAP)
                take_idmap(reader, step);
        if (fields & FIELD_LAYERS)
                take_layers(reader, step);
        if (fields & FIELD_OPTIONS)
                take_options(reader, step);
        if (fields & FIELD_STUBS)
                step->stubs = wire_take_strv(reader, JOB_STEPS_MAX);
        if (fields & FIELD_ATTRIBUTES) {
                step->attr_set = wire_take_u64(reader);
                step->attr_clear = wire_take_u64(reader);
                step->attr_set_below = wire_take_u64(reader);
                step->attr_clear_below = wire_take_u64(reader);
                step->propagation = wire_take_u64(reader);
        }
        if (fields & FIELD_SIZE)
                step->size = wire_take_u64(reader);
        if (fields & FIELD_CREATE) {
                step->create = (enum step_create) take_enum(reader, _STEP_CREATE_MAX);
                step->cover_step = wire_take_u32(reader);
                step->cover_id = wire_take_u64(reader);
        }
        if (fields & FIELD_ID) {
                step->id = wire_take_u64(reader);
                step->mount_id = wire_take_u32(reader);
                step->device = wire_take_u64(reader);
        }
        if (fields & FIELD_NAMESPACE)
                step->namespace = wire_take_u64(reader);
        if (fields & FIELD_MADE) {
                step->made = wire_take_u32(reader);
                step->made_file = wire_take_bool(reader);
        }
        if (fields & FIELD_SERIAL)
                step->serial = wire_take_u64(reader);
        if (fields & FIELD_PROPAGATION)
                step->propagation = wire_take_u64(reader);
        if (reader->error == 0 && !step_is_valid(job, job->n_steps - 1))
                wire_fail(reader, -EBADMSG);
}

static void take_caller(struct wire_reader *reader, struct job_caller *ret) {
        size_t n;

        ret->root = wire_take_bool(reader);
        ret->uid = wire_take_u32(reader);
        ret->gid = wire_take_u32(reader);
        ret->brought_max = wire_take_u32(reader);
        n = wire_take_count(reader, JOB_GROUPS_MAX, sizeof(uint32_t));
        if (n == 0)
                return;
        ret->groups = calloc(n, sizeof(*ret->groups));
        if (!ret->groups) {
                wire_fail(reader, -ENOMEM);
                return;
        }
        ret->n_groups = n;
        for (size_t i = 0; i < n; i++)
                ret->groups[i] = wire_take_u32(reader);
}

static void take_uuid(struct wire_reader *reader, char ret[static JOB_UUID_SIZE]) {
        _cleanup_free_ char *uuid = wire_take_string(reader, true);

        if (reader->error < 0)
                return;
        if (!uuid_is_valid(uuid)) {
                wire_fail(reader, -EBADMSG);
                return;
        }
        memcpy(ret, uuid, strlen(uuid) + 1);
}

int job_decode(const uint8_t *data, size_t size, struct job **ret) {
        struct wire_reader reader = {.data = data, .size = size};
        _cleanup_(job_freep) struct job *job = NULL;
        size_t n;

        if (size > CHANNEL_MESSAGE_MAX)
                return -EBADMSG;
        job = job_new();
        if (!job)
                return -ENOMEM;

        if (wire_take_u32(&reader) != JOB_MAGIC)
                return -EBADMSG;
        job->id = wire_take_u64(&reader);
        take_uuid(&reader, job->uuid);
        job->private = wire_take_bool(&reader);
        job->owner = wire_take_u32(&reader);
        job->owner_group = wire_take_u32(&reader);
        take_caller(&reader, &job->caller);
        job->containers = wire_take_strv(&reader, JOB_CONTAINERS_MAX);
        job->n_fds = wire_take_u32(&reader);
        job->fd_names = wire_take_strv(&reader, CHANNEL_FDS_MAX);
        if (reader.error == 0 && !head_is_valid(job))
                return -EBADMSG;
        n = wire_take_count(&reader, JOB_STEPS_MAX, STEP_SIZE_MIN);
        for (size_t i = 0; i < n && reader.error == 0; i++)
                take_step(&reader, job);
        if (reader.error < 0)
                return reader.error;
        if (reader.size > 0)
                return -EBADMSG;
        *ret = TAKE_PTR(job);
        return 0;
}
