/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs in the mount namespaces of containers. */

#include <string.h>

#include "plan/make.h"
#include "util/log.h"

/* Makes room for `n` steps of a kind before the one at `at`. */
static int insert(struct job *job, size_t at, enum step_kind kind, size_t n) {
        size_t before = job->n_steps;
        _cleanup_free_ struct step *added = calloc(n + 1, sizeof(*added));

        if (!added)
                return log_oom();
        for (size_t i = 0; i < n; i++)
                if (!job_add(job, kind))
                        return log_oom();
        if (n == 0)
                return 0;
        memcpy(added, job->steps + before, n * sizeof(*added));
        memmove(job->steps + at + n, job->steps + at, (before - at) * sizeof(*added));
        memcpy(job->steps + at, added, n * sizeof(*added));
        for (size_t i = 0; i < job->n_steps; i++)
                if (job->steps[i].cover_step != STEP_NO_COVER && job->steps[i].cover_step >= at)
                        job->steps[i].cover_step += (uint32_t) n;
        return 0;
}

/* Behind the last strict unmount. */
static size_t past_unmounts(const struct job *job) {
        size_t n = job->n_steps;

        while (n > 0 && job->steps[n - 1].kind != STEP_UNMOUNT)
                n--;
        return n;
}

static int find_fd(const struct plan_pod *pod, const char *name, uint32_t *ret) {
        for (uint32_t i = 0; pod->fd_names && pod->fd_names[i]; i++)
                if (strcmp(pod->fd_names[i], name) == 0) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

int plan_enter(const struct plan_pod *pod, const char *container, const char *fd_name, uint64_t namespace, struct job **job,
        struct failure *f) {
        struct step *step;
        uint32_t fd;
        int r = find_fd(pod, fd_name, &fd);

        if (r < 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "The namespace is fd:%s, but no file descriptor of that name came with the call.",
                        fd_name);
        r = *job ? 0 : make_job(pod, job);
        if (r == 0)
                r = insert(*job, 0, STEP_ENTER, 1);
        if (r < 0)
                return r;
        step = &(*job)->steps[0];
        step->source = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = fd};
        step->namespace = namespace;
        step->container = strdup(container);
        return step->container ? 0 : log_oom();
}

int plan_seek(const struct plan_pod *pod, const struct plan_inside *mounts, size_t n, bool deep, struct job **job) {
        int r = *job ? 0 : make_job(pod, job);

        for (size_t i = 0; i < n && r == 0; i++) {
                struct step *step = job_add(*job, STEP_SEEK);

                if (!step)
                        return log_oom();
                step->id = mounts[i].id;
                step->namespace = mounts[i].namespace;
                step->flags = deep ? STEP_RECURSIVE : 0;
        }
        return r;
}

int plan_withdraw(const struct plan_pod *pod, const struct plan_inside *mounts, size_t n, bool lazy, struct job **job) {
        int r = *job ? 0 : make_job(pod, job);
        const size_t at = r < 0 ? 0 : past_unmounts(*job);

        if (r == 0)
                r = insert(*job, at, STEP_WITHDRAW, n);
        for (size_t i = 0; i < n && r == 0; i++) {
                struct step *step = &(*job)->steps[at + i];

                step->id = mounts[n - 1 - i].id;
                step->namespace = mounts[n - 1 - i].namespace;
                step->flags = (lazy ? STEP_LAZY_BELOW : mounts[n - 1 - i].deep ? STEP_RECURSIVE : 0) |
                              (mounts[n - 1 - i].nested ? STEP_OPTIONAL : 0);
        }
        return r;
}
