/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_ROOT: a container's root at <container>/rootfs: a clone of the source; under a tmpfs that takes the writes; or,
 * where a read-only root lacks mount points, over a tmpfs that has them. The source stays as it is in each case. */

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "executor/overlay.h"
#include "executor/run.h"
#include "executor/source.h"
#include "executor/staging.h"
#include "executor/target.h"
#include "kernel/detach.h"
#include "kernel/fscontext.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "kernel/submounts.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

enum { STUBS_SIZE = 1024 * 1024 };

/* A root in the making. */
struct root {
        struct run *run;
        size_t index;
        const struct step *step;
        int source; /* the hand's */
        int clone;  /* detached; it becomes the root unless an overlay does */
        bool recursive;
        int tmpfs;   /* of the stubs or the writes, or -1 */
        bool staged; /* …attached in the staging directory, for kernels that want layers attached */
};

static void root_done(struct root *root) {
        if (root->staged)
                (void) detach_fd(root->tmpfs); /* an overlay of it keeps its own clone */
        (void) close_fd(root->clone);
        (void) close_fd(root->tmpfs);
}

/* An overlay shows its layers without what is mounted below them. */
static int check_overlay(struct root *root) {
        struct submounts below;
        int r = source_check_layer(root->run, &root->step->source, root->source);

        if (r != 0 || !root->recursive)
                return r;
        r = submounts_read(root->source, root->run->executor->features.statmount, &below);
        if (r < 0 || !below.children)
                return r;
        return run_warn(root->run, "The root of container %s is an overlay of %s, without what is mounted below that.",
                root->step->container, source_name(&root->step->source));
}

