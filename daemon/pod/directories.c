/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A directory in a container is found again where it was made: in the source of the container's root, or in the upper
 * directory of the overlay that it lies on. There nothing of the pod has to be mounted any more.
 */

#include "pod/directories.h"

#include <string.h>

#include "spec/warning.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

static int add(struct record_pod *record, const char *root, const char *path, size_t step, enum intent_directory which) {
        struct record_directory *directory = array_append(&record->directories, &record->n_directories);

        if (!directory)
                return log_oom();
        *directory = (struct record_directory) {
                .root = strdup(root), .path = path_join("/", path), .step = (uint32_t) step, .which = which};
        if (directory->root && directory->path)
                return 0;
        free(directory->root);
        free(directory->path);
        record->n_directories--;
        return log_oom();
}

static int add_layer(struct record_pod *record, const struct step_source *source, size_t step,
                     enum intent_directory which) {
        return source->kind == STEP_SOURCE_PATH ? add(record, "/", source->path, step, which) : 0;
}

static int add_target(const struct job *job, struct record_pod *record, size_t i) {
        const struct step *step = &job->steps[i];
        const struct step *ground = step->cover_step != STEP_NO_COVER ? &job->steps[step->cover_step] : NULL;
        const bool mkdir = step->kind == STEP_MKDIR;
        const struct step_source *source;

        if (step->create != STEP_CREATE_AS_CALLER || !ground)
                return 0; /* what it makes goes with the pod */
        source = ground->kind == STEP_OVERLAY ? &ground->upper : &ground->source;
        if (source->kind == STEP_SOURCE_PATH)
                return add(record, source->path, path_below(step->target, ground->target), i,
                           mkdir ? INTENT_TARGET : INTENT_POINT);
        if (mkdir && warning_add(&record->warnings, "directory %s of container %s stays when the pod goes: it lies in what came as an fd",
                        step->target, step->container) < 0)
                return log_oom();
        return 0;
}

int directories_intend(const struct job *job, struct record_pod *record) {
        int r = 0;

        for (size_t i = 0; i < job->n_steps && r == 0; i++) {
                const struct step *step = &job->steps[i];

                r = add_target(job, record, i);
                if (r < 0 || step->kind != STEP_OVERLAY || !(step->flags & STEP_MAKE_LAYERS))
                        continue;
                r = add_layer(record, &step->upper, i, INTENT_UPPER);
                if (r == 0)
                        r = add_layer(record, &step->work, i, INTENT_WORK);
        }
        return r;
}

static uint32_t made_of(const struct step_result *result, uint32_t which) {
        switch (which) {
        case INTENT_TARGET:
        case INTENT_POINT:
                return result->made;
        case INTENT_UPPER:
                return result->made_upper;
        case INTENT_WORK:
                return result->made_work;
        default: /* what the store holds is no enum */
                return 0;
        }
}

void directories_settle(struct record_pod *record, const struct job_result *result) {
        for (size_t i = 0; i < record->n_directories; i++)
                if (record->directories[i].step < result->n_steps)
                        record->directories[i].made =
                                made_of(&result->steps[record->directories[i].step], record->directories[i].which);
}

void directories_settle_entries(struct record_pod *record, const struct intent_mount *entries, size_t n) {
        for (size_t i = 0; i < n; i++) {
                uint32_t made, which = intent_is_directory(&entries[i], &made);

                for (size_t j = 0; which != INTENT_NO_DIRECTORY && j < record->n_directories; j++)
                        if (record->directories[j].step == entries[i].step && record->directories[j].which == which)
                                record->directories[j].made = made;
        }
}

void directories_forget_points(struct record_pod *record) {
        size_t kept = 0;

        for (size_t i = 0; i < record->n_directories; i++) {
                struct record_directory *directory = &record->directories[i];

                if (directory->which != INTENT_POINT && directory->made > 0) {
                        record->directories[kept++] = *directory;
                        continue;
                }
                free(directory->root);
                free(directory->path);
        }
        record->n_directories = kept;
}

/* What lay behind a symlink that led nowhere has more components than its name: it is not found by that again, and stays. */
static bool can_be_found(const struct record_directory *directory) {
        uint32_t n = 0;

        for (const char *c = directory->path; *c; c++)
                n += *c == '/';
        return directory->made > 0 && directory->made <= n;
}

int directories_doom(const struct record_pod *record, struct plan_directory **ret, size_t *ret_n) {
        _cleanup_free_ struct plan_directory *list = NULL;
        size_t n = 0;

        for (size_t i = record ? record->n_directories : 0; i > 0; i--) { /* the last one made goes first */
                const struct record_directory *from = &record->directories[i - 1];
                struct plan_directory *directory;

                if (!can_be_found(from))
                        continue;
                directory = array_append(&list, &n);
                if (!directory)
                        return log_oom();
                *directory = (struct plan_directory) {
                        .root = from->root, .path = from->path, .made = from->made, .work = from->which == INTENT_WORK};
        }
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

struct job_caller directories_owner(const struct record_pod *record) {
        return (struct job_caller) {.root = record->owner == 0, .uid = record->owner, .gid = record->owner_group};
}
