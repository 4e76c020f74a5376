/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Binding the namespace to its file is what makes the pod: until then it goes with the executor's fd, and is no crash's litter. It is the
 * last of all to go: what is mounted in it could not be found again. */

#include "executor/private.h"

#include <errno.h>
#include <string.h>

#include "executor/worker.h"
#include "kernel/detach.h"
#include "kernel/own-space.h"
#include "kernel/resolve.h"
#include "kernel/space.h"
#include "kernel/tree.h"
#include "kernel/visit.h"
#include "util/log.h"
#include "util/path.h"

/* The path of a directory of the runtime directory, or with the UUID of one in that; the caller's. */
static int where(const struct run *run, const char *directory, const char *uuid, char **ret) {
        _cleanup_free_ char *runtime = NULL;
        int r = resolve_where(run->executor->runtime_fd, &runtime);

        if (r < 0)
                return r;
        if (asprintf(ret, "%s/%s%s%s", runtime, directory, *uuid ? "/" : "", uuid) < 0)
                return log_oom();
        return 0;
}

static int open_files(const struct run *run) {
        int fd = resolve_beneath(run->executor->runtime_fd, "ns", false);

        return fd < 0 ? log_errno(LOG_ERR, fd, "open ns/ in the runtime directory") : fd;
}

/* Takes the fd of the namespace over. */
static int settle(struct run *run, int namespace) {
        _cleanup_free_ char *path = NULL;
        int r;

        run->own.namespace = namespace;
        r = where(run, "pods", "", &path);
        if (r == 0)
                r = own_space_directory(namespace, path, true);
        if (r < 0)
                return r;
        run->own.pods = run->pods_fd = r;
        away_set(namespace);
        return 0;
}

/* Whether it is the end of the pod, or about nothing in its namespace. */
static bool needs_no_namespace(const struct job *job) {
        size_t n = 0;

        for (size_t i = 0; i < job->n_steps; i++) {
                if (job->steps[i].kind == STEP_REMOVE_POD)
                        return true;
                n += job->steps[i].kind == STEP_UNLINK || job->steps[i].kind == STEP_CGROUP_REMOVE || job->steps[i].kind == STEP_GC_PROGRAM;
        }
        return n == job->n_steps;
}

/* Whoever entered it may have made another directory its root: then nothing that is on record can be found. */
static bool is_lost(int r) {
        return r == -ENOENT || r == -EXDEV || r == -ELOOP || r == -ENOTDIR;
}

/* Nothing can be unmounted where nothing is found: who uses it is asked for instead. */
static int check_deserted(struct run *run, int namespace) {
        const struct job *job = run->job;
        pid_t pid = 0;
        int r;

        if (!(job->steps[job->n_steps - 1].flags & STEP_DESERTED))
                return 0;
        r = own_space_find_process(namespace, &pid);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look for processes in the mount namespace of pod %s", job->uuid);
        return r == 0 ? 0 : run_fail(run, FAILURE_BUSY, 0, "process %d lives in the mount namespace of pod %s, which has another root directory than "
                                     "podmount gave it, or could not be looked at; end that process, or collect the pod with --lazy", pid, job->uuid);
}

int private_begin(struct run *run) {
        _cleanup_close_ int files = -1, namespace = -1;
        int r;

        if (!run->job->private || (run->job->n_steps > 0 && run->job->steps[0].kind == STEP_TREE))
                return 0;
        run->pods_fd = -1;
        files = open_files(run);
        if (files < 0)
                return files;
        namespace = own_space_open(files, run->job->uuid);
        r = namespace < 0 ? 0 : check_deserted(run, namespace);
        if (r != 0) /* whoever cannot be looked for may be there */
                return r;
        r = namespace < 0 ? namespace : settle(run, TAKE_FD(namespace));
        if (r == 0 || (is_lost(r) && needs_no_namespace(run->job)))
                return 0;
        if (!is_lost(r) && r != -EINVAL && r != -EPERM) /* of fds or memory, say: the pod is well */
                return log_errno(LOG_ERR, r, "open the mount namespace of pod %s", run->job->uuid);
        if (run->own.namespace >= 0)
                return run_fail(run, FAILURE_NO_SUCH_POD, -r,
                        "the root directory of the mount namespace of pod %s is not podmount's any more; collect the pod", run->job->uuid);
        return run_fail(run, FAILURE_NO_SUCH_POD, r == -ENOENT ? 0 : -r,
                "the mount namespace of pod %s is not bound to ns/%s any more, and its mounts are gone with it or out of reach; collect the pod",
                run->job->uuid, run->job->uuid);
}

int private_make(struct run *run) {
        _cleanup_free_ char *path = NULL, *staging = NULL;
        int seed, r = where(run, "pods", run->job->uuid, &path);

        if (r == 0)
                r = where(run, "staging", "", &staging);
        if (r == 0)
                r = worker_room(&seed);
        if (r == 0)
                r = own_space_make(seed, (const char *const[]) {path, staging, NULL});
        if (r < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "making the mount namespace of pod %s failed", run->job->uuid);
        r = settle(run, r);
        return r < 0 ? log_errno(LOG_ERR, r, "open the directory of pods in the mount namespace of pod %s", run->job->uuid) : 0;
}

int private_stage(struct run *run) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int directory = -1, left = -1;
        int r = where(run, "staging", "", &path);

        if (r < 0)
                return r;
        left = own_space_directory(run->own.namespace, path, false);
        if (left >= 0)
                (void) detach_fd(left); /* of an executor that died; -EINVAL: of none */
        left = close_fd(left);
        directory = own_space_directory(run->own.namespace, path, true);
        r = directory < 0 ? directory : tree_attach(run->tree, directory, "");
        return r < 0 ? log_errno(LOG_ERR, r, "attach at staging/ in the mount namespace of pod %s", run->job->uuid) : 0;
}

int private_pin(struct run *run) {
        _cleanup_close_ int files = open_files(run), text = own_space_mountinfo(run->own.namespace);
        int r;

        if (files < 0)
                return files;
        if (text < 0)
                return log_errno(LOG_ERR, text, "open the mount table of pod %s", run->job->uuid);
        r = space_pin(run->own.namespace, files, run->job->uuid);
        if (r == -EEXIST)
                return run_fail(run, FAILURE_TARGET_IN_USE, 0,
                        "a mount namespace is bound to ns/%s already; collect it with podmountctl gc, or choose another UUID", run->job->uuid);
        if (r == -ENOSPC)
                return run_fail(run, FAILURE_QUOTA_EXCEEDED, -r,
                        "the host's mount namespace is full (sysctl fs.mount-max); collect pods that are not needed any more");
        if (r < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "binding the mount namespace of pod %s to its file failed", run->job->uuid);
        run->own.pinned = true;
        return run_answer_fd(run, TAKE_FD(text));
}

void private_undo(struct run *run) {
        if (run->own.pinned)
                (void) private_unpin(run);
        run->own.pinned = false;
}

int private_unpin(struct run *run) {
        _cleanup_close_ int files = open_files(run);
        int r = files < 0 ? files : space_unpin(files, run->job->uuid);

        return r < 0 ? log_errno(LOG_ERR, r, "take the mount namespace of pod %s from its file", run->job->uuid) : 0;
}

bool private_is_gone(const struct run *run) {
        return run->job->private && run->own.pods < 0;
}

void private_end(struct run *run) {
        if (run->own.namespace < 0)
                return;
        away_set(-1);
        run->own.namespace = close_fd(run->own.namespace);
        run->own.pods = close_fd(run->own.pods);
}
