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

static int add(struct record_pod *record, const struct step *step, const char *root, const char *path, size_t i,
               enum intent_directory which) {
        struct record_directory *directory = array_append(&record->directories, &record->n_directories);

        if (!directory)
                return log_oom();
        *directory = (struct record_directory) {
                .root = strdup(root),
                .path = path_join("/", path),
                .container = strdup(step->container),
                .step = (uint32_t) i,
                .which = which};
        if (directory->root && directory->path && directory->container)
                return 0;
        record_directory_done(directory);
        record->n_directories--;
        return log_oom();
}

static int add_layer(struct record_pod *record, const struct step *step, const struct step_source *source, size_t i,
                     enum intent_directory which) {
        return source->kind == STEP_SOURCE_PATH ? add(record, step, "/", source->path, i, which) : 0;
}

static int add_target(const struct job *job, struct record_pod *record, size_t i, char ***warnings) {
        const struct step *step = &job->steps[i];
        const struct step *ground = step->cover_step != STEP_NO_COVER ? &job->steps[step->cover_step] : NULL;
        const bool mkdir = step->kind == STEP_MKDIR;
        const struct step_source *source;

        if (step->create != STEP_CREATE_AS_CALLER || !ground)
                return 0; /* what it makes goes with the pod */
        source = ground->kind == STEP_OVERLAY ? &ground->upper : &ground->source;
        if (source->kind == STEP_SOURCE_PATH)
                return add(record, step, source->path, path_below(step->target, ground->target), i,
                           mkdir ? INTENT_TARGET : INTENT_POINT);
        if (mkdir && source->kind != STEP_SOURCE_LAYER && warning_add(warnings, "directory %s of container %s stays when the pod goes: it lies in what came as an fd",
                        step->target, step->container) < 0)
                return log_oom();
        return 0;
}

int directories_intend(const struct job *job, struct record_pod *record, char ***warnings) {
        int r = 0;

        for (size_t i = 0; i < record->n_directories; i++)
                record->directories[i].step = RECORD_NO_STEP;
        for (size_t i = 0; i < job->n_steps && r == 0; i++) {
                const struct step *step = &job->steps[i];

                r = add_target(job, record, i, warnings);
                if (r < 0 || step->kind != STEP_OVERLAY || !(step->flags & STEP_MAKE_LAYERS))
                        continue;
                r = add_layer(record, step, &step->upper, i, INTENT_UPPER);
                if (r == 0)
                        r = add_layer(record, step, &step->work, i, INTENT_WORK);
        }
        return r;
}

static uint32_t made_of(const struct step_result *result, uint32_t which) {
        switch (which) {
        case INTENT_TARGET:
        case INTENT_POINT:
        case INTENT_POINT_FILE:
                return result->made;
        case INTENT_UPPER:
                return result->made_upper;
        case INTENT_WORK:
                return result->made_work;
        default: /* what the store holds is no enum */
                return 0;
        }
}

static bool is_point(uint32_t which) {
        return which == INTENT_POINT || which == INTENT_POINT_FILE;
}

void directories_settle(struct record_pod *record, const struct job_result *result) {
        for (size_t i = 0; i < record->n_directories; i++) {
                struct record_directory *directory = &record->directories[i];
                const struct step_result *step;

                if (directory->step >= result->n_steps)
                        continue;
                step = &result->steps[directory->step];
                directory->made = made_of(step, directory->which);
                if (is_point(directory->which))
                        directory->which = step->made_file ? INTENT_POINT_FILE : INTENT_POINT;
        }
}

void directories_settle_entries(struct record_pod *record, const struct intent_mount *entries, size_t n) {
        for (size_t i = 0; i < n; i++) {
                uint32_t made, which = intent_is_directory(&entries[i], &made);

                for (size_t j = 0; which != INTENT_NO_DIRECTORY && j < record->n_directories; j++) {
                        struct record_directory *directory = &record->directories[j];

                        if (directory->step != entries[i].step || (directory->which != which && !(is_point(which) && is_point(directory->which))))
                                continue;
                        if (made < directory->made) /* another executor has made more of it before this one */
                                continue;
                        directory->made = made;
                        directory->which = which; /* whether a mount point is a file shows when it is made */
                }
        }
}

static bool is_meant(const struct record_directory *directory, struct directories_which which) {
        return (!which.container || strcmp(directory->container, which.container) == 0) &&
               (!which.begun || directory->step != RECORD_NO_STEP);
}

static bool is_of_no_interest(const struct record_directory *directory) {
        return directory->step != RECORD_NO_STEP && (is_point(directory->which) || directory->made == 0);
}

