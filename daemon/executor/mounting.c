/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every mount goes through between its making and its place: identity, attributes, propagation, attachment. */

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "executor/enter.h"
#include "executor/filesystem.h"
#include "executor/host.h"
#include "executor/run.h"
#include "executor/source.h"
#include "executor/target.h"
#include "executor/volume.h"
#include "kernel/detach.h"
#include "kernel/fscontext.h"
#include "kernel/identity.h"
#include "kernel/tree.h"
#include "spec/option.h"
#include "util/log.h"

/* What whoever is not root can never take off a mount that has it. */
#define RESTRICTING                                                                                                    \
        (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW)

uint64_t run_key(const struct run *run, size_t step) {
        const struct step_result *result = &run->result->steps[step];

        return result->id ? result->id : result->mount_id;
}

/* What statvfs(3) would show of attributes that a new mount was given. */
static uint64_t shown_attributes(uint64_t attributes) {
        return attributes & (RESTRICTING | MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_NODIRATIME);
}

/* Of what a client's process serves, the attributes are what they were made; it is not asked. */
static int read_attributes(struct run *run, const struct step *step, int mount, bool served, uint64_t inherited, uint64_t *ret) {
        if (!served)
                return identity_attributes(mount, ret);
        *ret = shown_attributes(run_attributes(run, step, inherited));
        return 0;
}

int run_note(struct run *run, size_t i, int mount, bool *ret_directory) {
        const struct step *step = &run->job->steps[i];
        struct step_result *result = &run->result->steps[i];
        bool unique = run->executor->features.unique_id;
        struct identity identity;
        uint64_t inherited = 0;
        int r = identity_read(mount, "", unique, &identity), served = 0;

        if (r == 0 && unique)
                r = identity_mount_id(mount, &result->mount_id);
        if (r == 0)
                served = server_is_one(step) ? 1 : step->kind == STEP_BIND ? volume_is_served(run, &step->source, &inherited) : 0;
        if (r == 0)
                r = served < 0 ? served : read_attributes(run, step, mount, served, inherited, &result->attributes);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at a new mount");
        if (ret_directory) /* root is not told what a FUSE of another user is: hardly a file */
                *ret_directory = S_ISDIR(identity.mode) || (served > 0 && identity.mode == 0);
        result->device = identity.device;
        if (unique)
                result->id = identity.key;
        else
                result->mount_id = (uint32_t) identity.key;
        r = intent_add(run->executor->intent, (uint32_t) i, result->id, result->mount_id);
        return r < 0 ? log_errno(LOG_ERR, r, "write the intent file") : 0;
}

/* nosuid and nodev for everyone but root. devpts keeps its devices: it has no others than terminals. */
static uint64_t forced(const struct run *run, const struct step *step) {
        bool terminals = step->kind == STEP_FILESYSTEM && strcmp(step->type, "devpts") == 0;

        if (run->job->caller.root)
                return 0;
        return terminals ? MOUNT_ATTR_NOSUID : MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
}

static uint64_t clearable(const struct run *run, uint64_t clear) {
        return run->job->caller.root ? clear : clear & ~RESTRICTING;
}

uint64_t run_attributes(struct run *run, const struct step *step, uint64_t inherited) {
        uint64_t set = step->attr_set | forced(run, step), clear = clearable(run, step->attr_clear);

        if ((set | clear) & MOUNT_ATTR__ATIME)
                clear |= MOUNT_ATTR__ATIME;
        return (inherited & ~clear) | set;
}

static int dress_failed(struct run *run, const struct step *step, int r) {
        if (r == -EINVAL && step->source.kind == STEP_SOURCE_FD)
                return run_fail(run, FAILURE_SOURCE_DENIED, -r,
                        "%s, given as source of %s, is on no mount of the host's mount namespace, nor the root of a "
                        "detached mount; open it there, or send the fd of open_tree(2) with OPEN_TREE_CLONE",
                        source_name(run, &step->source), step->target);
        return run_fail(run, FAILURE_MOUNT_FAILED, -r, "the attributes of the mount at %s cannot be set", step->target);
}

bool run_is_slave(const struct run *run, const struct step *step) {
        return run->job->private && step->kind == STEP_BIND && !(step->flags & STEP_HOST) && step->propagation == MS_SLAVE;
}

int run_dress(struct run *run, size_t i, int mount, bool recursive) {
        const struct step *step = &run->job->steps[i];
        uint64_t set = step->attr_set | forced(run, step), clear = clearable(run, step->attr_clear);
        uint64_t set_below = step->attr_set_below | forced(run, step),
                 clear_below = clearable(run, step->attr_clear_below);
        const uint64_t cut = run_is_slave(run, step) ? MS_SLAVE : MS_PRIVATE;
        int r;

        /* One call where the attributes reach as far as the cut from the peer groups does. Otherwise the mount itself
         * is set again after those below it: an option for it alone names each bit that it overrides. */
        if (!recursive || (set == set_below && clear == clear_below))
                r = tree_set(mount, recursive, set, clear, cut);
        else {
                r = tree_set(mount, true, set_below, clear_below, cut);
                if (r == 0)
                        r = tree_set(mount, false, set, clear, 0);
        }
        return r < 0 ? dress_failed(run, step, r) : run_share(run, i, mount);
}

int run_share(struct run *run, size_t i, int mount) {
        const struct step *step = &run->job->steps[i];
        int r;

        /* A tree of ours is shared as a whole when it is published, and private until then. */
        if (run_is_in_tree(run, step))
                return 0;
        /* slave: of nobody, since it is cut from all peers. unbindable: not attachable to a shared mount, see
         * run_settle(). */
        if (step->propagation != MS_SHARED)
                return 0;
        r = tree_set(mount, step->flags & STEP_PROPAGATION_RECURSIVE, 0, 0, MS_SHARED);
        return r < 0 ? dress_failed(run, step, r) : 0;
}

