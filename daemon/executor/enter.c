/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STEP_ENTER. Whoever may mount into a pod may do so in the namespace of a container that runs on it, and in no other: so
 * the namespace is the caller's as the kernel sees it (it made the user namespace that owns it), never the host's, and
 * its root directory is the pod's container's. A process's uid is no sign of owning the namespace that it lives in: there
 * may be others in it, with more rights.
 */

#include "executor/enter.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "executor/source.h"
#include "kernel/gift.h"
#include "kernel/inside.h"
#include "kernel/namespaces.h"
#include "kernel/space.h"
#include "kernel/submounts.h"
#include "util/array.h"
#include "util/log.h"

enum { TOLD_MAX = 4 * 1024 * 1024 }; /* bytes: a quarter of the largest message */

#define STATVFS_NOSYMFOLLOW 0x2000 /* ST_NOSYMFOLLOW of the kernel; glibc 2.36 does not name it */

static int open_namespace(struct run *run, int fd) {
        int r;

        if (space_kind(fd) == CLONE_NEWNS) {
                run->namespace = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (run->namespace < 0)
                        return log_errno(LOG_ERR, errno, "duplicate an fd of a mount namespace");
                run->namespace_root = inside_root(run->namespace);
                r = run->namespace_root;
        } else
                r = namespaces_open(fd, &run->namespace, &run->namespace_root);
        if (r == -EBADF)
                return run_fail(run, FAILURE_INVALID_ARGS, 0,
                        "%s, which names where to mount, is neither a pidfd nor a mount namespace; send one of "
                        "pidfd_open(2) or of /proc/PID/ns/mnt",
                        source_name(run, &run->at->source));
        if (r == -ESRCH)
                return run_fail(run, FAILURE_INVALID_ARGS, -r, "the process whose mount namespace is meant has ended");
        return r < 0 ? run_fail(run, FAILURE_ACCESS_DENIED, -r, "the mount namespace that is meant cannot be entered") : 0;
}

static int check_owner(struct run *run) {
        int r = inside_is_host(run->namespace);

        if (r != 0)
                return run_fail(run, FAILURE_ACCESS_DENIED, r < 0 ? -r : 0,
                        "that is the host's own mount namespace; only those of containers can be mounted in");
        r = run->job->caller.root ? 1 : space_is_owned_by(run->namespace, run->job->caller.uid);
        if (r <= 0)
                return run_fail(run, FAILURE_ACCESS_DENIED, r < 0 ? -r : 0,
                        "the mount namespace belongs to somebody else: only those of a user namespace that the caller made "
                        "can be mounted in");
        r = inside_is_foreign(run->namespace);
        if (r < 0)
                return run_fail(run, FAILURE_ACCESS_DENIED, -r, "whose the mount namespace is cannot be told");
        run->namespace_foreign = r;
        return 0;
}

/* The root directory there and the one that podmount has put in place are the same directory of the same file system. */
static int check_root(struct run *run, const struct step *step, int root) {
        struct stat ours, theirs;

        if (fstat(root, &ours) < 0 || fstat(run->namespace_root, &theirs) < 0)
                return run_fail(run, FAILURE_ACCESS_DENIED, errno, "the root directory of container %s does not answer",
                        step->container);
        if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
                return 0;
        return run_fail(run, FAILURE_ACCESS_DENIED, 0,
                "no process of container %s lives there: the root directory is another than that of the container",
                step->container);
}

int hand_enter(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        uint64_t id;
        int root, r;

        if (!run->executor->features.namespace_ids)
                return run_fail(run, FAILURE_NOT_SUPPORTED, 0,
                        "this kernel cannot tell mount namespaces by their ids (Linux 6.12 can), so nothing can be mounted in "
                        "a running container's own; mount into the pod before it starts");
        r = run_container_root(run, step->container, &root);
        if (r == 0)
                r = open_namespace(run, run->fds[step->source.fd]);
        if (r == 0)
                r = check_owner(run);
        if (r == 0)
                r = check_root(run, step, root);
        if (r != 0)
                return r;
        run_forget_root(run);
        r = inside_id(run->namespace, &id);
        if (r < 0)
                return log_errno(LOG_ERR, r, "ask for the id of a mount namespace");
        if (step->namespace != 0 && step->namespace != id)
                return run_fail(run, FAILURE_BUSY, 0, "the process has gone to another mount namespace meanwhile; try again");
        run->result->steps[i].id = id;
        return 0;
}

