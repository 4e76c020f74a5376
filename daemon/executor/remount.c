/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_REMOUNT: the mount that is at a target, known by its id, gets other attributes and its file system other options; in a
 * running container's own mount namespace it is found by the ids of both, below the root that podmount has given the container.
 * The attributes come first: they are taken back if the file system refuses its part, which then has changed nothing. */

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "executor/run.h"
#include "executor/target.h"
#include "kernel/fscontext.h"
#include "kernel/identity.h"
#include "kernel/inside.h"
#include "kernel/resolve.h"
#include "kernel/tree.h"
#include "util/log.h"

#define ATTRIBUTES                                                                                                     \
        (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME |            \
                MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW)

/* What whoever is not root never takes off a clone, which may have it from its source, and off an overlay, which may have
 * it from its layers; off no mount the first two. */
#define GRANTED (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define INHERITED (GRANTED | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW)
#define RESTRICTING (INHERITED | MOUNT_ATTR_RDONLY)

/* The mount that is changed. */
struct place {
        int fd;
        int namespace; /* the one that it is in, where that is not ours; or -1 */
};

static void place_done(struct place *place) {
        place->fd = close_fd(place->fd);
        place->namespace = close_fd(place->namespace);
}

static int change(const struct place *place, bool recursive, uint64_t set, uint64_t clear) {
        return place->namespace >= 0 ? inside_set(place->namespace, place->fd, recursive, set, clear)
                                     : tree_set(place->fd, recursive, set, clear, 0);
}

static bool is_ours(struct run *run, const struct step *step, int fd) {
        bool unique = run->executor->features.unique_id && step->id != 0;
        struct identity identity;

        return identity_read(fd, "", unique, &identity) == 0 && identity.mount_root &&
               identity.key == (unique ? step->id : step->mount_id);
}

/* The mount may lie on a symlink, or be one, and then the target must not be followed. */
static int find(struct run *run, const struct step *step, int *ret_fd) {
        int root, r = run_container_root(run, step->container, &root);

        if (r != 0)
                return r;
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_close_ int fd =
                        i == 0 ? resolve_link_in_root(root, step->target) : resolve_in_root(root, step->target);

                if (fd < 0)
                        return target_failed(run, step, step->target, fd);
                if (!is_ours(run, step, fd))
                        continue;
                *ret_fd = TAKE_FD(fd);
                return 0;
        }
        return run_fail(run, FAILURE_NO_SUCH_MOUNT, 0,
                "the mount recorded at %s of container %s is covered, or is not there any more; see podmountctl show",
                step->target, step->container);
}

static int inside_failed(struct run *run, const struct step *step, int r) {
        switch (-r) {
        case ENOENT:
                return run_fail(run, FAILURE_NO_SUCH_MOUNT, 0,
                        "the mount recorded at %s in container %s's own mount namespace is not there any more; see podmountctl show",
                        step->target, step->container);
        case ESTALE:
                return run_fail(run, FAILURE_BUSY, 0,
                        "the mount recorded at %s in container %s's own mount namespace is covered, or a directory above it is being "
                        "renamed; unmount what covers it",
                        step->target, step->container);
        default:
                return run_fail(run, FAILURE_ACCESS_DENIED, -r,
                        "the mount recorded at %s in container %s's own mount namespace cannot be reached", step->target,
                        step->container);
        }
}

static int find_inside(struct run *run, const struct step *step, struct place *ret) {
        int root, r = run_container_root(run, step->container, &root), namespace;

        if (r != 0)
                return r;
        namespace = inside_find(step->namespace);
        if (namespace < 0)
                return inside_failed(run, step, namespace);
        ret->namespace = namespace;
        r = inside_is_host(namespace);
        if (r == 0)
                r = inside_open(namespace, step->id, root);
        if (r < 0)
                return inside_failed(run, step, r);
        ret->fd = r;
        return 0;
}

