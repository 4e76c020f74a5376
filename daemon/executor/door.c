/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One function a step kind says what it must and must not have. A job with a step that is not allowed is refused
 * whole. */

#include "executor/door.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "spec/option.h"
#include "spec/spec.h"
#include "spec/target.h"
#include "util/array.h"
#include "util/path.h"
#include "util/text.h"

#define ATTRIBUTES                                                                                                     \
        (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME |            \
                MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW)

/* Flags of whatever is put at a target. */
#define FLAGS_MADE                                                                                                     \
        (STEP_ATTR_RECURSIVE | STEP_PROPAGATION_RECURSIVE | STEP_STACK | STEP_TARGET_NOFOLLOW | STEP_BENEATH | STEP_HOST)

enum { TMPFS_SIZE_MAX_SHIFT = 50 }; /* a petabyte: anything beyond is no size */

/* The types that need no device and no fd of a server. `global`: it shows the namespaces of whoever makes it. */
static const struct {
        const char *name;
        bool global;
} types[] = {
        {"tmpfs", false},
        {"devpts", false},
        {"proc", true},
        {"sysfs", true},
        {"mqueue", true},
        {"cgroup", true},
        {"cgroup2", true},
        {"devtmpfs", false},
        {"fuse", false},
        {"9p", false},
};

static const char *const image_types[] = {"erofs", "squashfs", "ext4"};

static int refuse(struct failure *f, const char *format, ...) _printf_(2, 3);
static int refuse(struct failure *f, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list arguments;

        va_start(arguments, format);
        text = text_vformat(format, arguments);
        va_end(arguments);
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", text ? text : "");
}

bool door_is_uuid(const char *text) {
        for (size_t i = 0; i < JOB_UUID_SIZE - 1; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;

                if (dash ? text[i] != '-' : !(strchr("0123456789abcdef", text[i]) && text[i]))
                        return false;
        }
        return text[JOB_UUID_SIZE - 1] == 0;
}

bool door_names_pod(const struct job *job) {
        return door_is_uuid(job->uuid);
}

static bool path_is_normal(const char *path) {
        _cleanup_free_ char *normal = NULL;

        return path_normalize(path, &normal) == 0 && strcmp(path, normal) == 0;
}

static bool has_container(const struct job *job, const char *name) {
        for (size_t i = 0; job->containers && job->containers[i]; i++)
                if (strcmp(job->containers[i], name) == 0)
                        return true;
        return false;
}

static bool builds(const struct job *job) {
        return job->n_steps > 0 && (job->steps[0].kind == STEP_TREE || job->steps[0].kind == STEP_CONTAINER);
}

static int check_source(const struct job *job, const struct step_source *source, bool optional, struct failure *f) {
        switch (source->kind) {
        case STEP_SOURCE_NONE:
                return optional ? 0 : refuse(f, "a source is missing");
        case STEP_SOURCE_PATH:
                if (!source->path || !path_is_normal(source->path))
                        return refuse(f, "a source is no normalised absolute path");
                if (!job->caller.root && job->caller.uid == 0)
                        return refuse(f, "the root of another place cannot name paths of the host; it sends an fd");
                return 0;
        case STEP_SOURCE_FD:
                return source->fd < job->n_fds ? 0 : refuse(f, "there is no fd %u", source->fd);
        case STEP_SOURCE_VOLUME:
                return refuse(f, "a volume is bound, and nothing else is made of it");
        case STEP_SOURCE_LAYER:
                return refuse(f, "a layer is a root, and nothing else is made of it");
        }
        return refuse(f, "a source is of no known kind");
}

static int check_flags(const struct step *step, uint32_t allowed, struct failure *f) {
        if (step->flags & ~allowed)
                return refuse(
                        f, "flags %#x do not belong to a step %s", step->flags & ~allowed, step_kind_name(step->kind));
        if ((step->attr_set | step->attr_clear | step->attr_set_below | step->attr_clear_below) &
                ~(uint64_t) ATTRIBUTES)
                return refuse(f, "attributes that are not known");
        switch (step->propagation) {
        case 0:
        case MS_SHARED:
        case MS_SLAVE:
        case MS_PRIVATE:
        case MS_UNBINDABLE:
                return 0;
        default:
                return refuse(f, "a propagation that is not known");
        }
}

