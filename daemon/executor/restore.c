/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps what is being unmounted until all of it is, and mounts it again otherwise. A mount point that was made for it stays
 * until the end, so that there is a place to go back to.
 *
 * A mount comes back from one of two clones. That of the whole tree is made once a job, before the first mount goes, and costs
 * next to nothing. It is cut from the peer groups of the mounts: as a peer of theirs it would lose each mount with them. That of
 * the mount alone, made just before it goes, stays in its peer group and has it as no other can: a mount that is hidden, or a
 * slave. It costs as much as unmounting does, for the kernel waits twice for all processors. */

#include "executor/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "executor/host.h"
#include "kernel/detach.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "kernel/tree.h"
#include "util/log.h"

/* The directory below which `made` components of the target were made, seen through a clone that keeps nothing busy. */
static int keep_base(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        struct hand *hand = &run->hands[i];
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int base = -1;
        char *rest;
        int clone;

        if (step->made == 0 || step->made > resolve_count(step->target))
                return 0;
        if (asprintf(&path, "%s/%s", run->job->uuid, step->target) < 0) {
                path = NULL;
                return log_oom();
        }
        rest = path + strlen(path);
        for (uint32_t n = 0; n < step->made; n++)
                do
                        rest--;
                while (*rest != '/');
        *rest++ = 0;
        base = resolve_beneath(run->pods_fd, path, false);
        clone = base >= 0 ? tree_clone(base, false) : base;
        if (clone < 0) {
                (void) log_errno(LOG_WARNING, clone, "keep the place of a mount point that was made: it stays");
                return 0;
        }
        hand->base = clone;
        hand->file = step->made_file;
        hand->rest = strdup(rest);
        return hand->rest ? 0 : log_oom();
}

bool restore_keep_tree(struct run *run) {
        _cleanup_close_ int top = -1, clone = -1;
        int r;

        if (run->kept >= 0 || run->kept_none)
                return run->kept >= 0;
        run->kept_none = true;
        if (!run->executor->features.detached_clone) /* then nothing can be had of a detached tree */
                return false;
        top = resolve_beneath(run->pods_fd, run->job->uuid, false);
        clone = top >= 0 ? tree_clone(top, true) : top;
        r = clone >= 0 ? tree_set(clone, true, 0, 0, MS_PRIVATE) : clone;
        if (r < 0) {
                (void) log_errno(LOG_DEBUG, r, "keep the tree of pod %s while it goes", run->job->uuid);
                return false;
        }
        run->kept = TAKE_FD(clone);
        return true;
}

/* An unbindable mount is another one for as long as it is cloned. */
static int clone_unbindable(int fd) {
        int clone, r = tree_set(fd, false, 0, 0, MS_PRIVATE);

        if (r < 0)
                return r;
        clone = tree_clone(fd, false);
        r = tree_set(fd, false, 0, 0, MS_UNBINDABLE);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "make a mount unbindable again");
        return clone;
}

/* A mount namespace's file is never cloned, mount_namespaces(7): nor is anything lost with it that its maker could not bind again. */
static bool is_namespace(int fd) {
        struct statfs status;

        return fstatfs(fd, &status) == 0 && status.f_type == NSFS_MAGIC;
}

static int keep_alone(struct run *run, size_t i, const char *name) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int fd = openat(AT_FDCWD, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        int clone;

        if (fd < 0)
                return log_errno(LOG_ERR, errno, "open a mount that is to be kept");
        clone = tree_clone(fd, false);
        if (clone == -EINVAL) /* the record may say something else of it than whoever made it so */
                clone = clone_unbindable(fd);
        if (clone < 0 && !is_namespace(fd))
                return run_fail(run, FAILURE_MOUNT_FAILED, -clone,
                        "%s cannot be kept while the rest goes, and would be lost if something is in use; collect lazily", step->target);
        run->hands[i].mount = clone < 0 ? -1 : clone;
        return 0;
}

void restore_note(struct run *run, size_t i, const struct identity *identity) {
        run->hands[i].inode = identity->inode;
        run->hands[i].kept = true;
        run->result->steps[i].device = identity->device;
}

int restore_keep(struct run *run, size_t i, const char *name, const struct identity *identity) {
        int r = 0;

        restore_note(run, i, identity);
        if (!(run->job->steps[i].flags & STEP_OF_TREE) || !restore_keep_tree(run))
                r = keep_alone(run, i, name);
        if (r == 0)
                r = keep_base(run, i);
        run->hands[i].kept = r == 0;
        return r;
}

static int open_in_pod(struct run *run, const struct step *step, int *ret_fd) {
        _cleanup_free_ char *path = NULL;
        int fd;

        if (asprintf(&path, "%s/%s", run->job->uuid, step->target) < 0) {
                path = NULL;
                return log_oom();
        }
        fd = resolve_beneath(run->pods_fd, path, false);
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        return 0;
}

static int open_on_host(struct run *run, size_t i, int *ret_fd) {
        struct identity identity;
        int r = identity_read(run->hands[i].mount, "", run->executor->features.unique_id, &identity);

        return r < 0 ? r : host_open_target(run, i, !S_ISDIR(identity.mode), ret_fd);
}