static uint64_t kept(const struct run *run, const struct step *step) {
        if (run->job->caller.root)
                return 0;
        if (strcmp(step->type, "bind") == 0)
                return RESTRICTING;
        return strcmp(step->type, "overlay") == 0 ? INHERITED : GRANTED;
}

/* A recursive change, all or nothing as mount_setattr(2) has it, takes in the mount itself, which is set before, so that
 * nothing below is touched if it cannot be, and again. */
static int set_attributes(struct run *run, const struct step *step, const struct place *place) {
        uint64_t clear = step->attr_clear & ~kept(run, step), clear_below = step->attr_clear_below & ~kept(run, step);
        int r = change(place, false, step->attr_set, clear);

        if (r == 0 && (step->flags & STEP_ATTR_RECURSIVE)) {
                r = change(place, true, step->attr_set_below, clear_below);
                if (r == 0)
                        r = change(place, false, step->attr_set, clear);
        }
        if (r == -EBUSY)
                return run_fail(run, FAILURE_BUSY, -r,
                        "something is open for writing at %s, so that it cannot become read-only; close it first",
                        step->target);
        if (r < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "the attributes of the mount at %s cannot be changed",
                        step->target);
        return 0;
}

/* Where another user namespace owns the mount namespace, flags are locked as they were when the mount was made; what was set
 * now would have no lock. */
static int check_locked(struct run *run, const struct step *step, const struct place *place, uint64_t before) {
        uint64_t clear = step->attr_clear & ~kept(run, step) & ~step->attr_set;
        int r = place->namespace >= 0 ? inside_is_foreign(place->namespace) : 0;

        if (r < 0)
                return run_fail(run, FAILURE_ACCESS_DENIED, -r, "whose the mount namespace is cannot be told");
        if (r == 0 || (!(step->flags & STEP_ATTR_RECURSIVE) && !(step->attr_set & ~before) && !(clear & before)))
                return 0;
        return run_fail(run, FAILURE_NOT_SUPPORTED, 0,
                "the flags of the mount at %s are locked, because the container is in a user namespace of its own, and a flag that "
                "was set now would not be; replace the mount by one with other flags",
                step->target);
}

static int refused(struct run *run, const struct step *step, const struct fscontext *context, const char *what, int r) {
        const char *words = context->words;

        return run_fail(run, FAILURE_MOUNT_FAILED, -r, "the %s at %s does not take %s in a remount%s%s", step->type,
                step->target, what, words ? ", the kernel says: " : "", words ? words : "");
}

static int configure(struct run *run, const struct step *step, int fd) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        int r;

        if (step->n_options == 0)
                return 0;
        r = fscontext_pick(&context, fd);
        if (r < 0)
                return refused(run, step, &context, "options", r);
        for (size_t i = 0; i < step->n_options; i++) {
                r = fscontext_set(&context, step->options[i].name, step->options[i].value);
                if (r < 0)
                        return refused(run, step, &context, step->options[i].name, r);
        }
        r = fscontext_reconfigure(&context);
        return r < 0 ? refused(run, step, &context, "these options", r) : 0;
}

int hand_remount(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        struct step_result *result = &run->result->steps[i];
        _cleanup_(place_done) struct place place = {.fd = -1, .namespace = -1};
        uint64_t before;
        int r = step->namespace != 0 ? find_inside(run, step, &place) : find(run, step, &place.fd);

        if (r != 0)
                return r;
        r = identity_attributes(place.fd, &before);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at a mount");
        r = check_locked(run, step, &place, before);
        if (r != 0)
                return r;
        r = set_attributes(run, step, &place);
        if (r == 0)
                r = configure(run, step, place.fd);
        if (r != 0 && change(&place, false, before, ATTRIBUTES & ~before) < 0)
                log_warning("The attributes of %s in pod %s stay changed", step->target, run->job->uuid);
        if (r != 0)
                return r;
        r = identity_attributes(place.fd, &result->attributes);
        result->id = step->id;
        result->mount_id = step->mount_id;
        return r < 0 ? log_errno(LOG_ERR, r, "look at a mount") : 0;
}
