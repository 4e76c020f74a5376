/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Makes jobs that take mounts away, in the order in which the caller names them: descendants first. */

#include <string.h>

#include "plan/make.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

static int add_doomed(struct job *job, const struct plan_doomed *doomed, enum step_kind kind) {
        struct step *step = job_add(job, kind);

        if (!step)
                return log_oom();
        step->id = doomed->id;
        step->mount_id = doomed->mount_id;
        step->device = doomed->device;
        step->flags = doomed->host ? STEP_HOST : 0;
        step->made = doomed->made;
        step->made_file = doomed->made_file;
        step->target = strdup(doomed->path);
        return step->target ? 0 : log_oom();
}

/* Mounted again when a later step fails. */
static void restore(struct job *job, const struct plan_doomed *doomed) {
        struct step *step = &job->steps[job->n_steps - 1];

        step->flags |= STEP_RESTORE;
        step->propagation = doomed->propagation;
}

int plan_unmount(const struct plan_pod *pod, const struct plan_doomed *doomed, size_t n, bool lazy, struct job **ret,
        struct failure *f _unused_) {
        _cleanup_(job_freep) struct job *job = NULL;
        int r = make_job(pod, &job);

        for (size_t i = 0; i < n && r == 0; i++)
                r = add_doomed(job, &doomed[i], lazy ? STEP_DETACH : STEP_UNMOUNT);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(job);
        return 0;
}

int plan_remove_container(const struct plan_pod *pod, const struct plan_doomed *doomed, size_t n, bool lazy,
        struct job **ret, struct failure *f _unused_) {
        _cleanup_(job_freep) struct job *job = NULL;
        int r = make_job(pod, &job);

        for (size_t i = 0; i < n && r == 0; i++) {
                if (lazy && i < n - 1 && doomed[i].made == 0)
                        continue;
                r = add_doomed(job, &doomed[i], lazy ? STEP_DETACH : STEP_UNMOUNT);
                if (r == 0 && !lazy)
                        restore(job, &doomed[i]);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(job);
        return 0;
}

static int add_unmake(struct job *job, const struct plan_directory *directory, const char *below, uint32_t made, bool file) {
        struct step *step = job_add(job, STEP_UNMAKE);

        if (!step)
                return log_oom();
        step->made = made;
        step->made_file = file;
        step->source.kind = STEP_SOURCE_PATH;
        step->source.path = strdup(directory->root);
        step->target = path_join(directory->path, below);
        return step->source.path && step->target ? 0 : log_oom();
}

/* What the kernel put into a work directory goes before it. */
static int add_unmakes(struct job *job, const struct plan_directory *directory) {
        static const char *const kernels[] = {"index", "work"};
        int r = 0;

        for (size_t i = 0; directory->work && i < ELEMENTSOF(kernels) && r == 0; i++)
                r = add_unmake(job, directory, kernels[i], 1, false);
        return r < 0 ? r : add_unmake(job, directory, "", directory->made, directory->file);
}

int plan_unmake(const struct plan_pod *pod, const struct plan_directory *directories, size_t n, struct job **job) {
        int r = *job ? 0 : make_job(pod, job);

        for (size_t i = 0; i < n && r == 0; i++)
                if (directories[i].made > 0)
                        r = add_unmakes(*job, &directories[i]);
        return r;
}

int plan_unmake_first(const struct plan_pod *pod, const struct plan_directory *directories, size_t n, struct job **job) {
        size_t before = *job ? (*job)->n_steps : 0, added;
        _cleanup_free_ struct step *steps = NULL;
        int r = plan_unmake(pod, directories, n, job);

        if (r < 0)
                return r;
        added = (*job)->n_steps - before;
        if (added == 0)
                return 0;
        steps = calloc(added, sizeof(*steps));
        if (!steps)
                return log_oom();
        memcpy(steps, (*job)->steps + before, added * sizeof(*steps));
        memmove((*job)->steps + added, (*job)->steps, before * sizeof(*steps));
        memcpy((*job)->steps, steps, added * sizeof(*steps));
        return 0;
}

int plan_collect(const struct plan_pod *pod, const struct plan_doomed *doomed, size_t n,
        const struct plan_directory *directories, size_t n_directories, bool lazy, struct job **ret,
        struct failure *f _unused_) {
        _cleanup_(job_freep) struct job *job = NULL;
        int r = make_job(pod, &job);

        for (size_t i = 0; i < n && r == 0; i++) {
                if (lazy && i < n - 1 && doomed[i].made == 0 && !doomed[i].host)
                        continue;
                r = add_doomed(job, &doomed[i], lazy ? STEP_DETACH : STEP_UNMOUNT);
                if (r == 0 && !lazy && doomed[i].kept)
                        restore(job, &doomed[i]);
                if (r == 0 && !lazy && doomed[i].of_tree)
                        job->steps[job->n_steps - 1].flags |= STEP_OF_TREE;
        }
        if (r == 0)
                r = plan_unmake(pod, directories, n_directories, &job);
        if (r < 0)
                return r;
        if (!job_add(job, STEP_REMOVE_POD))
                return log_oom();
        *ret = TAKE_PTR(job);
        return 0;
}
