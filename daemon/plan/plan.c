/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Makes jobs from wanted mounts. The order of the steps is the order in which the mounts were wanted; what this file
 * decides is what each target lies on, and so what may be done about one that is not there yet: a file system of the
 * pod's own takes new mount points, a writable root or overlay takes what the caller could make, a read-only root, bind or
 * overlay gets stubs, and nothing else is ever written to. Directories come after all mounts, by the same rules.
 */

#include "plan/plan.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "plan/cover.h"
#include "plan/make.h"
#include "util/array.h"
#include "util/log.h"

enum {
        TREE_SIZE_BASE = 1024 * 1024,     /* bytes of the tmpfs that a pod's tree stands on… */
        TREE_SIZE_CONTAINER = 64 * 1024,  /* …and what each container's directories add, and the volumes' */
};

/* A mount that others may be put on: one of the pod's already, or one that this job makes. */
struct ground {
        enum plan_ground kind;
        bool stubbed;       /* a read-only clone, overlay or tmpfs of this job: mount points are stubs of its step… */
        char **stubs;       /* …these, owned until the step takes them over */
        size_t n_stubs;
        uint32_t step;      /* STEP_NO_COVER for one that is there already… */
        uint64_t id;        /* …which this identifies */
};

struct planner {
        const struct plan_pod *pod;
        const struct wanted *wanted;
        struct job *job;
        struct covers *covers;
        struct covers *deferred; /* mounts that have no step yet */
        struct ground *grounds; /* by number of the cover */
        size_t n_grounds;
        uint32_t step_flags;    /* STEP_STACK on every mount, or 0 */
};

static void planner_done(struct planner *planner) {
        job_free(planner->job);
        covers_free(planner->covers);
        covers_free(planner->deferred);
        for (size_t i = 0; i < planner->n_grounds; i++) {
                for (size_t j = 0; j < planner->grounds[i].n_stubs; j++)
                        free(planner->grounds[i].stubs[j]);
                free(planner->grounds[i].stubs);
        }
        free(planner->grounds);
}

static int planner_init(struct planner *planner, const struct plan_pod *pod, const struct wanted *wanted) {
        int r;

        *planner = (struct planner) {.pod = pod, .wanted = wanted};
        r = make_job(pod, &planner->job);
        if (r < 0)
                return r;
        planner->covers = covers_new(wanted->n_mounts);
        planner->deferred = covers_new(wanted->n_mounts);
        return planner->covers && planner->deferred ? 0 : log_oom();
}

static int add_ground(struct planner *planner, const char *container, const char *target, const struct ground *ground) {
        struct ground *added = array_append(&planner->grounds, &planner->n_grounds);

        if (!added || covers_add(planner->covers, container, target) < 0)
                return log_oom();
        *added = *ground;
        return 0;
}

static int find_ground(const struct planner *planner, const char *container, const char *target, struct ground **ret) {
        size_t number;
        int r = covers_find(planner->covers, container, target, &number);

        if (r < 0)
                return log_errno(LOG_ERR, r, "find what %s lies on", target);
        *ret = number == COVER_NONE ? NULL : &planner->grounds[number];
        return 0;
}

/* What a mount is for those that are put on it. */
static struct ground ground_of(const struct wanted_mount *mount, uint32_t step) {
        const bool readonly = mount->attr_set & MOUNT_ATTR_RDONLY;
        struct ground ground = {.kind = PLAN_GROUND_NEVER, .step = step};

