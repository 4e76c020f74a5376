/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_REMOUNT: the mount that is at a target, known by its id, gets other attributes and its file system other options.
 * The attributes come first: they are taken back if the file system refuses its part, which then has changed nothing. */

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "executor/run.h"
#include "executor/target.h"
#include "kernel/fscontext.h"
#include "kernel/identity.h"
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

static uint64_t kept(const struct run *run, const struct step *step) {
        if (run->job->caller.root)
                return 0;
        if (strcmp(step->type, "bind") == 0)
                return RESTRICTING;
        return strcmp(step->type, "overlay") == 0 ? INHERITED : GRANTED;
}

/* A recursive change, all or nothing as mount_setattr(2) has it, takes in the mount itself, which is set before, so that
 * nothing below is touched if it cannot be, and again. */
static int set_attributes(struct run *run, const struct step *step, int fd) {
        uint64_t clear = step->attr_clear & ~kept(run, step), clear_below = step->attr_clear_below & ~kept(run, step);
        int r = tree_set(fd, false, step->attr_set, clear, 0);

        if (r == 0 && (step->flags & STEP_ATTR_RECURSIVE)) {
                r = tree_set(fd, true, step->attr_set_below, clear_below, 0);
                if (r == 0)
                        r = tree_set(fd, false, step->attr_set, clear, 0);
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
        _cleanup_close_ int fd = -1;
        uint64_t before;
        int r = find(run, step, &fd);

        if (r != 0)
                return r;
        r = identity_attributes(fd, &before);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at a mount");
        r = set_attributes(run, step, fd);
        if (r == 0)
                r = configure(run, step, fd);
        if (r != 0 && tree_set(fd, false, before, ATTRIBUTES & ~before, 0) < 0)
                log_warning("The attributes of %s in pod %s stay changed", step->target, run->job->uuid);
        if (r != 0)
                return r;
        r = identity_attributes(fd, &result->attributes);
        result->id = step->id;
        result->mount_id = step->mount_id;
        return r < 0 ? log_errno(LOG_ERR, r, "look at a mount") : 0;
}