static int check_container(const struct job *job, const struct step *step, struct failure *f) {
        if (!step->container || !name_is_valid(step->container))
                return refuse(f, "a container's name is none");
        if (builds(job) && !has_container(job, step->container))
                return refuse(f, "container %s is not one of this pod's", step->container);
        return 0;
}

/* What replaces a mount is alone in its job, because it cannot be taken back, and names what it replaces. */
static int check_beneath(const struct job *job, const struct step *step, struct failure *f) {
        if (job->n_steps != 1U + (job->steps[0].kind == STEP_ENTER) || builds(job) || (step->flags & STEP_STACK))
                return refuse(f, "what replaces a mount is a job of its own");
        if (step->kind == STEP_FILESYSTEM && strcmp(step->type, "devtmpfs") == 0)
                return refuse(f, "a /dev of the pod's own is not made in one step");
        if (step->create != STEP_CREATE_NEVER || step->cover_step != STEP_NO_COVER || step->cover_id == 0)
                return refuse(f, "what replaces a mount names it by its id");
        return 0;
}

/* Whose the ids are is not said here: the hands look that up. */
static int check_idmap(const struct job *job, const struct step *step, struct failure *f) {
        const struct idmap *idmap = &step->idmap;
        const char *must;

        if (!idmap->given)
                return 0;
        if (!job->caller.root && job->caller.uid == 0)
                return refuse(f, "the root of another place maps no ids");
        if (step->userns.kind == STEP_SOURCE_FD)
                return step->userns.fd < job->n_fds && idmap->n_uids == 0 && idmap->n_gids == 0
                               ? 0
                               : refuse(f, "an id mapping by an fd that is not there, or by more than that");
        if (idmap->n_uids == 0 || idmap->n_gids == 0)
                return refuse(f, "an id mapping without mappings");
        must = idmap_check(idmap->uids, idmap->n_uids);
        if (!must)
                must = idmap_check(idmap->gids, idmap->n_gids);
        if (must)
                return refuse(f, "mappings that are not %s", must);
        for (size_t i = 0; i < idmap->n_uids; i++)
                if (idmap->uids[i].relative)
                        return refuse(f, "a mapping that is relative");
        for (size_t i = 0; i < idmap->n_gids; i++)
                if (idmap->gids[i].relative)
                        return refuse(f, "a mapping that is relative");
        return 0;
}

/* The target of a mount, and what it may be created on. */
static int check_target(const struct job *job, size_t i, const char *type, struct failure *f) {
        const struct step *step = &job->steps[i];
        const bool volume = door_is_volume(step), host = step->flags & STEP_HOST;
        const char *reason;
        int r = host ? door_check_on_host(job, i, f) : volume ? door_check_volume(job, i, f) : check_container(job, step, f);

        if (r != 0)
                return r;
        if (!step->target || !path_is_normal(step->target))
                return refuse(f, "a target is no normalised absolute path");
        reason = volume ? NULL : target_refusal(step->target, type);
        if (reason)
                return refuse(f, "%s: %s", step->target, reason);
        if (step->create < 0 || step->create >= _STEP_CREATE_MAX)
                return refuse(f, "a way of making targets that is not known");
        if (step->cover_step != STEP_NO_COVER && step->cover_step >= i)
                return refuse(f, "the target of a step lies on the mount of a later one");
        return step->flags & STEP_BENEATH ? check_beneath(job, step, f) : 0;
}

static int check_layers(const struct job *job, const struct step *step, struct failure *f) {
        int r = 0;

        if (step->n_layers == 0 || step->n_layers > JOB_LAYERS_MAX)
                return refuse(f, "an overlay has 1 to %d lower layers", JOB_LAYERS_MAX);
        for (size_t i = 0; i < step->n_layers && r == 0; i++)
                r = check_source(job, &step->layers[i], false, f);
        if (r == 0)
                r = check_source(job, &step->upper, true, f);
        if (r == 0)
                r = check_source(job, &step->work, true, f);
        if (r == 0 && (step->upper.kind == STEP_SOURCE_NONE) != (step->work.kind == STEP_SOURCE_NONE))
                return refuse(f, "an overlay has both an upper and a work directory, or neither");
        if (r == 0 && step->upper.kind == STEP_SOURCE_NONE && step->n_layers < 2)
                return refuse(f, "an overlay without an upper directory has 2 lower layers or more");
        return r;
}