/* Gives the record a list of its own without those that go. */
static int change(struct record_pod *record, const struct directories_which *which, struct directories_change *ret) {
        size_t n = record->n_directories, n_list = 0, n_gone = 0;
        _cleanup_free_ struct record_directory *list = NULL;
        _cleanup_free_ size_t *gone = calloc(n + 1, sizeof(*gone));

        if (!gone)
                return log_oom();
        for (size_t i = 0; i < n; i++) {
                const struct record_directory *directory = &record->directories[i];
                struct record_directory *kept;

                if (which ? is_meant(directory, *which) : is_of_no_interest(directory)) {
                        gone[n_gone++] = i;
                        continue;
                }
                kept = array_append(&list, &n_list);
                if (!kept)
                        return log_oom();
                *kept = *directory;
        }
        *ret = (struct directories_change) {
                .before = record->directories, .n = n, .gone = TAKE_PTR(gone), .n_gone = n_gone};
        record->directories = TAKE_PTR(list);
        record->n_directories = n_list;
        return 0;
}

/* Whether the mount point's making made the directory that `path` is up to `length`. */
static bool made_on_the_way(const struct record_directory *point, const struct record_directory *directory, size_t length) {
        return is_point(point->which) && point->step != RECORD_NO_STEP && point->made > 0 &&
               strcmp(point->root, directory->root) == 0 && path_length_without(point->path, point->made) < length &&
               strncmp(point->path, directory->path, length) == 0 && (point->path[length] == '/' || point->path[length] == 0);
}

/* A directory that lies in what was made for a mount point keeps that from going with the mount: so both go with it. */
static void claim_way(const struct directories_change *change, struct record_directory *directory) {
        size_t length = path_length_without(directory->path, directory->made);

        for (size_t i = 0; i < change->n_gone && length > 0; i++)
                if (made_on_the_way(&change->before[change->gone[i]], directory, length)) {
                        directory->made++;
                        length = path_length_without(directory->path, directory->made);
                        i = SIZE_MAX; /* from the beginning: the next one up may be another's */
                }
}

int directories_stand(struct record_pod *record, struct directories_change *ret) {
        int r = change(record, NULL, ret);

        for (size_t i = 0; r == 0 && i < record->n_directories; i++) {
                if (record->directories[i].step != RECORD_NO_STEP && record->directories[i].which == INTENT_TARGET)
                        claim_way(ret, &record->directories[i]);
                record->directories[i].step = RECORD_NO_STEP;
        }
        return r;
}

int directories_leave(struct record_pod *record, struct directories_which which, struct directories_change *ret) {
        return change(record, &which, ret);
}

void directories_end(struct record_pod *record, struct directories_change *change, bool success) {
        if (!change->gone)
                return; /* it was not begun */
        for (size_t i = 0; success && i < change->n_gone; i++)
                record_directory_done(&change->before[change->gone[i]]);
        if (success)
                free(change->before);
        else {
                free(record->directories);
                record->directories = change->before;
                record->n_directories = change->n;
        }
        free(change->gone);
        *change = (struct directories_change) {};
}

bool directories_any(const struct record_pod *record, struct directories_which which) {
        for (size_t i = 0; i < record->n_directories; i++)
                if (is_meant(&record->directories[i], which))
                        return true;
        return false;
}

/* What lay behind a symlink that led nowhere has more components than its name: it is not found by that again, and stays. */
static bool can_be_found(const struct record_directory *directory) {
        uint32_t n = 0;

        for (const char *c = directory->path; *c; c++)
                n += *c == '/';
        return directory->made > 0 && directory->made <= n;
}

int directories_doom(const struct record_pod *record, struct directories_which which, struct plan_directory **list,
                     size_t *n) {
        for (size_t i = record ? record->n_directories : 0; i > 0; i--) { /* the last one made goes first */
                const struct record_directory *from = &record->directories[i - 1];
                struct plan_directory *directory;

                if (!is_meant(from, which) || !can_be_found(from))
                        continue;
                directory = array_append(list, n);
                if (!directory)
                        return log_oom();
                *directory = (struct plan_directory) {
                        .root = from->root, .path = from->path, .made = from->made, .file = from->which == INTENT_POINT_FILE, .work = from->which == INTENT_WORK};
        }
        return 0;
}

struct job_caller directories_owner(const struct record_pod *record) {
        return (struct job_caller) {.root = record->owner == 0, .uid = record->owner, .gid = record->owner_group};
}
