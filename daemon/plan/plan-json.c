/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Shows a job as JSON, Plan()'s answer: step by step with what would take each back, and the tree that comes out. */

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "dbus/names.h"
#include "plan/cover.h"
#include "plan/plan.h"
#include "util/array.h"
#include "util/json.h"
#include "util/log.h"
#include "util/text.h"

/* Or a whole container: either way nothing is attached before the last step. */
static bool makes_whole_pod(const struct job *job) {
        return job->n_steps > 0 && (job->steps[0].kind == STEP_TREE || job->steps[0].kind == STEP_CONTAINER);
}

static const char *undo_of_mount(const struct job *job, enum step_create create) {
        const bool whole = makes_whole_pod(job);

        switch (create) {
        case STEP_CREATE_NEVER:
        case STEP_CREATE_STUB:
                break;
        case STEP_CREATE_FREELY: /* within a new pod the mount point goes with the tree */
                return whole ? "close-tree" : "detach, remove-mount-point";
        case STEP_CREATE_AS_CALLER:
                return whole ? "close-tree, remove-mount-point" : "detach, remove-mount-point";
        case _STEP_CREATE_MAX:
                break;
        }
        return whole ? "close-tree" : "detach";
}

/* It is never part of a tree. */
static const char *undo_on_host(const struct step *step) {
        if (step->kind == STEP_PIN)
                return "detach, remove-mount-point";
        return step->flags & STEP_MAKE_LAYERS ? "detach, remove-directories" : "detach";
}

const char *plan_undo(const struct job *job, const struct step *step) {
        if ((step->flags & STEP_HOST) && step->kind != STEP_UNMOUNT && step->kind != STEP_DETACH)
                return undo_on_host(step);
        switch (step->kind) {
        case STEP_TREE:
        case STEP_CONTAINER:
                return "close-tree";
        case STEP_OVERLAY:
                if (step->flags & STEP_MAKE_LAYERS)
                        return makes_whole_pod(job) ? "close-tree, remove-directories" : "detach, remove-directories";
                return undo_of_mount(job, step->create);
        case STEP_MKDIR:
                return step->create == STEP_CREATE_AS_CALLER ? "remove-directories" : "close-tree";
        case STEP_CGROUP_MAKE:
                return "remove-cgroups";
        case STEP_ROOT:
        case STEP_BIND:
        case STEP_FILESYSTEM:
        case STEP_IMAGE:
        case STEP_MASK:
        case STEP_READONLY:
                return undo_of_mount(job, step->create);
        case STEP_PUBLISH:
        case STEP_JOIN:
                return "detach, remove-mount-point";
        case STEP_UNMOUNT:
                return step->flags & STEP_RESTORE ? "mount-again" : "none";
        case STEP_REMOUNT:
                return "attributes-back";
        case STEP_LINK:
                return step->flags & STEP_LINK_MOVE ? "move-back" : "remove-link";
        case STEP_DETACH:
        case STEP_UNMAKE:
        case STEP_REMOVE_POD:
        case STEP_OPEN_TREE:
        case STEP_FIND:
        case STEP_EXAMINE:
        case STEP_IDENTIFY:
        case STEP_ENTER:
        case STEP_SEEK:
        case STEP_WITHDRAW:
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
        case STEP_PIN: /* on the host: above */
        case STEP_HOLDERS:
        case STEP_GC_PROGRAM:
        case STEP_UNLINK:
        case STEP_CGROUP_REMOVE:
        case _STEP_KIND_MAX:
                break;
        }
        return "none";
}

/* Each of these takes the value over, also when it fails. */

