/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is on record as made is all of a name's cgroups, in whichever hierarchies: so none of them is there before the first is
 * made, and it is in the intent file that they may be. Somebody else's is never taken for one of ours. */

#include "executor/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "executor/cgroup-unit.h"
#include "executor/door.h"
#include "kernel/cgroup.h"
#include "kernel/resolve.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"
#include "util/text.h"

enum {
        PARENT_MODE = 0755,
        PAUSE_MS = 5,
        WAIT_MS = 50, /* a process that has just ended is in its cgroup a moment longer */
};

struct made {
        size_t step, hierarchy;
        int parent;
};

struct run_cgroups {
        struct cgroup_hierarchy *hierarchies;
        size_t n;
        char *unit; /* the cgroup of systemd's unit; NULL: not asked for… */
        bool no_unit; /* …or in vain: it takes long when nobody answers, and is not asked for again */
        struct made *made;
        size_t n_made;
        unsigned waited_ms;
};

static int begin(struct run *run) {
        int r;

        if (run->cgroups)
                return 0;
        run->cgroups = calloc(1, sizeof(*run->cgroups));
        if (!run->cgroups)
                return log_oom();
        r = cgroup_hierarchies(&run->cgroups->hierarchies, &run->cgroups->n);
        if (r == 0 && run->cgroups->n == 0)
                r = run_fail(run, FAILURE_NOT_SUPPORTED, 0, "no cgroup hierarchy is mounted on this host");
        if (r != 0) /* the next step looks again, and does not take it for a host without any */
                cgroup_end(run);
        return r;
}

void cgroup_end(struct run *run) {
        struct run_cgroups *cgroups = run->cgroups;

        if (!cgroups)
                return;
        for (size_t i = 0; i < cgroups->n_made; i++)
                (void) close_fd(cgroups->made[i].parent);
        free(cgroups->made);
        free(cgroups->unit);
        cgroup_hierarchies_free(cgroups->hierarchies, cgroups->n);
        free(cgroups);
        run->cgroups = NULL;
}

/* The path of the parent in every hierarchy. */
static int find_parent(struct run *run, const struct step *step, const char **ret) {
        struct run_cgroups *cgroups = run->cgroups;
        int r;

        if (step->source.kind == STEP_SOURCE_PATH) {
                *ret = step->source.path;
                return 0;
        }
        if (cgroups->no_unit)
                return run_fail(run, FAILURE_NOT_SUPPORTED, 0, "systemd has given no unit for cgroups");
        r = cgroups->unit ? 0 : cgroup_unit_find(step->kind == STEP_CGROUP_REMOVE, &cgroups->unit, &run->failure);
        cgroups->no_unit = r != 0;
        if (r != 0)
                return r;
        *ret = cgroups->unit;
        return 0;
}

/* Opens the parent within a hierarchy; with `make`, what is missing of it is made, and stays. */
static int open_parent(int root, const char *parent, bool make) {
        _cleanup_close_ int fd = fcntl(root, F_DUPFD_CLOEXEC, 3);

        if (fd < 0)
                return -errno;
        for (const char *at = parent + strspn(parent, "/"); *at; at += strspn(at, "/")) {
                size_t size = strcspn(at, "/");
                _cleanup_free_ char *name = strndup(at, size);
                int below;

                if (!name)
                        return -ENOMEM;
                if (make && mkdirat(fd, name, PARENT_MODE) < 0 && errno != EEXIST)
                        return -errno;
                below = resolve_beneath(fd, name, true);
                if (below < 0)
                        return below;
                (void) close_fd(fd);
                fd = below;
                at += size;
        }
        return TAKE_FD(fd);
}

