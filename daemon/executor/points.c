/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rmdir(2) asks whether the directory is a mount point in the caller's mount namespace, removes it, and then takes away what is
 * mounted on it anywhere, all of it with the directory that it was in locked. So whoever reads that one has waited for it. */

#include "executor/points.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "kernel/submounts.h"
#include "util/log.h"

enum { READ_SIZE = 1024 };

/* A mount of this step, on a root. (The upper directory of an overlay is changed by whoever mounts the overlay alone.) */
static bool is_one(const struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];

        return step->create == STEP_CREATE_AS_CALLER && step->cover_step != STEP_NO_COVER && run->result->steps[i].mount_id != 0 &&
               run->job->steps[step->cover_step].kind == STEP_ROOT;
}

static bool beside(const struct step *a, const struct step *b) {
        size_t size = (size_t) (strrchr(a->target, '/') - a->target);

        return (size_t) (strrchr(b->target, '/') - b->target) == size && strncmp(a->target, b->target, size) == 0 &&
               strcmp(a->container, b->container) == 0;
}

/* Until whoever was about to remove the target has done so. What cannot be opened or read keeps nobody waiting. */
static int wait_for_removal(struct run *run, const struct step *step) {
        char entries[READ_SIZE];
        _cleanup_close_ int parent = -1, directory = -1;
        const char *name;
        int root, r = run_container_root(run, step->container, &root);

        if (r != 0)
                return r;
        parent = resolve_parent(root, step->target, &name);
        if (parent >= 0)
                directory = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory >= 0)
                (void) syscall(SYS_getdents64, directory, entries, sizeof(entries));
        return 0;
}

int points_check(struct run *run) {
        const struct job *job = run->job;
        const struct step *last = NULL;
        int r = 0;

        /* In the staging directory the mounts were in sight all the time. */
        for (size_t i = 0; i < job->n_steps && !run->staged && run->executor->features.statmount; i++) {
                const struct step_result *result = &run->result->steps[i];
                const struct step *step = &job->steps[i];

                if (!is_one(run, i))
                        continue;
                if (!last || !beside(last, step))
                        r = wait_for_removal(run, step);
                if (r != 0)
                        return r;
                last = step;
                r = submounts_find(result->id, result->mount_id, result->device, "", true);
                if (r < 0)
                        return r;
                if (r == 0)
                        return run_fail(run, FAILURE_BUSY, 0,
                                "target %s of container %s was removed meanwhile; try again", step->target,
                                step->container);
                r = 0;
        }
        return 0;
}

/* Then its target is gone, too, or shows what it lay on. */
static bool is_gone(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int fd = -1;
        struct identity identity;
        int root;

        if (run_container_root(run, step->container, &root) != 0)
                return false;
        fd = resolve_in_root(root, step->target);
        if (fd < 0)
                return fd == -ENOENT;
        return identity_read(fd, "", run->executor->features.unique_id, &identity) == 0 && !identity.mount_root &&
               identity.key == run_key(run, step->cover_step);
}

bool points_lost(struct run *run) {
        struct failure kept = FAILURE_INIT;
        const int error = run->error;
        bool lost = false;

        if (run->tree < 0 || run->staged || run->published)
                return false;
        failure_move(&kept, &run->failure);
        for (size_t i = 0; i < run->job->n_steps && !lost; i++)
                lost = run->result->steps[i].done && is_one(run, i) && is_gone(run, i);
        failure_clear(&run->failure);
        failure_move(&run->failure, &kept);
        run->error = error;
        return lost;
}