/* The same allow-list that the spec was compiled with, but for names of directories: those are sources. */
static int check_option(const struct job *job, const struct step_option *option, const char *type, struct failure *f) {
        const struct option_row *plain = option_find(option->name);
        const struct option_row *row =
                plain && plain->kind == OPTION_LABEL ? plain : option_find_data(type, option->name);
        _cleanup_failure_ struct failure reason = FAILURE_INIT;

        if (!row && !option->value && option->fd == STEP_NO_FD && option_is_flag(option->name))
                return 0;
        if (!row || row->value == VALUE_PATH || row->value == VALUE_PATHS || row->unheard)
                return refuse(f, "option %s is not one for %s", option->name, type);
        if (row->value == VALUE_FD)
                return option->fd != STEP_NO_FD ? 0 : refuse(f, "option %s of %s is no fd", option->name, type);
        if (option->fd != STEP_NO_FD)
                return refuse(f, "option %s of %s takes no fd", option->name, type);
        if (option_check_value(row, option->value, &reason) != 0)
                return refuse(f, "%s", reason.text ? reason.text : option->name);
        if (job->caller.root)
                return 0;
        if (option_is_for_root(row, option->value))
                return refuse(f, "option %s of %s is for root", option->name, type);
        if (row->value == VALUE_SIZE || row->value == VALUE_COUNT)
                return strtoull(option->value, NULL, 10) > 0 ? 0 : refuse(f, "%s without a limit is for root", type);
        return 0;
}

static int check_options(const struct job *job, const struct step *step, const char *type, struct failure *f) {
        bool limited = job->caller.root || strcmp(type, "tmpfs") != 0;
        int r = 0;

        if (step->n_options > JOB_OPTIONS_MAX)
                return refuse(f, "a file system has at most %d options", JOB_OPTIONS_MAX);
        for (size_t i = 0; i < step->n_options && r == 0; i++) {
                r = check_option(job, &step->options[i], type, f);
                if (strcmp(step->options[i].name, "size") == 0 || strcmp(step->options[i].name, "nr_blocks") == 0)
                        limited = true;
        }
        if (r == 0 && !limited)
                return refuse(f, "a tmpfs without a limit is for root");
        return r;
}

static int check_type(const struct job *job, const struct step *step, struct failure *f) {
        for (size_t i = 0; step->type && i < ELEMENTSOF(types); i++) {
                if (strcmp(step->type, types[i].name) != 0)
                        continue;
                if (step->space.kind != STEP_SOURCE_NONE && (!types[i].global || step->space.kind != STEP_SOURCE_FD))
                        return refuse(f, "%s with a namespace that it cannot have", step->type);
                if (types[i].global && !job->caller.root && step->space.kind == STEP_SOURCE_NONE)
                        return refuse(f, "%s would show the host's namespaces, which are root's to give", step->type);
                return 0;
        }
        return refuse(f, "a file-system type that is not on the list");
}

static int check_tree(const struct job *job, const struct step *step, struct failure *f) {
        if (!door_names_pod(job))
                return refuse(f, "a pod without a UUID");
        if (step->size == 0 || step->size >> TMPFS_SIZE_MAX_SHIFT)
                return refuse(f, "a tree has a size");
        for (size_t i = 0; job->containers && job->containers[i]; i++)
                if (!name_is_valid(job->containers[i]) && strcmp(job->containers[i], SPEC_VOLUMES) != 0)
                        return refuse(f, "a container's name is none");
        return check_flags(step, 0, f);
}

/* The tree of one container has nothing of another's. */
static int check_alone(const struct job *job, const struct step *step, struct failure *f) {
        int r = check_container(job, step, f);

        if (r == 0 && (strv_length(job->containers) != 1 || strcmp(job->containers[0], step->container) != 0))
                return refuse(f, "the tree of one container has one container");
        if (r == 0 && step->kind == STEP_CONTAINER)
                return check_tree(job, step, f);
        return r != 0 ? r : check_flags(step, 0, f);
}