/* What every hierarchy has the parent of, -1 for one that has it not, with the error; the fds are the caller's. */
static int open_parents(struct run *run, const struct step *step, const char *parent, bool make, int **ret, int **ret_errors) {
        const size_t n = run->cgroups->n;
        int *fds = calloc(n, sizeof(*fds)), *errors = calloc(n, sizeof(*errors));

        if (!fds || !errors) {
                free(fds);
                free(errors);
                return log_oom();
        }
        for (size_t i = 0; i < n; i++) {
                fds[i] = open_parent(run->cgroups->hierarchies[i].root, parent, make && step->source.kind == STEP_SOURCE_PATH);
                errors[i] = fds[i] < 0 ? -fds[i] : 0;
                if (fds[i] < 0)
                        fds[i] = -1;
        }
        *ret = fds;
        *ret_errors = errors;
        return 0;
}

static void close_all(int *fds, size_t n) {
        for (size_t i = 0; fds && i < n; i++)
                (void) close_fd(fds[i]);
        free(fds);
}

/* Whether a process of somebody else has made one of this name. */
static int check_free(struct run *run, const struct step *step, const int *fds) {
        for (size_t i = 0; i < run->cgroups->n; i++) {
                struct stat status;

                if (fds[i] >= 0 && fstatat(fds[i], step->target, &status, AT_SYMLINK_NOFOLLOW) == 0)
                        return run_fail(run, FAILURE_TARGET_IN_USE, 0,
                                "there is a %s already in the hierarchy %s that podmount has not made; choose another name for the cgroup",
                                step->target, run->cgroups->hierarchies[i].name);
        }
        return 0;
}

static int remember(struct run *run, size_t i, size_t hierarchy, int *parent) {
        struct made *made = array_append(&run->cgroups->made, &run->cgroups->n_made);

        if (!made)
                return log_oom();
        *made = (struct made) {.step = i, .hierarchy = hierarchy, .parent = TAKE_FD(*parent)};
        return 0;
}

/* Makes one; 1 where it was there before and may be. */
static int make_one(struct run *run, size_t i, size_t hierarchy, int *parent) {
        const struct step *step = &run->job->steps[i];

        if (mkdirat(*parent, step->target, PARENT_MODE) < 0) {
                if (errno == EEXIST && (step->flags & STEP_OPTIONAL))
                        return 1;
                return -errno;
        }
        if (remember(run, i, hierarchy, parent) < 0) {
                (void) unlinkat(*parent, step->target, AT_REMOVEDIR); /* empty, and a moment old */
                return -ENOMEM;
        }
        return 0;
}

/* "cpu, memory: Read-only file system" */
static int add_refusal(const struct run *run, size_t hierarchy, int error, char ***refusals) {
        return strv_appendf(refusals, "%s (%s)", run->cgroups->hierarchies[hierarchy].name, strerrorname_np(error) ?: "?");
}

static int tell_refusals(struct run *run, const struct step *step, size_t n_there, char **refusals, int error) {
        _cleanup_free_ char *text = NULL;

        if (!refusals)
                return 0;
        text = strv_join(refusals, ", ");
        if (!text)
                return log_oom();
        if (n_there == 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, error, "no hierarchy takes the cgroup %s: %s", step->target, text);
        return run_warn(run, "cgroup %s is not in every hierarchy: %s", step->target, text);
}

static int make_all(struct run *run, size_t i, int *fds, const int *errors) {
        _cleanup_strv_ char **refusals = NULL;
        size_t n_there = 0;
        int last = 0, r;

        for (size_t h = 0; h < run->cgroups->n; h++) {
                r = fds[h] >= 0 ? make_one(run, i, h, &fds[h]) : -errors[h];
                if (r == -ENOMEM)
                        return log_oom();
                n_there += r >= 0;
                run->result->steps[i].made += r == 0;
                if (r >= 0)
                        continue;
                last = -r;
                if (add_refusal(run, h, last, &refusals) < 0)
                        return log_oom();
        }
        return tell_refusals(run, &run->job->steps[i], n_there, refusals, last);
}

/* Once, for all of the job have the same. */
static int tell_parent(struct run *run, const char *parent) {
        return run->result->texts || strv_append(&run->result->texts, parent) == 0 ? 0 : log_oom();
}