static int propagate(struct run *run, int mount, bool deep, uint64_t propagation) {
        return run->namespace >= 0 ? enter_propagate(run, mount, deep, propagation) : tree_set(mount, deep, 0, 0, propagation);
}

int run_settle(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        bool deep = step->flags & STEP_PROPAGATION_RECURSIVE;
        int mount = run->hands[i].mount, r = 0;

        if (step->propagation != MS_SHARED && !run_is_slave(run, step))
                r = propagate(run, mount, deep, MS_PRIVATE);
        if (r == 0 && step->propagation != MS_PRIVATE)
                r = propagate(run, mount, deep, step->propagation);
        if (r < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "the propagation of the mount at %s cannot be set",
                        step->target);
        return 0;
}

int run_check_labels(struct run *run, const struct step *step) {
        for (size_t i = 0; i < step->n_options; i++) {
                const struct option_row *row = option_find(step->options[i].name);

                if (row && row->kind == OPTION_LABEL && !fscontext_has("selinuxfs"))
                        return run_fail(run, FAILURE_NOT_SUPPORTED, 0,
                                "option %s of %s is a label, and this kernel has no SELinux; leave it out",
                                step->options[i].name, step->target);
        }
        return 0;
}

static int attach_failed(struct run *run, const struct step *step, int r) {
        switch (-r) {
        case ENOSPC:
                return run_fail(run, FAILURE_QUOTA_EXCEEDED, -r,
                        "the host's mount namespace is full (sysctl fs.mount-max); collect pods that are not needed "
                        "any more");
        case ENOENT: /* on a root that others write to, too, by another pod's end, say: that passes */
                return run_fail(run,
                        run->tree >= 0 && step->create == STEP_CREATE_AS_CALLER ? FAILURE_BUSY : FAILURE_INVALID_TARGET, -r,
                        "target %s was removed meanwhile; try again", step->target);
        case ELOOP: /* it binds those alone whose number is above that of the namespace that they are bound in */
                return run_fail(run, FAILURE_NOT_SUPPORTED, -r,
                        "the kernel does not bind the mount namespace for %s here: it might keep itself alive, being no younger than "
                        "podmountd's; bind one that was made later",
                        step->target);
        default:
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "attaching the mount at %s failed", step->target);
        }
}

/* Whether the fd of a mount that was attached is still needed: for the undo, or because its propagation has to be set
 * once the tree is published. */
static bool keep(const struct run *run, const struct step *step) {
        return !run_is_in_tree(run, step) || step->propagation != run->propagation;
}

static int beneath_failed(struct run *run, const struct step *step, int r) {
        if (r == -EINVAL)
                return run_fail(run, FAILURE_BUSY, -r,
                        "the mount at %s has no place for another beneath it: something propagates into it, or it is "
                        "gone; unmount it and mount anew",
                        step->target);
        return attach_failed(run, step, r);
}

/* The new mount comes beneath the old one, and then the old one goes: at every moment one of both is there. There is no
 * way back from the first of these calls: what is beneath cannot be taken away from under another. So nothing fails any
 * more; the front sees in the table what was left undone. */
static int replace(struct run *run, size_t i, int *mount, int target) {
        const struct step *step = &run->job->steps[i];
        bool deep = step->flags & STEP_PROPAGATION_RECURSIVE;
        int r = tree_attach_beneath(*mount, target);

        if (r < 0)
                return beneath_failed(run, step, r);
        /* While the new one is shared if what it lies on is: so the old one goes from all copies, too. */
        r = detach_fd(target);
        if (r < 0 && r != -EINVAL)
                (void) log_errno(LOG_WARNING, r, "detach the mount that was replaced at %s", step->target);
        r = step->propagation != MS_SHARED ? tree_set(*mount, deep, 0, 0, MS_PRIVATE) : 0;
        if (r == 0 && step->propagation != MS_PRIVATE)
                r = tree_set(*mount, deep, 0, 0, step->propagation);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "set the propagation of the new mount at %s", step->target);
        *mount = close_fd(*mount);
        return 0;
}

int run_attach(struct run *run, size_t i, int *mount, int target) {
        const struct step *step = &run->job->steps[i];
        struct hand *hand = &run->hands[i];
        int r;

        if (step->flags & STEP_BENEATH)
                return run->namespace >= 0 ? enter_replace(run, i, mount, target) : replace(run, i, mount, target);
        if (run->namespace >= 0)
                r = enter_attach(run, i, *mount, target);
        else {
                r = tree_attach(*mount, target, "");
                if (r < 0)
                        r = attach_failed(run, step, r);
        }
        if (r != 0)
                return r;
        hand->placed = true;
        if (!keep(run, step)) {
                *mount = close_fd(*mount);
                return 0;
        }
        hand->mount = TAKE_FD(*mount);
        hand->attached = !run_is_in_tree(run, step);
        if (step->flags & STEP_HOST) {
                r = host_check_place(run, i, hand->mount);
                if (r != 0)
                        return r;
        }
        /* In a tree of ours everything that is not shared is settled when it is published. */
        return hand->attached && step->propagation != MS_SHARED ? run_settle(run, i) : 0;
}

int run_place(struct run *run, size_t i, int *mount) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int target = -1;
        int r = enter_lock(run, i, mount);

        if (r == 0)
                r = run_share(run, i, *mount);
        if (r == 0)
                r = run_note(run, i, *mount, NULL);
        if (r == 0)
                r = target_open(run, i, server_is_file(step), &target);
        return r == 0 ? run_attach(run, i, mount, target) : r;
}