/* Whatever it hides or makes read-only, it gives nothing: any place of the container will do. */
static int check_mask(const struct job *job, const struct step *step, struct failure *f) {
        int r = check_container(job, step, f);

        if (r == 0 && (!step->target || !path_is_normal(step->target) || strcmp(step->target, "/") == 0))
                return refuse(f, "a target is no normalised absolute path below the root");
        return r != 0 ? r : check_flags(step, 0, f);
}

/* Stubs and the size of the tmpfs that takes the writes. */
static int check_layers_of_clone(const struct step *step, struct failure *f) {
        for (size_t j = 0; step->stubs && step->stubs[j]; j++)
                if (!path_is_normal(step->stubs[j]))
                        return refuse(f, "a stub is no normalised absolute path");
        if ((step->flags & STEP_OVERLAY_TMPFS) && (step->size == 0 || step->size >> TMPFS_SIZE_MAX_SHIFT))
                return refuse(f, "a tmpfs over a clone has a size");
        return 0;
}

static int check_root_source(const struct job *job, const struct step *step, struct failure *f) {
        if (step->n_layers > 0 || step->upper.kind != STEP_SOURCE_NONE || step->work.kind != STEP_SOURCE_NONE || step->n_options > 0 ||
                (step->flags & STEP_LAYER_WRITABLE))
                return refuse(f, "a root that is no layer has none of what layers have");
        return check_source(job, &step->source, false, f);
}

static int check_root(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];
        int r = check_container(job, step, f);

        if (r == 0 && !builds(job))
                return refuse(f, "a root comes with its pod or container");
        if (r == 0)
                r = step->source.kind == STEP_SOURCE_LAYER ? door_check_layer_root(job, step, f)
                                                           : check_root_source(job, step, f);
        if (r == 0)
                r = check_idmap(job, step, f);
        if (r == 0 && (!step->target || strcmp(step->target, "/") != 0))
                return refuse(f, "the target of a root is /");
        if (r == 0)
                r = check_layers_of_clone(step, f);
        return r != 0 ? r
                      : check_flags(step,
                                STEP_RECURSIVE | STEP_ATTR_RECURSIVE | STEP_PROPAGATION_RECURSIVE | STEP_OVERLAY_TMPFS |
                                        STEP_STACK | STEP_LAYER_WRITABLE,
                                f);
}

static int check_bind(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];
        int r = check_target(job, i, "bind", f);

        if (r == 0)
                r = step->source.kind == STEP_SOURCE_VOLUME ? door_check_volume_source(job, i, f)
                                                            : check_source(job, &step->source, false, f);
        if (r == 0)
                r = check_layers_of_clone(step, f);
        if (r == 0)
                r = check_idmap(job, step, f);
        return r != 0 ? r
                      : check_flags(step, FLAGS_MADE | STEP_RECURSIVE | STEP_SOURCE_NOFOLLOW | STEP_OVERLAY_TMPFS, f);
}

static int check_filesystem(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];
        int r = check_type(job, step, f);

        if (r == 0)
                r = check_target(job, i, step->type, f);
        if (r == 0 && step->source.kind != STEP_SOURCE_NONE)
                return refuse(f, "%s has no source", step->type);
        if (r == 0)
                r = check_options(job, step, step->type, f);
        if (r == 0)
                r = door_check_server(step, f);
        if (r == 0 && (step->flags & STEP_COPY_UP) && strcmp(step->type, "tmpfs") != 0)
                return refuse(f, "only a tmpfs begins with a copy");
        if (r == 0 && step->stubs && step->stubs[0] && strcmp(step->type, "tmpfs") != 0)
                return refuse(f, "only a tmpfs has mount points made in it");
        if (r == 0)
                r = check_layers_of_clone(step, f);
        return r != 0 ? r : check_flags(step, FLAGS_MADE | STEP_COPY_UP | STEP_OPTIONAL, f);
}

static int check_image(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];
        bool known = false;
        int r;

        for (size_t j = 0; step->type && j < ELEMENTSOF(image_types); j++)
                known |= strcmp(step->type, image_types[j]) == 0;
        if (!known)
                return refuse(f, "an image of a type that is not on the list");
        r = check_target(job, i, step->type, f);
        if (r == 0)
                r = check_source(job, &step->source, false, f);
        if (r == 0)
                r = check_options(job, step, step->type, f);
        return r != 0 ? r
                      : check_flags(step, FLAGS_MADE | STEP_DEVICE, f);
}