int hand_cgroup_make(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        const char *parent = NULL;
        int *fds = NULL, *errors = NULL, r = begin(run);

        if (r == 0)
                r = find_parent(run, step, &parent);
        if (r == 0)
                r = open_parents(run, step, parent, true, &fds, &errors);
        if (r == 0 && !(step->flags & STEP_OPTIONAL)) {
                r = check_free(run, step, fds);
                if (r == 0) {
                        r = intent_add_directory(run->executor->intent, (uint32_t) i, INTENT_TARGET, 1);
                        if (r < 0)
                                (void) log_errno(LOG_ERR, r, "write the intent file");
                }
        }
        if (r == 0)
                r = make_all(run, i, fds, errors);
        if (r == 0)
                r = tell_parent(run, parent);
        close_all(fds, run->cgroups ? run->cgroups->n : 0);
        free(errors);
        return r;
}

/* 0 for what is gone, too. */
static int remove_one(struct run *run, int parent, const char *name) {
        const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

        while (unlinkat(parent, name, AT_REMOVEDIR) < 0) {
                if (errno == ENOENT)
                        return 0;
                if (errno != EBUSY || run->cgroups->waited_ms >= WAIT_MS)
                        return -errno;
                run->cgroups->waited_ms += PAUSE_MS;
                (void) nanosleep(&pause, NULL); /* an earlier try is as good */
        }
        return 0;
}

void cgroup_undo(struct run *run, size_t step) {
        for (size_t i = run->cgroups ? run->cgroups->n_made : 0; i > 0; i--) {
                const struct made *made = &run->cgroups->made[i - 1];

                if (made->step == step && remove_one(run, made->parent, run->job->steps[step].target) < 0)
                        run->result->steps[step].made++; /* it is told, and tried again later */
        }
}

static int tell_left(struct run *run, size_t i, char **busy) {
        _cleanup_free_ char *text = busy ? strv_join(busy, ", ") : NULL;

        if (!busy)
                return 0;
        run->result->steps[i].attributes = CGROUP_LEFT;
        return !text ? log_oom()
                     : run_warn(run, "cgroup %s stays until the next collection, for it cannot be removed now: %s", run->job->steps[i].target, text);
}

static int remove_below(struct run *run, size_t i, const char *parent) {
        const struct step *step = &run->job->steps[i];
        _cleanup_strv_ char **busy = NULL;
        int *fds = NULL, *errors = NULL, r = open_parents(run, step, parent, false, &fds, &errors);

        for (size_t h = 0; r == 0 && h < run->cgroups->n; h++) {
                int error = fds[h] < 0 ? -errors[h] : remove_one(run, fds[h], step->target);

                if (error < 0 && error != -ENOENT)
                        r = add_refusal(run, h, -error, &busy);
        }
        if (r == 0)
                r = tell_left(run, i, busy);
        close_all(fds, run->cgroups->n);
        free(errors);
        return r;
}

/* Whatever is in the way of it, the pod goes all the same. */
static int remove_step(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        const char *parent = NULL;
        int r = 0;

        if (!door_cgroup_is_granted(step, run->executor->grants))
                r = run_fail(run, FAILURE_INVALID_TARGET, 0, "its parent is not the configured one any more");
        if (r == 0)
                r = begin(run);
        if (r == 0)
                r = find_parent(run, step, &parent);
        if (r == 0)
                return remove_below(run, i, parent);
        run->result->steps[i].attributes = CGROUP_LEFT;
        if (r > 0)
                r = run_warn(run, "cgroup %s stays until the next collection, for it cannot be removed now: %s", step->target, run->failure.text);
        run_forgive(run);
        return r;
}

int hand_cgroup_remove(struct run *run _unused_, size_t i _unused_) {
        return 0; /* cgroup_remove_all() does it */
}

void cgroup_remove_all(struct run *run) {
        for (size_t i = 0; i < run->job->n_steps; i++)
                if (run->job->steps[i].kind == STEP_CGROUP_REMOVE && remove_step(run, i) < 0) {
                        run->result->steps[i].attributes = CGROUP_LEFT;
                        log_warning("Cgroup %s of pod %s may stay", run->job->steps[i].target, run->job->uuid);
                }
}