        switch (mount->kind) {
        case WANTED_ROOT:
                /* A read-write layer takes new mount points later; those of the spec are no part of it. */
                ground.stubbed = readonly || mount->layer_writable;
                if (!readonly)
                        ground.kind = mount->overlay == SPEC_OVERLAY_TMPFS ? PLAN_GROUND_FREELY : PLAN_GROUND_CALLER;
                break;
        case WANTED_FILESYSTEM:
                if (!readonly && (strcmp(mount->type, "tmpfs") == 0 || strcmp(mount->type, "devtmpfs") == 0))
                        ground.kind = PLAN_GROUND_FREELY;
                else if (strcmp(mount->type, "tmpfs") == 0)
                        ground.stubbed = true; /* it gets them before it becomes read-only */
                break;
        case WANTED_BIND:
                /* Stubs would be an overlay, and what others write to the volume below that is not sure to be seen. */
                if (mount->source.kind == SOURCE_VOLUME && readonly)
                        break;
                if (readonly)
                        ground.stubbed = true;
                else if (mount->overlay == SPEC_OVERLAY_TMPFS || mount->own_volume)
                        ground.kind = PLAN_GROUND_FREELY;
                break;
        case WANTED_OVERLAY: /* its upper directory is the caller's own */
                if (!readonly && mount->upper.kind != SOURCE_NONE)
                        ground.kind = PLAN_GROUND_CALLER;
                else
                        ground.stubbed = true;
                break;
        case WANTED_IMAGE:
        case WANTED_MASK:
        case WANTED_READONLY:
        case WANTED_PIN:
                break; /* somebody else's files */
        }
        return ground;
}

bool plan_gives_stubs(const struct wanted_mount *mount) {
        return ground_of(mount, 0).stubbed;
}

/* What may be done about a missing target; `ground` is NULL where nothing is known to lie below it. */
static void plan_target(struct step *step, const struct ground *ground) {
        if (!ground)
                return;
        if (ground->stubbed) {
                step->create = STEP_CREATE_STUB;
                return;
        }
        switch (ground->kind) {
        case PLAN_GROUND_NEVER:
                return;
        case PLAN_GROUND_FREELY:
                step->create = STEP_CREATE_FREELY;
                break;
        case PLAN_GROUND_CALLER:
                step->create = STEP_CREATE_AS_CALLER;
                break;
        }
        step->cover_step = ground->step;
        step->cover_id = ground->id;
}

static int add_stub(struct ground *ground, const char *target) {
        char **stub = array_append(&ground->stubs, &ground->n_stubs);

        if (!stub)
                return log_oom();
        *stub = strdup(target);
        return *stub ? 0 : log_oom();
}

/* Stubs come with the root and nothing can be added later, so a mount that waits gets its own now; not one below
 * another that waits, whose mount point will be there. */
static int plan_deferred(struct planner *planner, const struct wanted_mount *mount, struct ground *ground) {
        const char *container = wanted_container(planner->wanted, mount);
        size_t number;
        int r = covers_find(planner->deferred, container, mount->target, &number);

        if (r == 0 && ground && ground->stubbed && number == COVER_NONE)
                r = add_stub(ground, mount->target);
        if (r == 0)
                r = covers_add(planner->deferred, container, mount->target);
        return r < 0 ? log_errno(LOG_ERR, r, "plan the deferred %s", mount->target) : 0;
}

/* A path that is to be hidden below a mount that waits has to wait as well: it is not there yet. */
static int lies_on_deferred(const struct planner *planner, const char *container, const char *target, bool *ret) {
        size_t number;
        int r = covers_find(planner->deferred, container, target, &number);

        if (r < 0)
                return log_errno(LOG_ERR, r, "find what %s lies on", target);
        *ret = number != COVER_NONE;
        return 0;
}

/* One mount: its step, and what it is for those after it. */
static int plan_one(struct planner *planner, uint32_t index, struct failure *f) {
        const struct wanted_mount *mount = &planner->wanted->mounts[index];
        const char *container = wanted_container(planner->wanted, mount);
        const struct ground own = ground_of(mount, (uint32_t) planner->job->n_steps);
        struct ground *ground = NULL;
        struct step *step;
        int r;

        if (mount->kind != WANTED_ROOT) {
                r = find_ground(planner, container, mount->target, &ground);
                if (r < 0)
                        return r;
        }
        if (mount->kind == WANTED_MASK || mount->kind == WANTED_READONLY) {
                bool waits;

                r = lies_on_deferred(planner, container, mount->target, &waits);
                return r < 0 || waits ? r : make_step(planner->job, planner->pod, planner->wanted, index, &step, f);
        }
        if (mount->deferred)
                return plan_deferred(planner, mount, ground);
        if (ground && ground->stubbed) {
                r = add_stub(ground, mount->target);
                if (r < 0)
                        return r;
        }
        r = make_step(planner->job, planner->pod, planner->wanted, index, &step, f);
        if (r != 0)
                return r;
        step->flags |= planner->step_flags;
        plan_target(step, ground);
        return add_ground(planner, container, mount->target, &own);
}

