/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps what is being unmounted until all of it is, and mounts it again otherwise. The clone of a mount is in its peer
 * group and has its attributes; a mount point that was made for it stays until the end, so that there is a place to go
 * back to. */

#include "executor/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

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
        base = resolve_beneath(run->executor->pods_fd, path, false);
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

int restore_keep(struct run *run, size_t i, const char *name) {
        _cleanup_close_ int fd = openat(AT_FDCWD, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        int clone;

        if (fd < 0)
                return log_errno(LOG_ERR, errno, "open a mount that is to be kept");
        clone = tree_clone(fd, false);
        if (clone < 0) /* an unbindable one: then it cannot be brought back */
                (void) log_errno(LOG_WARNING, clone, "keep a mount of pod %s while it goes", run->job->uuid);
        else
                run->hands[i].mount = clone;
        return keep_base(run, i);
}

static int open_in_pod(struct run *run, const struct step *step, int *ret_fd) {
        _cleanup_free_ char *path = NULL;
        int fd;

        if (asprintf(&path, "%s/%s", run->job->uuid, step->target) < 0) {
                path = NULL;
                return log_oom();
        }
        fd = resolve_beneath(run->executor->pods_fd, path, false);
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

/* Mounts it where it was; the result says under which id. */
static void mount_again(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        const bool host = step->flags & STEP_HOST;
        const int mount = run->hands[i].mount;
        _cleanup_close_ int target = -1;
        int r = host ? open_on_host(run, i, &target) : open_in_pod(run, step, &target);

        if (r == 0)
                r = run_note(run, i, mount, NULL);
        if (r == 0)
                r = tree_attach(mount, target, "");
        if (r == 0 && host)
                r = settle_on_host(run, i, mount);
        if (r < 0)
                (void) log_errno(LOG_ERR, r, "mount %s again, step %zu of job %" PRIu64, step->target, i, run->job->id);
        else if (r > 0)
                log_error("A mount of pod %s is not mounted again: %s", run->job->uuid, run->failure.text ?: "");
}

/* The job keeps the failure for which all this is done. */
static void mount_again_aside(struct run *run, size_t i) {
        struct failure kept = FAILURE_INIT;
        const int error = run->error;

        failure_move(&kept, &run->failure);
        mount_again(run, i);
        failure_move(&run->failure, &kept);
        run->error = error;
}

void restore_end(struct run *run, bool success) {
        run_forget_root(run);
        detach_leave();
        for (size_t i = run->job->n_steps; i > 0; i--) {
                struct hand *hand = &run->hands[i - 1];
                bool gone = run->result->steps[i - 1].done;

                if (!(run->job->steps[i - 1].flags & STEP_RESTORE))
                        continue;
                if (!success && gone && hand->mount >= 0)
                        mount_again_aside(run, i - 1);
                if (!success)
                        run->result->steps[i - 1].done = false;
                hand->mount = close_fd(hand->mount);
        }
        for (size_t i = 0; success && i < run->job->n_steps; i++)
                if (run->hands[i].base >= 0)
                        (void) resolve_unmake(run->hands[i].base, run->hands[i].rest, run->hands[i].file);
}
