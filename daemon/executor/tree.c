/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_TREE and STEP_PUBLISH: the tmpfs that carries a pod, built where nobody sees it and attached at once.
 * STEP_CONTAINER and STEP_JOIN: the same for one more container of a pod that lives. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "executor/points.h"
#include "executor/private.h"
#include "executor/run.h"
#include "executor/source.h"
#include "executor/staging.h"
#include "executor/volume.h"
#include "kernel/fscontext.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "kernel/tree.h"
#include "util/array.h"
#include "util/log.h"

enum { TREE_INODES = 1024 }; /* its own directories aside: the owner may not fill the kernel's memory with more */

static int make_containers(int tree, char *const *containers) {
        for (size_t i = 0; containers && containers[i]; i++) {
                _cleanup_close_ int made = resolve_make(tree, containers[i], false);

                if (made < 0)
                        return log_errno(LOG_ERR, made, "make the directory of container %s", containers[i]);
                if (mkdirat(made, "rootfs", 0755) < 0)
                        return log_errno(LOG_ERR, errno, "make the root of container %s", containers[i]);
        }
        return 0;
}

static int make_rootfs(int tree) {
        return mkdirat(tree, "rootfs", 0755) < 0 ? log_errno(LOG_ERR, errno, "make the root of a container") : 0;
}

/* Nobody sees the namespace yet, so that the tree can be at its place from the beginning. */
static int attach_alone(struct run *run) {
        _cleanup_close_ int directory = resolve_beneath(run->pods_fd, run->job->uuid, true);
        int r = directory < 0 ? directory : tree_attach(run->tree, directory, "");

        return r < 0 ? log_errno(LOG_ERR, r, "attach the tree of pod %s in its own mount namespace", run->job->uuid) : 0;
}

int hand_tree(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        const struct job *job = run->job;
        const bool alone = step->kind == STEP_CONTAINER;
        uint64_t inodes = TREE_INODES + 2 * strv_length(job->containers) + volume_count(job);
        int r;

        run->propagation = step->propagation;
        run->tree = fscontext_tmpfs(step->size, inodes, alone ? 0755 : 0700, alone ? 0 : job->owner,
                alone ? 0 : job->owner_group,
                step->attr_set | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (run->tree < 0) {
                r = run->tree;
                run->tree = -1;
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "making the tmpfs of pod %s failed", job->uuid);
        }
        r = alone ? make_rootfs(run->tree) : make_containers(run->tree, job->containers);
        if (r == 0)
                r = run_note(run, i, run->tree, NULL);
        if (r == 0 && run->job->private && !alone)
                r = private_make(run);
        if (r == 0 && !run->executor->features.detached_attach) {
                if (run->own.namespace < 0)
                        r = staging_attach(run, run->tree, "tree");
                else
                        r = alone ? private_stage(run) : attach_alone(run);
                run->staged = r == 0;
        }
        return r;
}

/* Makes pods/<uuid>. It stays root's: what its owner could put into it while nothing is mounted there, would keep it
 * from being removed. The root of the tree is the owner's. */
static int make_pod_directory(struct run *run, int *ret_fd) {
        const struct job *job = run->job;
        struct identity identity;
        int fd, r;

        if (mkdirat(run->pods_fd, job->uuid, 0700) == 0)
                run->made_pod_directory = true;
        else if (errno != EEXIST)
                return log_errno(LOG_ERR, errno, "make pods/%s", job->uuid);
        r = identity_read(run->pods_fd, job->uuid, run->executor->features.unique_id, &identity);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at pods/%s", job->uuid);
        if (identity.mount_root)
                return run_fail(run, FAILURE_TARGET_IN_USE, 0,
                        "something is mounted at pods/%s already; collect it with podmountctl gc, or choose another "
                        "UUID",
                        job->uuid);
        fd = resolve_beneath(run->pods_fd, job->uuid, true);
        if (fd < 0)
                return log_errno(LOG_ERR, fd, "open pods/%s", job->uuid);
        *ret_fd = fd;
        return 0;
}