/* Hands the stubs over to the steps of their roots. */
static int end_stubs(struct planner *planner) {
        for (size_t i = 0; i < planner->n_grounds; i++) {
                struct ground *ground = &planner->grounds[i];

                if (ground->n_stubs == 0)
                        continue;
                /* The element that is appended is the NULL at the end. */
                if (!array_append(&ground->stubs, &ground->n_stubs))
                        return log_oom();
                planner->job->steps[ground->step].stubs = TAKE_PTR(ground->stubs);
                ground->n_stubs = 0;
        }
        return 0;
}

static int plan_all(struct planner *planner, bool whole, struct failure *f) {
        for (size_t i = 0; i < planner->wanted->n_mounts - wanted_count_host(planner->wanted); i++) {
                int r;

                if (planner->wanted->mounts[i].kind == WANTED_ROOT && !whole)
                        return log_errno(LOG_ERR, EINVAL, "plan a root for a pod that has its own");
                r = plan_one(planner, (uint32_t) i, f);
                if (r != 0)
                        return r;
        }
        return end_stubs(planner);
}

/* A directory that is wanted for itself: where it is missing, it lies on something like a target does. */
static int plan_directory(struct planner *planner, const struct wanted_directory *directory) {
        const char *container = planner->wanted->containers[directory->container];
        struct ground *found = NULL, ground;
        struct step *step;
        int r = find_ground(planner, container, directory->target, &found);

        if (r < 0)
                return r;
        ground = found ? *found : (struct ground) {};
        if (ground.kind != PLAN_GROUND_NEVER)
                ground.stubbed = false; /* it is wanted where the container can have it for its own */
        step = job_add(planner->job, STEP_MKDIR);
        if (!step)
                return log_oom();
        step->container = strdup(container);
        step->target = strdup(directory->target);
        if (!step->container || !step->target)
                return log_oom();
        plan_target(step, found ? &ground : NULL);
        return 0;
}

static int plan_cgroups(struct planner *planner) {
        int r = 0;

        for (char **name = planner->wanted->cgroups; name && *name && r == 0; name++)
                r = plan_cgroup(planner->pod, STEP_CGROUP_MAKE, *name, planner->pod->cgroup_parent, &planner->job);
        return r;
}

static int plan_whole(struct planner *planner, struct failure *f) {
        int r = plan_all(planner, true, f);

        for (size_t i = 0; i < planner->wanted->n_directories && r == 0; i++)
                r = plan_directory(planner, &planner->wanted->directories[i]);
        return r;
}

/* What is on the host comes when the pod stands: it is seen at once, and nothing may fail after it that need not. */
static int plan_host(struct planner *planner, struct failure *f) {
        const size_t n = planner->wanted->n_mounts;
        struct step *step;
        int r = 0;

        for (size_t i = n - wanted_count_host(planner->wanted); i < n && r == 0 && !planner->wanted->mounts[i].deferred; i++)
                r = make_step(planner->job, planner->pod, planner->wanted, (uint32_t) i, &step, f);
        return r;
}

/* The tree is in a peer group of its own as soon as one of the roots on it is. */
static uint64_t tree_propagation(const struct wanted *wanted) {
        for (size_t i = 0; i < wanted->n_mounts; i++)
                if (wanted->mounts[i].kind == WANTED_ROOT && wanted->mounts[i].propagation == MS_SHARED)
                        return MS_SHARED;
        return MS_PRIVATE;
}

static bool has_volumes(const struct wanted *wanted) {
        return wanted->n_mounts > 0 && wanted->mounts[0].container == WANTED_VOLUMES;
}

