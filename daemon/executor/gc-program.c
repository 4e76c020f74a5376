/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_GC_PROGRAM: what the program gets to see of the pod, and who it is. That the pod is that user's says its directory, which
 * an executor made. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "executor/gc-run.h"
#include "executor/run.h"
#include "kernel/resolve.h"
#include "kernel/tree.h"
#include "kernel/userns.h"
#include "util/log.h"

/* Nothing that happens to the clone reaches the pod, and nothing of the pod waits for it. */
static int clone_pod(struct run *run, int pod, int *ret) {
        _cleanup_close_ int mount = tree_clone(pod, true);
        int r = mount < 0 ? mount : tree_set(mount, true, MOUNT_ATTR_NOSUID, 0, MS_PRIVATE);

        if (r < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "the pod cannot be cloned for it");
        *ret = TAKE_FD(mount);
        return 0;
}

static int start(struct run *run, const struct step *step, int pod) {
        static const char all[] = "0 0 4294967295\n";
        const bool on_host = step->flags & (STEP_GC_LISTED | STEP_GC_REGISTRY);
        _cleanup_close_ int userns = userns_make(all, all), clone = -1;
        _cleanup_free_ char *root = NULL;
        struct gc_run gc = {
                .path = step->target,
                .uuid = run->job->uuid,
                .pod = pod,
                .userns = userns,
                .debug = step->flags & STEP_GC_DEBUG,
                .caller = &run->job->caller,
                .timeout_us = run->executor->grants->gc_timeout_us,
        };
        int channel, r;

        if (userns < 0 && !on_host) /* it might reach processes of its user's by a /proc that the pod has */
                return run_fail(run, FAILURE_NOT_SUPPORTED, -userns, "no user namespace can be made for the gc program %s", step->target);
        if (userns < 0) { /* without one its processes are counted with all others of its user's */
                (void) log_errno(LOG_DEBUG, userns, "make a user namespace for a gc program");
                gc.userns = userns = -1;
        }
        if (!on_host) {
                r = clone_pod(run, pod, &clone);
                if (r != 0)
                        return r;
                if (asprintf(&root, "%s/rootfs", step->container) < 0) {
                        root = NULL;
                        return log_oom();
                }
                gc.root = root;
                gc.pod = clone;
        }
        r = gc_run_start(&gc, &channel);
        return r < 0 ? r : run_answer_fd(run, channel);
}

int hand_gc_program(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int pod = resolve_beneath(run->pods_fd, run->job->uuid, false);
        struct stat status;
        int root, r;

        if (pod < 0) {
                r = pod;
                pod = -1;
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "the pod is not where podmount put it");
        }
        if (fstat(pod, &status) < 0)
                return log_errno(LOG_ERR, errno, "look at a pod's directory");
        if (!(step->flags & STEP_GC_REGISTRY) && status.st_uid != run->job->caller.uid)
                return run_fail(run, FAILURE_MOUNT_FAILED, 0, "the pod's directory is not its owner's");
        r = step->flags & (STEP_GC_LISTED | STEP_GC_REGISTRY) ? 0 : run_container_root(run, step->container, &root);
        return r != 0 ? r : start(run, step, pod);
}