/* The mount of the step, if `itself`, and what hangs below it. A negative errno, not logged; -E2BIG for more than fits into a
 * result. */
static int tell(struct run *run, size_t i, int namespace, uint64_t id, bool itself) {
        struct inside_mount *mounts = NULL;
        size_t n = 0;
        int r = inside_list(namespace, id, TOLD_MAX - run->told, &mounts, &n);

        for (size_t j = itself ? 0 : 1; j < n && r == 0; j++) {
                const struct brought brought = {
                        .step = (uint32_t) i,
                        .id = mounts[j].id,
                        .mount_id = mounts[j].mount_id,
                        .attributes = mounts[j].attributes,
                        .device = mounts[j].device,
                        .path = mounts[j].path,
                        .source = mounts[j].source,
                        .type = mounts[j].type,
                };

                run->told += inside_mount_bytes(&mounts[j]);
                r = brought_append(run->result, &brought);
        }
        inside_mounts_free(mounts, n);
        return r;
}

static int too_many(struct run *run) {
        return run_fail(run, FAILURE_QUOTA_EXCEEDED, 0,
                "too many mounts, or with too long paths, lie on a mount in a container's own mount namespace: more than %d MiB of them; "
                "unmount some",
                TOLD_MAX >> 20);
}

int hand_seek(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        int r = inside_look(step->namespace, step->id);

        if (r == INSIDE_THERE && (step->flags & STEP_RECURSIVE)) {
                _cleanup_close_ int namespace = inside_find(step->namespace);

                r = namespace < 0 ? namespace : tell(run, i, namespace, step->id, true);
                if (r == -ENOENT)
                        r = namespace < 0 ? INSIDE_GONE : INSIDE_MISSING; /* it went meanwhile */
        }
        if (r == -E2BIG)
                return too_many(run);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look for a mount in another mount namespace");
        run->result->steps[i].attributes = r == INSIDE_THERE ? SEEK_THERE : r == INSIDE_MISSING ? SEEK_MISSING : SEEK_GONE;
        return 0;
}

static int lock_failed(struct run *run, const struct step *step, int r, const char *why) {
        return run_fail(run, FAILURE_ACCESS_DENIED, r < 0 ? -r : 0,
                "the flags of the mount at %s cannot be locked, and the container's root could clear them%s", step->target, why);
}

int enter_lock(struct run *run, size_t i, int *mount) {
        const struct step *step = &run->job->steps[i];
        struct submounts below = {};
        struct statvfs status;
        struct stat file;
        int source = run->hands[i].source, locked, r = 0;

        if (run->namespace < 0 || !run->namespace_foreign)
                return 0;
        if (fstatvfs(*mount, &status) < 0)
                return lock_failed(run, step, -errno, "");
        if (source >= 0 && (step->flags & STEP_RECURSIVE) && fstat(source, &file) == 0 && S_ISDIR(file.st_mode))
                r = submounts_read(source, run->executor->features.statmount, &below);
        if (r < 0)
                return r;
        if ((status.f_flag & STATVFS_NOSYMFOLLOW) || below.nosymfollow)
                return lock_failed(run, step, 0, ": nosymfollow has no lock; leave it out");
        locked = gift_lock(*mount);
        if (locked < 0)
                return lock_failed(run, step, locked, locked == -EPERM ? " (is there an unbindable mount, or are user namespaces off?)" : "");
        (void) close_fd(*mount);
        *mount = locked;
        return 0;
}