static int check_overlay(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];
        int r = check_target(job, i, "overlay", f);

        if (r == 0)
                r = check_layers(job, step, f);
        if (r == 0)
                r = check_idmap(job, step, f);
        if (r == 0)
                r = check_layers_of_clone(step, f);
        if (r == 0)
                r = check_options(job, step, "overlay", f);
        return r != 0 ? r : check_flags(step, FLAGS_MADE | STEP_MAKE_LAYERS, f);
}

/* Only what the table lets a file system take in a remount, and only file systems that no other mount shows. */
static int check_remount(const struct job *job, const struct step *step, struct failure *f) {
        int r = check_container(job, step, f);

        if (r == 0 && (!step->target || !path_is_normal(step->target)))
                return refuse(f, "a target is no normalised absolute path");
        if (r == 0 && step->id == 0 && step->mount_id == 0)
                return refuse(f, "what is to be changed has no id");
        if (r == 0 && step->namespace != 0 && step->id == 0)
                return refuse(f, "a mount of another mount namespace is known by the ids of both");
        if (r == 0 && step->n_options > 0 && !option_is_reconfigured(step->type))
                return refuse(f, "%s takes no options in a remount", step->type);
        for (size_t i = 0; i < step->n_options && r == 0; i++) {
                const struct option_row *row = option_find_data(step->type, step->options[i].name);

                if (row ? !row->changes : !option_is_flag(step->options[i].name))
                        return refuse(f, "option %s is not one for a remount", step->options[i].name);
                r = check_option(job, &step->options[i], step->type, f);
        }
        if (r == 0 && step->propagation != 0)
                return refuse(f, "a remount leaves the propagation alone");
        return r != 0 ? r : check_flags(step, STEP_ATTR_RECURSIVE, f);
}

static int check_step(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];

        switch (step->kind) {
        case STEP_TREE:
        case STEP_CONTAINER:
                return i > 0 ? refuse(f, "a tree is made first") : step->kind == STEP_TREE ? check_tree(job, step, f) : check_alone(job, step, f);
        case STEP_ROOT:
                return check_root(job, i, f);
        case STEP_BIND:
                return check_bind(job, i, f);
        case STEP_FILESYSTEM:
                return check_filesystem(job, i, f);
        case STEP_IMAGE:
                return check_image(job, i, f);
        case STEP_OVERLAY:
                return check_overlay(job, i, f);
        case STEP_REMOUNT:
                return job->n_steps == 1 ? check_remount(job, step, f) : refuse(f, "a remount comes alone");
        case STEP_MKDIR:
                return builds(job) ? door_check_mkdir(job, i, f) : refuse(f, "a directory comes with its container");
        case STEP_UNMAKE:
                return door_check_unmake(job, step, f);
        case STEP_MASK:
        case STEP_READONLY:
                return check_mask(job, step, f);
        case STEP_JOIN:
                return builds(job) && i == job->n_steps - 1 ? check_alone(job, step, f) : refuse(f, "a tree is published last");
        case STEP_PUBLISH:
                return builds(job) && i == door_last(job) ? check_flags(step, 0, f) : refuse(f, "a tree is published last");
        case STEP_UNMOUNT:
        case STEP_DETACH:
                return door_check_unmount(step, f);
        case STEP_REMOVE_POD:
                return i == job->n_steps - 1 ? check_flags(step, job->private ? STEP_DESERTED : 0, f) : refuse(f, "a pod is removed last");
        case STEP_FIND:
                return door_check_find(job, step, f);
        case STEP_EXAMINE:
                return door_check_examine(job, step, f);
        case STEP_OPEN_TREE:
                return door_check_open_tree(job, step, f);
        case STEP_IDENTIFY:
                return door_check_identify(job, step, f);
        case STEP_ENTER:
        case STEP_SEEK:
        case STEP_WITHDRAW:
                return door_check_inside(job, i, f);
        case STEP_LAYER_MAKE:
        case STEP_LAYER_RETIRE:
        case STEP_LAYER_MOUNT:
        case STEP_LAYER_UNMOUNT:
        case STEP_LAYER_PURGE:
        case STEP_LAYER_APPLY:
        case STEP_LAYER_ADOPT:
        case STEP_LAYER_MERGE:
        case STEP_LAYER_CLEAR:
        case STEP_LAYER_DIFF:
        case STEP_LAYER_CHANGES:
        case STEP_LAYER_SIZE:
        case STEP_LAYER_OPEN:
                return door_check_layer(job, step, f);
        case STEP_IMAGE_READ:
        case STEP_IMAGE_BLOB:
                return door_check_image(job, step, f);
        case STEP_PIN:
        case STEP_LINK:
        case STEP_UNLINK:
                return step->kind == STEP_PIN ? door_check_pin(job, i, f) : door_check_link(job, i, f);
        case STEP_HOLDERS:
                return door_check_holders(job, step, f);
        case STEP_GC_PROGRAM:
                return door_check_gc_program(job, step, f);
        case STEP_CGROUP_MAKE:
        case STEP_CGROUP_REMOVE:
                return door_check_cgroup(job, i, f);
        case _STEP_KIND_MAX:
                break;
        }
        return refuse(f, "a step of no known kind");
}

