/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing is made with more rights than the caller has: an opener makes it, and root's own directories are made by the
 * executor. Removing is the same with the rights of the pod's owner, who comes as the caller of such a job. */

#include "executor/prepare.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "executor/source.h"
#include "executor/target.h"
#include "kernel/resolve.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

struct prepared {
        size_t step;
        int base;   /* the directory that was there… */
        char *rest; /* …and what was made in it */
        bool work;
};

static int open_as_caller(struct run *run, const char *path) {
        struct opener *opener;
        int r;

        if (run->job->caller.root)
                return resolve_source(path);
        r = run_opener(run, &opener);
        return r < 0 ? r : opener_open(opener, path);
}

static int make_as_caller(struct run *run, int base, const char *rest) {
        struct opener *opener;
        int r;

        if (run->job->caller.root)
                return resolve_make(base, rest, false);
        r = run_opener(run, &opener);
        return r < 0 ? r : opener_make(opener, base, rest, false);
}

/* The deepest directory of the path that is there, and what is missing. */
static int find_base(struct run *run, const char *path, int *ret_base, char **ret_rest) {
        _cleanup_free_ char *above = strdup(path);

        if (!above)
                return -ENOMEM;
        for (;;) {
                char *slash = strrchr(above, '/');
                int fd;

                if (!slash || above[1] == 0)
                        return -ENOENT;
                slash[slash == above ? 1 : 0] = 0;
                fd = open_as_caller(run, above);
                if (fd == -ENOENT)
                        continue;
                if (fd < 0)
                        return fd;
                *ret_rest = strdup(path_below(path, above));
                *ret_base = fd;
                return *ret_rest ? 0 : -ENOMEM;
        }
}

static int make_failed(struct run *run, const struct step_source *source, const char *what, int r) {
        return run_fail(run, r == -ETIMEDOUT ? FAILURE_TIMED_OUT : FAILURE_SOURCE_DENIED, -r,
                "the overlay's %s directory %s does not exist, and the caller cannot make it; make it first, or give "
                "another",
                what, source->path);
}

static int remember(struct run *run, size_t i, int *base, char **rest, enum intent_directory which) {
        struct prepared *prepared = array_append(&run->prepared, &run->n_prepared);
        uint32_t made = (uint32_t) resolve_count(*rest);
        int r;

        if (!prepared)
                return log_oom();
        *prepared = (struct prepared) {
                .step = i, .base = TAKE_FD(*base), .rest = TAKE_PTR(*rest), .work = which == INTENT_WORK};
        r = intent_add_directory(run->executor->intent, (uint32_t) i, which, made);
        if (r < 0)
                return log_errno(LOG_ERR, r, "write the intent file");
        if (which == INTENT_WORK)
                run->result->steps[i].made_work = made;
        else
                run->result->steps[i].made_upper = made;
        return 0;
}

int prepare_open(struct run *run, size_t i, const struct step_source *source, enum intent_directory which, int *ret_fd) {
        const char *what = which == INTENT_WORK ? "work" : "upper";
        const struct prepared *made;
        _cleanup_close_ int base = -1;
        _cleanup_free_ char *rest = NULL;
        int fd, r;

        fd = source->kind == STEP_SOURCE_PATH ? open_as_caller(run, source->path) : -EINVAL;
        if (fd >= 0) {
                *ret_fd = fd;
                return 0;
        }
        if (fd != -ENOENT)
                return source_open(run, source, ret_fd);
        r = find_base(run, source->path, &base, &rest);
        if (r < 0)
                return r == -ENOMEM ? log_oom() : make_failed(run, source, what, r);
        r = remember(run, i, &base, &rest, which);
        if (r < 0)
                return r;
        made = &run->prepared[run->n_prepared - 1];
        fd = make_as_caller(run, made->base, made->rest);
        if (fd < 0) { /* and nothing of it stays: there is nothing to undo, and nothing of it is ours */
                struct prepared *last = &run->prepared[--run->n_prepared];

                last->base = close_fd(last->base);
                free(last->rest);
                return make_failed(run, source, what, fd);
        }
        *ret_fd = fd;
        return 0;
}

/* The kernel leaves its own empty directories in a work directory. */
static void unmake(const struct prepared *prepared) {
        static const char *const kernels[] = {"index", "work"};

        for (size_t i = 0; prepared->work && i < ELEMENTSOF(kernels); i++) {
                _cleanup_free_ char *path = path_join(prepared->rest, kernels[i]);

                if (path)
                        run_unmake(prepared->base, path, false);
        }
        run_unmake(prepared->base, prepared->rest, false);
}

void prepare_undo(struct run *run, size_t step) {
        for (size_t i = run->n_prepared; i > 0; i--)
                if (run->prepared[i - 1].step == step)
                        unmake(&run->prepared[i - 1]);
}

void prepare_end(struct run *run) {
        for (size_t i = 0; i < run->n_prepared; i++) {
                (void) close_fd(run->prepared[i].base);
                free(run->prepared[i].rest);
        }
        free(run->prepared);
        run->prepared = NULL;
        run->n_prepared = 0;
}

int hand_mkdir(struct run *run, size_t i) {
        _cleanup_close_ int directory = -1;

        return target_directory(run, i, &directory);
}

/* An executor that died while it built a tree in the staging directory has left mounts on mount points that it had made; the one
 * that comes in its place detaches them when it starts. */
static bool wait_for_staging(struct run *run) {
        enum { PAUSE_MS = 5, WAIT_MS = 1000 };
        const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

        if (run->executor->features.detached_attach || run->waited_ms >= WAIT_MS)
                return false;
        run->waited_ms += PAUSE_MS;
        (void) nanosleep(&pause, NULL); /* an earlier try is as good */
        return true;
}

/* What cannot be reached or removed any more stays: it is no longer what was made, or somebody uses it. */
static int unmake_step(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int root = open_as_caller(run, step->source.path);
        struct opener *opener = NULL;
        int r;

        if (root < 0) /* it may have been for want of memory or the like */
                root = open_as_caller(run, step->source.path);
        if (root < 0)
                return 0;
        r = run->job->caller.root ? 0 : run_opener(run, &opener);
        if (r < 0)
                return r;
        do
                r = opener ? opener_unmake(opener, root, step->target, step->made, step->made_file)
                           : resolve_unmake_in_root(root, step->target, step->made, step->made_file);
        while (r == -EBUSY && wait_for_staging(run));
        if (r < 0 && r != -EBUSY && !opener) /* another try may do, see resolve_unmake() */
                r = resolve_unmake_in_root(root, step->target, step->made, step->made_file);
        return r == -ENOMEM ? log_oom() : 0;
}

/* Whether it comes after mounts that may have to come back, into these very directories. */
static bool waits(const struct job *job, size_t i) {
        while (i-- > 0)
                if (job->steps[i].kind == STEP_UNMOUNT && (job->steps[i].flags & STEP_RESTORE))
                        return true;
        return false;
}

int hand_unmake(struct run *run, size_t i) {
        return waits(run->job, i) ? 0 : unmake_step(run, i);
}

void prepare_unmake(struct run *run) {
        for (size_t i = 0; i < run->job->n_steps; i++)
                if (run->job->steps[i].kind == STEP_UNMAKE && waits(run->job, i) && unmake_step(run, i) < 0)
                        log_warning("Directories of a container that went from pod %s may stay", run->job->uuid);
}