static int add(struct json_object *object, const char *key, struct json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(object, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

static int append(struct json_object *array, struct json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_array_add(array, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

/* Nothing for NULL. */
static int add_text(struct json_object *object, const char *key, const char *text) {
        return text ? add(object, key, json_object_new_string(text)) : 0;
}

static int add_texts(struct json_object *object, const char *key, char *const *texts) {
        _cleanup_json_ struct json_object *array = json_object_new_array();

        if (!array)
                return -ENOMEM;
        for (size_t i = 0; texts && texts[i]; i++)
                if (append(array, json_object_new_string(texts[i])) < 0)
                        return -ENOMEM;
        return add(object, key, TAKE_PTR(array));
}

static int new_source(const struct source *source, struct json_object **ret) {
        _cleanup_free_ char *text = text_format("%s%s", source_prefix(source->kind), source->text);

        if (!text)
                return -ENOMEM;
        *ret = json_object_new_string(text);
        return *ret ? 0 : -ENOMEM;
}

/* Nothing for a source without a text. */
static int add_source(struct json_object *object, const char *key, const struct source *source) {
        struct json_object *text;

        if (!source->text)
                return 0;
        return new_source(source, &text) < 0 ? -ENOMEM : add(object, key, text);
}

static int add_lower(struct json_object *object, const struct wanted_mount *mount) {
        _cleanup_json_ struct json_object *array = json_object_new_array();

        if (!array)
                return -ENOMEM;
        for (size_t i = 0; i < mount->n_lower; i++) {
                struct json_object *text;

                if (new_source(&mount->lower[i], &text) < 0 || append(array, text) < 0)
                        return -ENOMEM;
        }
        return add(object, "lower", TAKE_PTR(array));
}

/* What people know a mount by: its type, where it comes from, and the words of its options. */
static int add_mount(struct json_object *object, const struct wanted_mount *mount) {
        if (add_text(object, "type", mount->type) < 0 || add_source(object, "source", &mount->source) < 0)
                return -ENOMEM;
        if (mount->kind == WANTED_OVERLAY) {
                if (add_lower(object, mount) < 0)
                        return -ENOMEM;
                if (add_source(object, "upper", &mount->upper) < 0 || add_source(object, "work", &mount->work) < 0)
                        return -ENOMEM;
        }
        if (mount->overlay == SPEC_OVERLAY_TMPFS)
                if (add_text(object, "overlay", "tmpfs") < 0)
                        return -ENOMEM;
        if (mount->mandatory && add(object, "mandatory", json_object_new_boolean(true)) < 0)
                return -ENOMEM;
        return add_texts(object, "options", mount->options);
}

static const char *create_name(enum step_create create) {
        switch (create) {
        case STEP_CREATE_NEVER:
                return "existing";
        case STEP_CREATE_FREELY:
                return "created";
        case STEP_CREATE_AS_CALLER:
                return "created-as-caller";
        case STEP_CREATE_STUB:
                return "stub";
        case _STEP_CREATE_MAX:
                break;
        }
        return NULL;
}

static bool is_link(const struct step *step) {
        return step->kind == STEP_LINK || step->kind == STEP_UNLINK;
}

/* Its name is the target. */
static int add_link(struct json_object *object, const struct step *step) {
        if (step->type[0] && add_text(object, "type", step->type) < 0)
                return -ENOMEM;
        if (step->stubs && step->stubs[0] && add_text(object, "peer", step->stubs[0]) < 0)
                return -ENOMEM;
        if (step->flags & STEP_LINK_MOVE)
                return add_text(object, "link", step->kind == STEP_LINK ? "moved" : "moved-back");
        return add_text(object, "link", step->kind == STEP_UNLINK ? "removed" : step->source.kind == STEP_SOURCE_FD ? "made" : "made-on-host");
}

static int new_step(const struct job *job, const struct wanted *wanted, const struct step *step,
        struct json_object **ret) {
        _cleanup_json_ struct json_object *object = json_object_new_object();
        const bool makes = wanted && step->wanted < wanted->n_mounts;

        if (!object)
                return -ENOMEM;
        if (add_text(object, "step", step_kind_name(step->kind)) < 0 ||
                add_text(object, "container", step->container) < 0 || add_text(object, "target", step->target) < 0)
                return -ENOMEM;
        if (makes && add_mount(object, &wanted->mounts[step->wanted]) < 0)
                return -ENOMEM;
        if (makes && step->kind != STEP_ROOT && add_text(object, "mount-point", create_name(step->create)) < 0)
                return -ENOMEM;
        if (step->kind == STEP_MKDIR && add_text(object, "directory", create_name(step->create)) < 0)
                return -ENOMEM;
        if (is_link(step) && add_link(object, step) < 0)
                return -ENOMEM;
        if (!is_link(step) && step->stubs && step->stubs[0] && add_texts(object, "stubs", step->stubs) < 0)
                return -ENOMEM;
        if (step->kind == STEP_CGROUP_MAKE && add_text(object, "source", step->source.path ?: PODMOUNT_CGROUP_UNIT) < 0)
                return -ENOMEM;
        if (add_text(object, "undo", plan_undo(job, step)) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(object);
        return 0;
}

static int add_steps(struct json_object *plan, const struct job *job, const struct wanted *wanted) {
        _cleanup_json_ struct json_object *array = json_object_new_array();

        if (!array)
                return -ENOMEM;
        for (size_t i = 0; i < job->n_steps; i++) {
                struct json_object *step;

                if (new_step(job, wanted, &job->steps[i], &step) < 0 || append(array, step) < 0)
                        return -ENOMEM;
        }
        return add(plan, "steps", TAKE_PTR(array));
}

/* A mount in the tree: where those on it go. */
struct node {
        struct json_object *mounts; /* its "mounts", or that of the level where nesting ends */
        unsigned depth;
};

struct growing_tree {
        struct json_object *top; /* array */
        struct covers *covers;
        struct node *nodes; /* by number of the cover */
        size_t n_nodes;
};

static void growing_tree_done(struct growing_tree *tree) {
        json_object_put(tree->top);
        covers_free(tree->covers);
        free(tree->nodes);
}

static int grow(struct growing_tree *tree, const char *container, const struct wanted_mount *mount) {
        _cleanup_json_ struct json_object *object = json_object_new_object();
        struct json_object *below = NULL;
        struct node *node;
        unsigned depth = 0;
        size_t cover;

        if (!object || covers_find(tree->covers, container, mount->target, &cover) < 0)
                return -ENOMEM;
        if (add_text(object, "container", container) < 0 || add_text(object, "target", mount->target) < 0 ||
                add_mount(object, mount) < 0)
                return -ENOMEM;
        if (cover != COVER_NONE)
                depth = tree->nodes[cover].depth + 1;
        if (depth < PLAN_TREE_DEPTH_MAX) {
                below = json_object_new_array();
                if (add(object, "mounts", below) < 0)
                        return -ENOMEM;
        } else {
                depth = PLAN_TREE_DEPTH_MAX - 1;
                below = tree->nodes[cover].mounts;
        }
        if (append(cover == COVER_NONE ? tree->top : tree->nodes[cover].mounts, TAKE_PTR(object)) < 0)
                return -ENOMEM;
        node = array_append(&tree->nodes, &tree->n_nodes);
        if (!node)
                return -ENOMEM;
        *node = (struct node) {.mounts = below, .depth = depth};
        return covers_add(tree->covers, container, mount->target);
}

static int add_tree(struct json_object *plan, const struct wanted *wanted) {
        _cleanup_(growing_tree_done) struct growing_tree tree = {
                .top = json_object_new_array(),
                .covers = covers_new(wanted ? wanted->n_mounts : 0),
        };

        if (!tree.top || !tree.covers)
                return -ENOMEM;
        for (size_t i = 0; wanted && i < wanted->n_mounts; i++) {
                const struct wanted_mount *mount = &wanted->mounts[i];

                if (!mount->deferred && grow(&tree, wanted_container(wanted, mount), mount) < 0)
                        return -ENOMEM;
        }
        return add(plan, "tree", TAKE_PTR(tree.top));
}

static const char *namespace_name(enum wanted_namespace name_space) {
        switch (name_space) {
        case WANTED_NAMESPACE_NONE:
                return NULL;
        case WANTED_NAMESPACE_PID:
                return "pid";
        case WANTED_NAMESPACE_NET:
                return "net";
        case WANTED_NAMESPACE_IPC:
                return "ipc";
        case WANTED_NAMESPACE_CGROUP:
                return "cgroup";
        }
        return NULL;
}

static int new_deferred(const char *container, const struct wanted_mount *mount, struct json_object **ret) {
        _cleanup_json_ struct json_object *object = json_object_new_object();

        if (!object)
                return -ENOMEM;
        if (add_text(object, "container", container) < 0 || add_text(object, "target", mount->target) < 0 ||
                add_text(object, "type", mount->type) < 0 ||
                add_text(object, "namespace", namespace_name(mount->name_space)) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(object);
        return 0;
}

static int add_deferred(struct json_object *plan, const struct wanted *wanted) {
        _cleanup_json_ struct json_object *array = json_object_new_array();

        if (!array)
                return -ENOMEM;
        for (size_t i = 0; wanted && i < wanted->n_mounts; i++) {
                const struct wanted_mount *mount = &wanted->mounts[i];
                struct json_object *object;

                if (!mount->deferred)
                        continue;
                if (new_deferred(wanted_container(wanted, mount), mount, &object) < 0 || append(array, object) < 0)
                        return -ENOMEM;
        }
        return add(plan, "deferred", TAKE_PTR(array));
}

int plan_to_json(const struct job *job, const struct wanted *wanted, char **ret) {
        const int flags = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
        _cleanup_json_ struct json_object *plan = json_object_new_object();
        const char *text;

        if (!plan || add_steps(plan, job, wanted) < 0 || add_tree(plan, wanted) < 0 || add_deferred(plan, wanted) < 0 ||
                add_texts(plan, "warnings", wanted ? wanted->warnings : NULL) < 0)
                return log_oom();
        text = json_object_to_json_string_ext(plan, flags);
        if (!text)
                return log_oom();
        *ret = strdup(text);
        return *ret ? 0 : log_oom();
}
