/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts on the host, the one thing outside the runtime directory: where they may be is said by the configuration alone, in a
 * list that the front has no hand in. That no symlink leads elsewhere, the hands see to (host.c). */

#include <limits.h>
#include <string.h>
#include <sys/mount.h>

#include "executor/door.h"
#include "executor/link.h"
#include "spec/spec.h"
#include "util/path.h"
#include "util/prefixes.h"

static int refuse(struct failure *f, const char *what) {
        return failure_set(f, FAILURE_INVALID_ARGS, "refused at the executor's door: %s", what);
}

static bool is_place(const char *target) {
        _cleanup_free_ char *normal = NULL;

        return target && strlen(target) < PATH_MAX && path_normalize(target, &normal) == 0 && strcmp(target, normal) == 0 &&
               strcmp(target, "/") != 0;
}

size_t door_last(const struct job *job) {
        size_t last = job->n_steps - 1;

        while (last > 0 && (job->steps[last].flags & STEP_HOST))
                last--;
        return last;
}

/* An fd is a namespace, or the hands refuse it (pin.c). */
static bool are_paths(const struct step *step) {
        for (size_t i = 0; i < step->n_layers; i++)
                if (step->layers[i].kind != STEP_SOURCE_PATH)
                        return false;
        if (step->kind == STEP_OVERLAY && step->upper.kind != STEP_SOURCE_NONE)
                return step->upper.kind == STEP_SOURCE_PATH && step->work.kind == STEP_SOURCE_PATH;
        return step->kind != STEP_BIND || step->source.kind == STEP_SOURCE_PATH || step->source.kind == STEP_SOURCE_FD;
}

/* With the pod, when its tree stands, or one alone that was lost. */
int door_check_on_host(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];
        const uint32_t allowed = STEP_HOST | STEP_ATTR_RECURSIVE | STEP_PROPAGATION_RECURSIVE | STEP_MAKE_LAYERS;

        if (job->steps[0].kind == STEP_TREE ? i <= door_last(job) : job->n_steps != 1)
                return refuse(f, "a mount on the host comes last");
        if (!job->caller.root && job->caller.uid == 0)
                return refuse(f, "the root of another place names no paths of the host");
        if (step->kind != STEP_BIND && step->kind != STEP_OVERLAY &&
                (step->kind != STEP_FILESYSTEM || strcmp(step->type, "tmpfs") != 0))
                return refuse(f, "a mount on the host of a kind that is not on the list");
        if (!step->container || strcmp(step->container, SPEC_HOST) != 0)
                return refuse(f, "a mount on the host is in no container");
        if (!is_place(step->target))
                return refuse(f, "a target on the host is no normalised absolute path");
        if (step->create != STEP_CREATE_NEVER || step->cover_step != STEP_NO_COVER || step->cover_id != 0)
                return refuse(f, "a mount point on the host that would be made");
        if ((step->flags & ~allowed) || (step->stubs && step->stubs[0]) || step->idmap.given || !are_paths(step))
                return refuse(f, "a mount on the host that is more than a mount of what its caller has");
        return 0;
}

/* All that a process has, in a job of their own. */
int door_check_pin(const struct job *job, size_t i, struct failure *f) {
        const struct step *step = &job->steps[i];
        const uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

        for (size_t j = 0; j < job->n_steps; j++)
                if (job->steps[j].kind != STEP_PIN && job->steps[j].kind != STEP_LINK)
                        return refuse(f, "namespaces are bound to files in a job of their own");
        if (!job->caller.root && job->caller.uid == 0)
                return refuse(f, "the root of another place names no paths of the host");
        if (step->flags != STEP_HOST || !step->container || strcmp(step->container, SPEC_HOST) != 0 || !is_place(step->target))
                return refuse(f, "a namespace is bound to a file of the host");
        if (step->source.kind != STEP_SOURCE_FD || step->source.fd >= job->n_fds || !step->type || !spec_pin_find(step->type))
                return refuse(f, "a namespace is one of a process's");
        if (step->create != STEP_CREATE_NEVER || step->cover_step != STEP_NO_COVER || step->cover_id != 0)
                return refuse(f, "a namespace lies on no mount of the pod");
        if (step->attr_set != attributes || step->attr_clear != 0 || step->attr_set_below != 0 || step->attr_clear_below != 0 ||
                step->propagation != MS_PRIVATE)
                return refuse(f, "a namespace that is bound has other attributes");
        return 0;
}

int door_check_off_host(const struct step *step, struct failure *f) {
        if (!is_place(step->target))
                return refuse(f, "what is to be unmounted on the host has no normalised absolute path");
        if (step->id == 0 && step->mount_id == 0)
                return refuse(f, "what is to be unmounted has no id");
        if (step->made != 0 || step->made_file || (step->flags & ~(uint32_t) (STEP_HOST | STEP_LAZY_BELOW | STEP_RESTORE)))
                return refuse(f, "nothing is made on the host that could be removed");
        return 0;
}

bool door_is_about_host(const struct job *job) {
        for (size_t i = 0; i < job->n_steps; i++)
                if (job->steps[i].flags & STEP_HOST)
                        return true;
        return false;
}

/* Directly in the directory for namespaces: nothing else is ever mounted there. A pod's UUID is the name of the one that it has to itself. */
static bool is_pin(const struct step *step, const char *pins) {
        const bool right = step->kind == STEP_PIN || step->kind == STEP_UNMOUNT || step->kind == STEP_DETACH;
        const char *name = pins && right ? path_below(step->target, pins) : NULL;

        return name && path_is_component(name) && !door_is_uuid(name) && strncmp(name, LINK_PIN_PREFIX, strlen(LINK_PIN_PREFIX)) != 0;
}

int door_check_host(const struct job *job, const char *prefixes, const char *pins, uint32_t *ret_step, struct failure *f) {
        for (size_t i = 0; i < job->n_steps; i++) {
                const struct step *step = &job->steps[i];
                const bool goes = step->kind == STEP_UNMOUNT || step->kind == STEP_DETACH;
                size_t length;

                if (!(step->flags & STEP_HOST) || is_pin(step, pins) || prefixes_find(prefixes, step->target, &length))
                        continue;
                *ret_step = (uint32_t) i;
                return failure_set(f, FAILURE_INVALID_TARGET,
                        "%s is on the host, and HostTargets= of podmountd.conf(5) names no directory above it%s; an administrator "
                        "can add one to it%s",
                        step->target, goes ? " any more" : "", goes ? " again, or unmount it by hand" : "");
        }
        return 0;
}