static int make_tmpfs(struct root *root, uint64_t size) {
        int r;

        root->tmpfs = fscontext_tmpfs(size, 0, 0755, 0, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        if (root->tmpfs < 0) {
                r = root->tmpfs;
                return run_fail(root->run, FAILURE_MOUNT_FAILED, -r,
                        "making a tmpfs for the root of container %s failed", root->step->container);
        }
        if (root->run->executor->features.detached_layers)
                return 0;
        r = staging_attach(root->run, root->tmpfs, "layer");
        root->staged = r == 0;
        return r;
}

/* The layer of the root itself: its clone, or where layers must be attached, the source. */
static int root_layer(const struct root *root) {
        return root->run->executor->features.detached_layers ? root->clone : root->source;
}

/* upper/ gets mode and owner of the root, which they become. */
static int make_upper(struct root *root, int *ret_upper, int *ret_work) {
        struct stat status;

        if (fstat(root->source, &status) < 0)
                return log_errno(LOG_ERR, errno, "fstat a root");
        if (mkdirat(root->tmpfs, "upper", 0700) < 0 || mkdirat(root->tmpfs, "work", 0700) < 0 ||
                fchownat(root->tmpfs, "upper", status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
                fchmodat(root->tmpfs, "upper", status.st_mode & 07777, 0) < 0)
                return log_errno(LOG_ERR, errno, "make the upper directory of a root");
        *ret_upper = resolve_beneath(root->tmpfs, "upper", true);
        *ret_work = resolve_beneath(root->tmpfs, "work", true);
        if (*ret_upper < 0 || *ret_work < 0)
                return log_errno(
                        LOG_ERR, *ret_upper < 0 ? *ret_upper : *ret_work, "open the upper directory of a root");
        return 0;
}

static int over_tmpfs(struct root *root, int *ret_mount) {
        _cleanup_close_ int upper = -1, work = -1;
        int layer = root_layer(root), r = check_overlay(root);

        if (r == 0)
                r = make_tmpfs(root, root->step->size);
        if (r == 0)
                r = make_upper(root, &upper, &work);
        if (r != 0)
                return r;
        return overlay_mount(root->run, root->index,
                &(struct overlay){.layers = &layer, .n_layers = 1, .upper = upper, .work = work}, ret_mount);
}

/* Whether the mount that needs this stub is one of a file. */
static int stub_is_file(struct root *root, const char *stub, bool *ret) {
        const struct job *job = root->run->job;

        *ret = false;
        for (size_t i = root->index + 1; i < job->n_steps; i++) {
                const struct step *step = &job->steps[i];
                bool directory;
                int r;

                if (step->kind != STEP_BIND || strcmp(step->container, root->step->container) != 0 ||
                        strcmp(step->target, stub) != 0)
                        continue;
                r = source_is_directory(root->run, i, &directory);
                if (r == 0)
                        *ret = !directory;
                return r;
        }
        return 0;
}

/* Makes one missing mount point in the tmpfs, at the place that the target really has in the root. */
static int make_stub(struct root *root, const char *stub, const char *where, const char *rest) {
        _cleanup_free_ char *path = path_join(where[0] ? where : "/", rest), *missing = NULL;
        _cleanup_close_ int base = -1, made = -1;
        bool file;
        int r;

        if (!path)
                return log_oom();
        r = stub_is_file(root, stub, &file);
        if (r != 0)
                return r;
        if (root->tmpfs < 0) {
                r = make_tmpfs(root, STUBS_SIZE);
                if (r != 0)
                        return r;
        }
        r = resolve_deepest(root->tmpfs, path, &base, NULL, &missing);
        if (r == 0 && missing[0]) {
                made = resolve_make(base, missing, file);
                r = made < 0 ? made : 0;
        }
        return r < 0 ? target_failed(root->run, root->step, stub, r) : 0;
}

static int stub_one(struct root *root, const char *stub) {
        _cleanup_close_ int base = resolve_in_root(root->clone, stub);
        _cleanup_free_ char *where = NULL, *rest = NULL;
        struct identity on, own;
        bool unique = root->run->executor->features.unique_id;
        int r;

        if (base >= 0)
                return 0;
        if (base != -ENOENT)
                return target_failed(root->run, root->step, stub, base);
        r = resolve_deepest(root->clone, stub, &base, &where, &rest);
        if (r < 0)
                return r == -ENOMEM ? log_oom() : target_failed(root->run, root->step, stub, r);
        if (identity_read(base, "", unique, &on) < 0 || identity_read(root->clone, "", unique, &own) < 0 ||
                on.key != own.key)
                return target_failed(root->run, root->step, stub, -ENOENT); /* below a mount that came along */
        return make_stub(root, stub, where, rest);
}

/* The root goes on top: its directories keep their modes and owners, and what it lacks shows through from below. */
static int over_stubs(struct root *root, int *ret_mount) {
        int layers[2], r;

        for (size_t i = 0; root->step->stubs && root->step->stubs[i]; i++) {
                r = stub_one(root, root->step->stubs[i]);
                if (r != 0)
                        return r;
        }
        if (root->tmpfs < 0)
                return 0; /* nothing is missing */
        r = check_overlay(root);
        if (r != 0)
                return r;
        layers[0] = root_layer(root);
        layers[1] = root->tmpfs;
        return overlay_mount(root->run, root->index,
                &(struct overlay){.layers = layers, .n_layers = ELEMENTSOF(layers), .upper = -1, .work = -1},
                ret_mount);
}

static int root_make(struct root *root, int *ret_mount) {
        int r;

        if (root->step->flags & STEP_OVERLAY_TMPFS)
                r = over_tmpfs(root, ret_mount);
        else
                r = over_stubs(root, ret_mount);
        if (r != 0)
                return r;
        if (*ret_mount >= 0)
                return run_share(root->run, root->index, *ret_mount);
        *ret_mount = TAKE_FD(root->clone);
        return run_dress(root->run, root->index, *ret_mount, root->recursive);
}

int hand_root(struct run *run, size_t i) {
        _cleanup_(root_done) struct root root = {
                .run = run, .index = i, .step = &run->job->steps[i], .source = -1, .clone = -1, .tmpfs = -1};
        _cleanup_close_ int mount = -1;
        bool directory;
        int target, r = source_is_directory(run, i, &directory);

        if (r != 0)
                return r;
        if (!directory)
                return run_fail(run, FAILURE_NO_SUCH_SOURCE, ENOTDIR,
                        "the root of container %s, %s, is not a directory", root.step->container,
                        source_name(&root.step->source));
        root.source = run->hands[i].source;
        r = source_clone(run, i, &root.clone, &root.recursive);
        if (r == 0)
                r = root_make(&root, &mount);
        if (r == 0)
                r = run_note(run, i, mount, NULL);
        if (r == 0)
                r = run_container_root(run, root.step->container, &target);
        if (r == 0)
                r = run_attach(run, i, &mount, target);
        run_forget_root(run);
        run->hands[i].source = close_fd(run->hands[i].source);
        return r;
}