static int attach_failed(struct run *run, const struct step *step, int r) {
        switch (-r) {
        case EREMOTE:
                return run_fail(run, FAILURE_INVALID_TARGET, 0,
                        "what is mounted at %s in the container's mount namespace appears on the host, too, which shares that "
                        "place; mount it into the pod itself, without naming a process or namespace",
                        step->target);
        case EINVAL:
                return run_fail(run, FAILURE_INVALID_TARGET, -r,
                        "target %s is on no mount of the namespace that was named, or has left it meanwhile", step->target);
        case ENOSPC:
                return run_fail(run, FAILURE_QUOTA_EXCEEDED, -r,
                        "the container's mount namespace is full (sysctl fs.mount-max)");
        case ENOENT:
                return run_fail(run, FAILURE_INVALID_TARGET, -r, "target %s was removed meanwhile; try again", step->target);
        default:
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "attaching the mount at %s in the container's mount namespace failed",
                        step->target);
        }
}

int enter_attach(struct run *run, size_t i, int mount, int target) {
        int r = inside_attach(run->namespace, mount, target);

        return r < 0 ? attach_failed(run, &run->job->steps[i], r) : 0;
}

int enter_tell_brought(struct run *run, size_t i) {
        int r;

        if (run->job->steps[i].flags & STEP_BENEATH)
                return 0; /* it is there for good, and looked at next */
        r = tell(run, i, run->namespace, run->result->steps[i].id, false);
        if (r == -E2BIG)
                return too_many(run);
        return r < 0 ? log_errno(LOG_ERR, r, "look at what came along with a recursive bind") : 0;
}

/* As replace() of mounting.c: once the new mount is there, nothing fails any more. */
int enter_replace(struct run *run, size_t i, int *mount, int target) {
        const struct step *step = &run->job->steps[i];
        bool attached, deep = step->flags & STEP_PROPAGATION_RECURSIVE;
        int r = inside_replace(run->namespace, *mount, target, &attached);

        if (!attached)
                return attach_failed(run, step, r);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "detach the mount that was replaced at %s", step->target);
        r = step->propagation != MS_SHARED ? enter_propagate(run, *mount, deep, MS_PRIVATE) : 0;
        if (r == 0 && step->propagation != MS_PRIVATE)
                r = enter_propagate(run, *mount, deep, step->propagation);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "set the propagation of the new mount at %s", step->target);
        *mount = close_fd(*mount);
        return 0;
}

int enter_propagate(struct run *run, int mount, bool recursive, uint64_t propagation) {
        return inside_propagate(run->namespace, mount, recursive, propagation);
}

int enter_detach(struct run *run, int mount) {
        return inside_detach(run->namespace, mount);
}

/* A namespace that is gone has taken its mounts along, and what is gone is what was wanted. */
int hand_withdraw(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int namespace = inside_find(step->namespace);
        int r;

        run_forget_root(run); /* what an unmount has entered before is left by the visit */
        run->result->steps[i].attributes = SEEK_MISSING;
        if (namespace == -ENOENT)
                return 0;
        if (namespace < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -namespace, "the mount namespace of a container cannot be found again");
        r = inside_is_host(namespace);
        if (r != 0) /* no mount of a pod was ever recorded there */
                return run_fail(run, FAILURE_ACCESS_DENIED, r < 0 ? -r : 0, "that is the host's own mount namespace; nothing is unmounted there");
        r = inside_unmount(namespace, step->id, step->flags & STEP_LAZY_BELOW);
        /* What is locked to it is detached with it, used or not: it cannot be unmounted before. */
        if (r == -EBUSY && (step->flags & STEP_RECURSIVE) && inside_is_foreign(namespace) > 0)
                r = inside_unmount(namespace, step->id, true);
        switch (-r) {
        case 0:
        case ENOENT:
                return 0;
        case EINVAL:
                if (step->flags & STEP_OPTIONAL) {
                        run->result->steps[i].attributes = SEEK_THERE;
                        return 0;
                }
                return run_fail(run, FAILURE_INVALID_TARGET, -r,
                        "a mount in a container's own mount namespace is locked to the one that it came along with; unmount that");
        case EBUSY:
                return run_fail(run, FAILURE_BUSY, -r,
                        "a mount in a container's own mount namespace is in use; stop what uses it, or unmount lazily");
        case ESTALE:
                return run_fail(run, FAILURE_BUSY, 0,
                        "a mount in a container's own mount namespace is covered by another, or a directory above it is being "
                        "renamed; unmount what covers it, or end the container");
        default:
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "unmounting in a container's own mount namespace failed");
        }
}