static int settle_on_host(struct run *run, size_t i, int mount) {
        int r = host_check_place(run, i, mount);

        if (r == 0) /* what it lies on may have made it shared */
                return tree_set(mount, false, 0, 0, MS_PRIVATE);
        (void) detach_fd(mount); /* -EINVAL: somebody else unmounted it already */
        run->result->steps[i].id = 0;
        run->result->steps[i].mount_id = 0;
        return r;
}

/* The mount in the clone of the tree, cloned once more: it cannot be moved out of there. */
static int clone_of_tree(struct run *run, size_t i) {
        _cleanup_close_ int fd = resolve_beneath(run->kept, run->job->steps[i].target, false);
        struct identity identity;
        int r = fd < 0 ? fd : identity_read(fd, "", run->executor->features.unique_id, &identity);

        if (r < 0)
                return r;
        /* Something else was mounted or renamed there while the tree was cloned. */
        if (!identity.mount_root || identity.device != run->result->steps[i].device || identity.inode != run->hands[i].inode)
                return -ESTALE;
        return tree_clone(fd, false);
}

/* Its ids, before it is attached. A file system that does not answer is asked for nothing. */
static int note_again(struct run *run, size_t i, int mount) {
        const bool unique = run->executor->features.unique_id;
        struct step_result *result = &run->result->steps[i];
        struct identity identity;
        uint32_t mount_id = 0;
        int r = identity_read(mount, "", unique, &identity);

        if (r == 0 && unique)
                r = identity_mount_id(mount, &mount_id);
        if (r < 0)
                return r;
        result->id = unique ? identity.key : 0;
        result->mount_id = unique ? mount_id : (uint32_t) identity.key;
        r = intent_add(run->executor->intent, (uint32_t) i, result->id, result->mount_id);
        if (r < 0) /* a crash meanwhile would leave drift: less than what is lost without it */
                (void) log_errno(LOG_WARNING, r, "note what is mounted again");
        return 0;
}

/* What it lies on may have made it shared, or have left it private. */
static int settle_in_pod(const struct step *step, int mount) {
        int r = step->propagation != 0 && step->propagation != MS_SHARED ? tree_set(mount, false, 0, 0, MS_PRIVATE) : 0;

        return r < 0 || step->propagation == MS_PRIVATE ? r : tree_set(mount, false, 0, 0, step->propagation);
}

/* Mounts it where it was; the result says under which id. */
static int mount_again(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        const bool host = step->flags & STEP_HOST;
        _cleanup_close_ int target = -1;
        struct hand *hand = &run->hands[i];
        int r;

        if (hand->mount < 0 && (step->flags & STEP_OF_TREE) && run->kept >= 0)
                hand->mount = clone_of_tree(run, i);
        if (hand->mount < 0)
                return hand->mount == -1 ? -ENOENT : hand->mount;
        r = host ? open_on_host(run, i, &target) : open_in_pod(run, step, &target);
        if (r == 0)
                r = note_again(run, i, hand->mount);
        if (r == 0)
                r = tree_attach(hand->mount, target, "");
        if (r != 0) {
                run->result->steps[i].id = 0;
                run->result->steps[i].mount_id = 0;
                return r;
        }
        return host ? settle_on_host(run, i, hand->mount) : settle_in_pod(step, hand->mount);
}

/* The job keeps the failure for which all this is done. Whether it is there again. */
static bool mount_again_aside(struct run *run, size_t i) {
        struct failure kept = FAILURE_INIT;
        const int error = run->error;
        int r;

        failure_move(&kept, &run->failure);
        r = mount_again(run, i);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "mount %s again, step %zu of job %" PRIu64, run->job->steps[i].target, i, run->job->id);
        else if (r > 0)
                log_error("A mount of pod %s is not mounted again: %s", run->job->uuid, run->failure.text ?: "");
        failure_clear(&run->failure);
        failure_move(&run->failure, &kept);
        run->error = error;
        return r == 0;
}

/* What the caller is told beside what was busy. */
static void tell_missing(struct run *run, size_t n, const char *target) {
        _cleanup_free_ char *text = TAKE_PTR(run->failure.text);
        const enum failure_kind kind = run->failure.kind;
        const int error = run->error;

        failure_clear(&run->failure);
        (void) run_fail(run, kind, 0, "%s; and %zu of the mounts that had gone by then could not be mounted again, the first "
                        "of them at %s: they show as missing, and podmountctl repair makes them anew", text ?: "the pod stays", n, target);
        run->error = error;
}

void restore_end(struct run *run, bool success) {
        const char *first = NULL;
        size_t n_missing = 0;

        run_forget_root(run);
        detach_leave();
        for (size_t i = run->job->n_steps; i > 0; i--) {
                struct hand *hand = &run->hands[i - 1];
                bool gone = hand->kept && run->result->steps[i - 1].done;

                if (!(run->job->steps[i - 1].flags & STEP_RESTORE))
                        continue;
                if (!success && gone && !mount_again_aside(run, i - 1)) {
                        first = first ?: run->job->steps[i - 1].target;
                        n_missing++;
                }
                if (!success)
                        run->result->steps[i - 1].done = false;
                hand->mount = close_fd(hand->mount);
        }
        run->kept = close_fd(run->kept);
        if (n_missing > 0 && run->failure.kind != FAILURE_NONE)
                tell_missing(run, n_missing, first);
        for (size_t i = 0; success && i < run->job->n_steps; i++)
                if (run->hands[i].base >= 0)
                        run_unmake(run->hands[i].base, run->hands[i].rest, run->hands[i].file);
}
