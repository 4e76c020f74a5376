/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "plan/links.h"

#include <string.h>

#include "plan/make.h"
#include "util/array.h"
#include "util/log.h"

static int fill(struct step *step, const struct plan_link *link, uint32_t flags) {
        step->flags = flags;
        step->container = strdup(link->container);
        step->target = strdup(link->name);
        step->type = strdup(link->kind ?: "");
        if (!step->container || !step->target || !step->type)
                return log_oom();
        return link->peer && strv_append(&step->stubs, link->peer) < 0 ? log_oom() : 0;
}

static int add(struct job *job, enum step_kind kind, const struct plan_link *link, uint32_t flags) {
        struct step *step = job_add(job, kind);

        return step ? fill(step, link, flags) : log_oom();
}

/* The job's last steps come before its step `at`, those that refer to others being before that. */
static int bring_forward(struct job *job, size_t at, size_t n) {
        _cleanup_free_ struct step *moved = NULL;
        size_t first = job->n_steps - n;

        if (n == 0 || at == first)
                return 0;
        moved = calloc(n, sizeof(*moved));
        if (!moved)
                return log_oom();
        memcpy(moved, job->steps + first, n * sizeof(*moved));
        memmove(job->steps + at + n, job->steps + at, (first - at) * sizeof(*moved));
        memcpy(job->steps + at, moved, n * sizeof(*moved));
        return 0;
}

static size_t find(const struct job *job, enum step_kind kind) {
        size_t at = 0;

        while (at < job->n_steps && job->steps[at].kind != kind)
                at++;
        return at;
}

int plan_links_make(struct job *job, const struct plan_link *links, size_t n) {
        size_t at = find(job, STEP_PUBLISH), before = job->n_steps;
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++)
                if (links[i].on_host && links[i].kind)
                        r = add(job, STEP_LINK, &links[i], 0);
        return r < 0 ? r : bring_forward(job, at, job->n_steps - before);
}

static int enter(struct job *job, const struct plan_link *link, bool make, uint32_t fd) {
        const bool moves = link->on_host || !link->kind;
        struct step *step;
        int r = make && moves && link->kind ? add(job, STEP_LINK, link, 0) : 0;

        if (r == 0)
                r = add(job, STEP_LINK, link, moves ? STEP_LINK_MOVE : 0);
        if (r < 0)
                return r;
        step = &job->steps[job->n_steps - 1];
        step->source = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = fd};
        step->mount_id = moves && !make ? link->index : 0;
        return 0;
}

int plan_links_enter(const struct plan_pod *pod, const struct plan_link *links, size_t n, bool make, uint32_t fd, struct job **job) {
        int r = *job ? 0 : make_job(pod, job);

        for (size_t i = 0; i < n && r == 0; i++)
                r = enter(*job, &links[i], make, fd);
        return r;
}

int plan_links_leave(const struct plan_pod *pod, const struct plan_link *links, size_t n, bool back, struct job **job) {
        int r = *job ? 0 : make_job(pod, job);
        size_t at = r < 0 ? 0 : find(*job, STEP_REMOVE_POD);

        for (size_t i = n; i > 0 && r == 0; i--) {
                const struct plan_link *link = &links[i - 1];

                r = add(*job, STEP_UNLINK, link, !link->kind || (back && link->on_host) ? STEP_LINK_MOVE : 0);
                if (r == 0 && link->kind)
                        (*job)->steps[(*job)->n_steps - 1].mount_id = link->index;
                else if (r == 0) /* there; on the host it gets back what it had, or another one */
                        (*job)->steps[(*job)->n_steps - 1].id = link->index;
        }
        return r < 0 ? r : bring_forward(*job, at, n);
}