/* Steps that make, steps that take away, and the others, looking above all: a job is of one sort, because they fail differently. */
enum sort { SORT_MAKE, SORT_TAKE, SORT_LOOK };

static enum sort step_sort(enum step_kind kind) {
        switch (kind) {
        case STEP_TREE:
        case STEP_ROOT:
        case STEP_BIND:
        case STEP_FILESYSTEM:
        case STEP_IMAGE:
        case STEP_OVERLAY:
        case STEP_MASK:
        case STEP_READONLY:
        case STEP_REMOUNT:
        case STEP_MKDIR:
        case STEP_PUBLISH:
        case STEP_CONTAINER:
        case STEP_JOIN:
        case STEP_ENTER:
        case STEP_PIN:
        case STEP_LINK:
        case STEP_CGROUP_MAKE:
                return SORT_MAKE;
        case STEP_UNMOUNT:
        case STEP_DETACH:
        case STEP_UNMAKE:
        case STEP_REMOVE_POD:
        case STEP_WITHDRAW:
        case STEP_UNLINK:
        case STEP_CGROUP_REMOVE:
                return SORT_TAKE;
        case STEP_FIND:
        case STEP_EXAMINE:
        case STEP_OPEN_TREE:
        case STEP_IDENTIFY:
        case STEP_SEEK:
        case STEP_LAYER_MAKE:
        case STEP_LAYER_RETIRE:
        case STEP_LAYER_MOUNT:
        case STEP_LAYER_UNMOUNT:
        case STEP_LAYER_PURGE:
        case STEP_LAYER_APPLY:
        case STEP_LAYER_ADOPT:
        case STEP_LAYER_MERGE:
        case STEP_LAYER_CLEAR:
        case STEP_IMAGE_READ:
        case STEP_IMAGE_BLOB:
        case STEP_LAYER_DIFF:
        case STEP_LAYER_CHANGES:
        case STEP_LAYER_SIZE:
        case STEP_LAYER_OPEN:
        case STEP_HOLDERS:
        case STEP_GC_PROGRAM:
        case _STEP_KIND_MAX:
                break;
        }
        return SORT_LOOK;
}

int door_check(const struct job *job, uint32_t *ret_step, struct failure *f) {
        *ret_step = UINT32_MAX;
        if (job->n_steps == 0)
                return refuse(f, "a job without a step");
        if ((step_sort(job->steps[0].kind) != SORT_LOOK || job->private) && !door_names_pod(job))
                return refuse(f, "a pod without a UUID");
        if (builds(job) && job->steps[door_last(job)].kind !=
                                   (job->steps[0].kind == STEP_TREE ? STEP_PUBLISH : STEP_JOIN))
                return refuse(f, "a tree that is not published");
        for (size_t i = 0, entered = job->n_steps > 1 && job->steps[0].kind == STEP_ENTER; i < job->n_steps; i++) {
                int r = i < entered || step_sort(job->steps[i].kind) == step_sort(job->steps[entered].kind)
                                ? check_step(job, i, f)
                                : refuse(f, "steps that do not go together");

                if (r != 0) {
                        *ret_step = (uint32_t) i;
                        return r;
                }
        }
        return 0;
}
