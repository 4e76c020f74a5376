/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a job may do to network interfaces: make some for its pod, and take those away again, which the hands know by a mark that has
 * the pod's UUID. Those that the host had are root's to lend, as far as the configuration names them. */

#include <string.h>

#include "executor/door.h"
#include "util/link-name.h"
#include "util/path.h"
#include "util/prefixes.h"

static int refuse(struct failure *f, const char *what) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", what);
}

static bool has_peer(const struct step *step) {
        return step->stubs && step->stubs[0];
}

static int check_words(const struct step *step, struct failure *f) {
        if (!step->container || !name_is_valid(step->container))
                return refuse(f, "an interface is in no container");
        if (!step->target || !link_name_is_valid(step->target))
                return refuse(f, "the name of an interface is none");
        if (!step->type || (step->type[0] && !link_kind_is_valid(step->type)))
                return refuse(f, "the kind of an interface is none");
        if (has_peer(step) && (step->stubs[1] || !link_name_is_valid(step->stubs[0]) || strcmp(step->stubs[0], step->target) == 0))
                return refuse(f, "the other end of an interface has no name of its own");
        if (has_peer(step) != (strcmp(step->type, "veth") == 0))
                return refuse(f, "a veth has another end, and nothing else has");
        if ((step->id != 0 && step->kind != STEP_UNLINK) || step->device != 0 || (step->flags & ~(uint32_t) STEP_LINK_MOVE))
                return refuse(f, "an interface is no mount");
        return 0;
}

/* With the pod, before its tree is published; or for a process, with nothing but its namespaces. */
static int check_job(const struct job *job, size_t i, struct failure *f) {
        const bool inside = job->steps[i].source.kind == STEP_SOURCE_FD;

        if (job->steps[0].kind == STEP_TREE)
                return !inside && i < door_last(job) ? 0 : refuse(f, "an interface is made before the pod appears, on the host");
        for (size_t j = 0; j < job->n_steps; j++)
                if (job->steps[j].kind != STEP_PIN && job->steps[j].kind != STEP_LINK)
                        return refuse(f, "interfaces come in a job of their own");
        return 0;
}

static int check_link(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];
        const bool moves = step->flags & STEP_LINK_MOVE, inside = step->source.kind == STEP_SOURCE_FD;

        if (inside ? step->source.fd >= job->n_fds : step->source.kind != STEP_SOURCE_NONE || step->source.path)
                return refuse(f, "an interface is the host's or a process's");
        if (moves && !inside)
                return refuse(f, "an interface is moved to a process");
        if (!moves && (step->mount_id != 0 || step->type[0] == 0))
                return refuse(f, "what is to be made is of a kind, and has no index");
        if (!moves && inside && has_peer(step))
                return refuse(f, "a veth is made on the host");
        if (step->type[0] == 0 && !job->caller.root)
                return refuse(f, "an interface of the host is root's to lend");
        return check_job(job, i, f);
}

int door_check_link(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];
        int r = check_words(step, f);

        if (r != 0 || step->kind == STEP_LINK)
                return r != 0 ? r : check_link(job, i, f);
        return step->type[0] || (step->flags & STEP_LINK_MOVE) ? 0 : refuse(f, "an interface that podmount did not make is never removed");
}

int door_check_interfaces(const struct job *job, const char *list, uint32_t *ret_step, struct failure *f) {
        for (size_t i = 0; i < job->n_steps; i++) {
                const struct step *step = &job->steps[i];

                if (step->kind != STEP_LINK || step->type[0] || prefixes_has(list, step->target))
                        continue;
                *ret_step = (uint32_t) i;
                return failure_set(f, FAILURE_NOT_SUPPORTED,
                        "Network interface %s is the host's, and Interfaces= of podmountd.conf(5) does not name it; an administrator can.", step->target);
        }
        return 0;
}