/* Makes pods/<uuid>/<container>, on the pod's own tmpfs, in which the pod's owner may have put things, too. */
static int make_container_directory(struct run *run, size_t i, int *ret_fd) {
        const struct step *step = &run->job->steps[i];
        struct hand *hand = &run->hands[i];
        struct identity identity;
        int fd, r;

        hand->base = resolve_beneath(run->pods_fd, run->job->uuid, false);
        if (hand->base < 0) {
                r = hand->base;
                hand->base = -1;
                return log_errno(LOG_ERR, r, "open pods/%s", run->job->uuid);
        }
        r = identity_read(hand->base, "", run->executor->features.unique_id, &identity);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at pods/%s", run->job->uuid);
        if (!identity.mount_root)
                return run_fail(run, FAILURE_NO_SUCH_POD, 0, "pod %s is not mounted any more; see podmountctl show",
                        run->job->uuid);
        fd = resolve_make(hand->base, step->container, false);
        if (fd >= 0) {
                run->result->steps[i].made = 1;
                hand->rest = strdup(step->container);
        } else if (fd == -EEXIST)
                fd = resolve_beneath(hand->base, step->container, true);
        if (!hand->rest)
                hand->base = close_fd(hand->base);
        if (fd < 0)
                return run_fail(run, FAILURE_TARGET_IN_USE, -fd,
                        "the place of container %s in pod %s is taken; remove what is there, or choose another name",
                        step->container, run->job->uuid);
        *ret_fd = fd;
        r = identity_read(fd, "", run->executor->features.unique_id, &identity);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at the place of a container");
        if (identity.mount_root || !S_ISDIR(identity.mode))
                return run_fail(run, FAILURE_TARGET_IN_USE, 0, "the place of container %s in pod %s is taken",
                        step->container, run->job->uuid);
        return 0;
}

/* One call for all mounts of the tree: what most of them are to be. */
static int set_propagation(struct run *run, uint64_t propagation) {
        int r = tree_set(run->tree, true, 0, 0, propagation);

        if (r == 0)
                return 0;
        return run_fail(run, FAILURE_MOUNT_FAILED, -r, "the propagation of pod %s cannot be set", run->job->uuid);
}

/* It was attached below nothing that is shared. */
static bool is_alone(const struct run *run) {
        return run->job->private && run->job->steps[0].kind == STEP_TREE;
}

/* Those keep their masters when they are cut from peers. */
static bool has_slaves(const struct run *run) {
        for (size_t i = 0; i < run->job->n_steps; i++)
                if (run_is_slave(run, &run->job->steps[i]))
                        return true;
        return false;
}

/* Where the tree became shared or private as a whole, single mounts are set to what was asked for them. */
static int settle_all(struct run *run) {
        int r = run->propagation == MS_SHARED || is_alone(run) ? 0 : set_propagation(run, has_slaves(run) ? MS_SLAVE : MS_PRIVATE);

        for (size_t i = 0; i < run->job->n_steps && r == 0; i++)
                if (run->hands[i].mount >= 0)
                        r = run_settle(run, i);
        return r;
}

/* The tree is attached where nobody looks, and the namespace gets its file: that is the moment of the pod. */
static int publish_alone(struct run *run, size_t i) {
        int r = run->propagation == MS_SHARED ? set_propagation(run, MS_SHARED) : 0;

        if (r == 0 && !run->staged)
                r = attach_alone(run);
        if (r != 0)
                return r;
        run->published = true;
        r = points_check(run);
        if (r == 0)
                r = source_count(run, run->tree, i + 1);
        if (r == 0)
                r = settle_all(run);
        return r == 0 ? private_pin(run) : r;
}

int hand_publish(struct run *run, size_t i) {
        const bool join = run->job->steps[i].kind == STEP_JOIN;
        _cleanup_close_ int directory = -1;
        int r;

        if (!join && run->job->private)
                return publish_alone(run, i);
        r = join ? make_container_directory(run, i, &directory) : make_pod_directory(run, &directory);
        if (r == 0 && run->propagation == MS_SHARED)
                r = set_propagation(run, MS_SHARED);
        if (r != 0)
                return r;
        r = tree_attach(run->tree, directory, "");
        if (r == -ENOSPC)
                return run_fail(run, FAILURE_QUOTA_EXCEEDED, -r,
                        "the host's mount namespace is full (sysctl fs.mount-max); collect pods that are not needed "
                        "any more");
        if (r < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "attaching pod %s at its place failed", run->job->uuid);
        run->published = true;
        r = points_check(run);
        if (r == 0)
                r = source_count(run, run->tree, i + 1);
        return r != 0 ? r : settle_all(run);
}
