/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Steps and jobs as values: their names, how they are made, and what they own. */

#include "plan/step.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"

static const char *const kind_names[_STEP_KIND_MAX] = {
        [STEP_TREE] = "tree",
        [STEP_ROOT] = "root",
        [STEP_BIND] = "bind",
        [STEP_FILESYSTEM] = "filesystem",
        [STEP_IMAGE] = "image",
        [STEP_OVERLAY] = "overlay",
        [STEP_MASK] = "mask",
        [STEP_READONLY] = "readonly",
        [STEP_MKDIR] = "mkdir",
        [STEP_REMOUNT] = "remount",
        [STEP_PUBLISH] = "publish",
        [STEP_CONTAINER] = "container",
        [STEP_JOIN] = "join",
        [STEP_UNMOUNT] = "unmount",
        [STEP_DETACH] = "detach",
        [STEP_UNMAKE] = "unmake",
        [STEP_REMOVE_POD] = "remove-pod",
        [STEP_OPEN_TREE] = "open-tree",
        [STEP_FIND] = "find",
        [STEP_EXAMINE] = "examine",
        [STEP_IDENTIFY] = "identify",
        [STEP_ENTER] = "enter",
        [STEP_SEEK] = "seek",
        [STEP_WITHDRAW] = "withdraw",
        [STEP_LAYER_MAKE] = "layer-make",
        [STEP_LAYER_RETIRE] = "layer-retire",
        [STEP_LAYER_MOUNT] = "layer-mount",
        [STEP_LAYER_UNMOUNT] = "layer-unmount",
        [STEP_LAYER_PURGE] = "layer-purge",
        [STEP_LAYER_APPLY] = "layer-apply",
        [STEP_LAYER_ADOPT] = "layer-adopt",
        [STEP_LAYER_MERGE] = "layer-merge",
        [STEP_LAYER_CLEAR] = "layer-clear",
        [STEP_IMAGE_READ] = "image-read",
        [STEP_IMAGE_BLOB] = "image-blob",
        [STEP_LAYER_DIFF] = "layer-diff",
        [STEP_LAYER_CHANGES] = "layer-changes",
        [STEP_LAYER_SIZE] = "layer-size",
        [STEP_LAYER_OPEN] = "layer-open",
        [STEP_PIN] = "pin",
        [STEP_HOLDERS] = "holders",
        [STEP_GC_PROGRAM] = "gc-program",
        [STEP_LINK] = "link",
        [STEP_UNLINK] = "unlink",
        [STEP_CGROUP_MAKE] = "cgroup",
        [STEP_CGROUP_REMOVE] = "remove-cgroup",
};

bool step_kind_reads_layer(enum step_kind kind) {
        return kind == STEP_LAYER_DIFF || kind == STEP_LAYER_CHANGES || kind == STEP_LAYER_SIZE;
}

bool step_kind_answers_fd(enum step_kind kind) {
        return kind == STEP_OPEN_TREE || kind == STEP_LAYER_APPLY || kind == STEP_LAYER_MERGE || kind == STEP_LAYER_OPEN || kind == STEP_IMAGE_READ ||
               kind == STEP_IMAGE_BLOB || kind == STEP_HOLDERS || kind == STEP_GC_PROGRAM ||
               step_kind_reads_layer(kind);
}

bool job_answers_fd(const struct job *job) {
        if (job->private && job->n_steps > 0 && job->steps[0].kind == STEP_TREE)
                return true;
        return job->n_steps > 0 && (job->n_steps == 1 || job->steps[0].kind == STEP_HOLDERS) && step_kind_answers_fd(job->steps[0].kind);
}

const char *step_kind_name(enum step_kind kind) {
        if ((unsigned) kind >= _STEP_KIND_MAX)
                return "unknown";
        return kind_names[kind];
}

struct job *job_new(void) {
        return calloc(1, sizeof(struct job));
}

struct step *job_add(struct job *job, enum step_kind kind) {
        struct step *step = array_append(&job->steps, &job->n_steps);

        if (!step)
                return NULL;
        step->kind = kind;
        step->wanted = UINT32_MAX;
        step->cover_step = STEP_NO_COVER;
        return step;
}

static void step_done(struct step *step) {
        free(step->container);
        free(step->target);
        free(step->type);
        free(step->source.path);
        free(step->space.path);
        free(step->userns.path);
        idmap_done(&step->idmap);
        for (size_t i = 0; i < step->n_layers; i++)
                free(step->layers[i].path);
        free(step->layers);
        free(step->upper.path);
        free(step->work.path);
        for (size_t i = 0; i < step->n_options; i++) {
                free(step->options[i].name);
                free(step->options[i].value);
        }
        free(step->options);
        strv_free(step->stubs);
}

struct job *job_free(struct job *job) {
        if (!job)
                return NULL;
        for (size_t i = 0; i < job->n_steps; i++)
                step_done(&job->steps[i]);
        free(job->steps);
        strv_free(job->containers);
        strv_free(job->fd_names);
        free(job->caller.groups);
        free(job);
        return NULL;
}

int brought_append(struct job_result *result, const struct brought *brought) {
        struct brought *slot = array_append(&result->brought, &result->n_brought);

        if (!slot)
                return -ENOMEM;
        *slot = *brought;
        slot->path = strdup(brought->path);
        slot->source = strdup(brought->source);
        slot->type = strdup(brought->type);
        return slot->path && slot->source && slot->type ? 0 : -ENOMEM;
}

void job_result_done(struct job_result *result) {
        if (!result)
                return;
        free(result->text);
        strv_free(result->warnings);
        strv_free(result->texts);
        for (size_t i = 0; i < result->n_brought; i++) {
                free(result->brought[i].path);
                free(result->brought[i].source);
                free(result->brought[i].type);
        }
        free(result->brought);
        free(result->steps);
        if (result->fd)
                (void) close_fd(*result->fd);
        free(result->fd);
        *result = (struct job_result) {.failed_step = UINT32_MAX};
}