/* Volumes lie on the pod's own tmpfs, the first step of the job. */
static int add_volumes(struct planner *planner) {
        const struct ground tree = {.kind = PLAN_GROUND_FREELY, .step = 0};

        if (strv_append(&planner->job->containers, SPEC_VOLUMES) < 0)
                return log_oom();
        return add_ground(planner, SPEC_VOLUMES, "/", &tree);
}

int plan_create(const struct plan_pod *pod, const struct wanted *wanted, struct job **ret, struct failure *f) {
        _cleanup_(planner_done) struct planner planner;
        struct step *tree;
        int r = planner_init(&planner, pod, wanted);

        if (r < 0)
                return r;
        if (strv_copy(wanted->containers, &planner.job->containers) < 0)
                return log_oom();
        tree = job_add(planner.job, STEP_TREE);
        if (!tree)
                return log_oom();
        tree->attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        tree->propagation = tree_propagation(wanted);
        r = has_volumes(wanted) ? add_volumes(&planner) : 0;
        if (r < 0)
                return r;
        tree->size = TREE_SIZE_BASE + strv_length(planner.job->containers) * TREE_SIZE_CONTAINER;
        r = plan_whole(&planner, f);
        if (r == 0)
                r = plan_cgroups(&planner);
        if (r != 0)
                return r;
        if (!job_add(planner.job, STEP_PUBLISH))
                return log_oom();
        r = plan_host(&planner, f);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(planner.job);
        return 0;
}

int plan_add_container(const struct plan_pod *pod, const struct wanted *wanted, struct job **ret, struct failure *f) {
        _cleanup_(planner_done) struct planner planner;
        struct step *tree, *join;
        int r = planner_init(&planner, pod, wanted);

        if (r < 0)
                return r;
        if (strv_copy(wanted->containers, &planner.job->containers) < 0)
                return log_oom();
        tree = job_add(planner.job, STEP_CONTAINER);
        if (!tree)
                return log_oom();
        tree->size = TREE_SIZE_CONTAINER;
        tree->attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        tree->propagation = tree_propagation(wanted);
        tree->container = strdup(wanted->containers[0]);
        if (!tree->container)
                return log_oom();
        r = plan_whole(&planner, f);
        if (r != 0)
                return r;
        join = job_add(planner.job, STEP_JOIN);
        if (!join)
                return log_oom();
        join->container = strdup(wanted->containers[0]);
        if (!join->container)
                return log_oom();
        *ret = TAKE_PTR(planner.job);
        return 0;
}

int plan_mount(const struct plan_pod *pod, const struct wanted *wanted, const struct plan_present *present,
        size_t n_present, bool stack, struct job **ret, struct failure *f) {
        _cleanup_(planner_done) struct planner planner;
        int r = planner_init(&planner, pod, wanted);

        if (r < 0)
                return r;
        planner.step_flags = stack ? STEP_STACK : 0;
        for (size_t i = 0; i < n_present; i++) {
                const struct ground ground = {
                        .kind = present[i].ground, .step = STEP_NO_COVER, .id = present[i].id};

                if (ground.id == 0)
                        continue; /* not mounted: deferred */
                r = add_ground(&planner, present[i].container, present[i].target, &ground);
                if (r < 0)
                        return r;
        }
        r = plan_all(&planner, false, f);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(planner.job);
        return 0;
}

int plan_replace(const struct plan_pod *pod, const struct wanted *wanted, uint64_t id, struct job **ret,
        struct failure *f) {
        _cleanup_(planner_done) struct planner planner;
        int r = planner_init(&planner, pod, wanted);

        if (r == 0)
                r = plan_all(&planner, false, f);
        if (r != 0)
                return r;
        for (size_t i = 0; i < planner.job->n_steps; i++) {
                planner.job->steps[i].flags |= STEP_BENEATH;
                planner.job->steps[i].cover_id = id;
        }
        *ret = TAKE_PTR(planner.job);
        return 0;
}
