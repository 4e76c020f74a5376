/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clones that an overlay goes over, so that the source stays as it is: a tmpfs takes the writes, or, where a read-only
 * clone lacks mount points, a tmpfs below it has them. A single file cannot be a layer: it is copied into a tmpfs. */

#include "executor/layered.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "executor/overlay.h"
#include "executor/source.h"
#include "executor/staging.h"
#include "executor/target.h"
#include "kernel/fscontext.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "kernel/submounts.h"
#include "kernel/tree.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

#define INHERITED (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW)

enum { STUBS_SIZE = 1024 * 1024 };


void layered_done(struct layered *on) {
        if (on->staged)
                staging_leave(on->tmpfs); /* an overlay of it keeps its own clone */
        if (on->clone_staged)
                staging_leave(on->clone);
        (void) close_fd(on->clone);
        (void) close_fd(on->tmpfs);
}

/* An overlay shows its layers without what is mounted below them. */
static int check_overlay(struct layered *on) {
        struct submounts below;
        int r = source_check_layer(on->run, &on->step->source, on->source);

        if (r != 0 || !on->recursive)
                return r;
        r = submounts_read(on->source, on->run->executor->features.statmount, &below);
        if (r < 0 || !below.children)
                return r;
        return run_warn(on->run, "%s of container %s is an overlay of %s, without what is mounted below that.", on->step->target,
                on->step->container, source_name(on->run, &on->step->source));
}

static int make_tmpfs(struct layered *on, uint64_t size) {
        int r;

        on->tmpfs = fscontext_tmpfs(size, 0, 0755, 0, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        if (on->tmpfs < 0) {
                r = on->tmpfs;
                return run_fail(on->run, FAILURE_MOUNT_FAILED, -r,
                        "making a tmpfs for %s of container %s failed", on->step->target, on->step->container);
        }
        if (on->run->executor->features.detached_layers)
                return 0;
        r = staging_attach(on->run, on->tmpfs, "layer");
        on->staged = r == 0;
        return r;
}

/* The layer of the root itself: its clone, or where layers must be attached, the source, whose ids are not mapped. */
static int layer_of(struct layered *on, int *ret_layer) {
        bool mapped = on->step->idmap.given;
        int r = 0;

        if (mapped && !on->run->executor->features.detached_layers) {
                r = staging_attach(on->run, on->clone, "mapped");
                on->clone_staged = r == 0;
        }
        *ret_layer = mapped || on->run->executor->features.detached_layers ? on->clone : on->source;
        return r;
}

/* upper/ gets mode and owner of the root, which they become; the owner that an id mapping makes of it. */
static int make_upper(struct layered *on, int *ret_upper, int *ret_work) {
        struct stat status;

        if (fstat(on->clone, &status) < 0)
                return log_errno(LOG_ERR, errno, "fstat a root");
        if (mkdirat(on->tmpfs, "upper", 0700) < 0 || mkdirat(on->tmpfs, "work", 0700) < 0 ||
                fchownat(on->tmpfs, "upper", status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
                fchmodat(on->tmpfs, "upper", status.st_mode & 07777, 0) < 0)
                return log_errno(LOG_ERR, errno, "make the upper directory of a root");
        *ret_upper = resolve_beneath(on->tmpfs, "upper", true);
        *ret_work = resolve_beneath(on->tmpfs, "work", true);
        if (*ret_upper < 0 || *ret_work < 0)
                return log_errno(
                        LOG_ERR, *ret_upper < 0 ? *ret_upper : *ret_work, "open the upper directory of a root");
        return 0;
}

int layered_upper(struct layered *on, int *ret_upper, int *ret_work) {
        int r = make_tmpfs(on, on->step->size);

        return r == 0 ? make_upper(on, ret_upper, ret_work) : r;
}

static int over_tmpfs(struct layered *on, int *ret_mount) {
        _cleanup_close_ int upper = -1, work = -1;
        int layer, r = check_overlay(on);

        if (r == 0) {
                r = tree_set(on->clone, false, MOUNT_ATTR_RDONLY, 0, 0);
                if (r < 0)
                        return log_errno(LOG_ERR, r, "make a lower layer read-only");
                r = layer_of(on, &layer);
        }
        if (r == 0)
                r = layered_upper(on, &upper, &work);
        if (r != 0)
                return r;
        return overlay_mount(on->run, on->index,
                &(struct overlay){.layers = &layer, .n_layers = 1, .upper = upper, .work = work, .own_upper = true}, ret_mount);
}

/* Whether the mount that needs this stub is one of a file. */
static int stub_is_file(struct layered *on, const char *stub, bool *ret) {
        const struct job *job = on->run->job;

        *ret = false;
        for (size_t i = on->index + 1; i < job->n_steps; i++) {
                const struct step *step = &job->steps[i];
                bool directory;
                int r;

                if (step->kind != STEP_BIND || strcmp(step->container, on->step->container) != 0 ||
                        strcmp(step->target, stub) != 0)
                        continue;
                r = source_is_directory(on->run, i, &directory);
                if (r == 0)
                        *ret = !directory;
                else if (r > 0)
                        on->run->culprit = (uint32_t) i + 1;
                return r;
        }
        return 0;
}

/* Makes one missing mount point in the tmpfs, at the place that the target really has in the root. */
static int make_stub(struct layered *on, const char *stub, const char *where, const char *rest) {
        _cleanup_free_ char *path = path_join(where[0] ? where : "/", rest), *missing = NULL;
        _cleanup_close_ int base = -1, made = -1;
        bool file;
        int r;

        if (!path)
                return log_oom();
        r = stub_is_file(on, stub, &file);
        if (r != 0)
                return r;
        if (on->tmpfs < 0) {
                r = make_tmpfs(on, STUBS_SIZE);
                if (r != 0)
                        return r;
        }
        r = resolve_deepest(on->tmpfs, path, &base, NULL, &missing);
        if (r == 0 && missing[0]) {
                made = resolve_make(base, missing, file);
                r = made < 0 ? made : 0;
                on->made_stub = on->made_stub || made >= 0;
        }
        return r < 0 ? target_failed(on->run, on->step, stub, r) : 0;
}

static int stub_one(struct layered *on, const char *stub) {
        const char *below = strcmp(on->step->target, "/") == 0 ? stub + 1 : path_below(stub, on->step->target);
        _cleanup_free_ char *inside = below ? path_join("/", below) : NULL;
        _cleanup_close_ int base = inside ? resolve_in_root(on->clone, inside) : -ENOMEM;
        _cleanup_free_ char *where = NULL, *rest = NULL;
        struct identity ground, own;
        bool unique = on->run->executor->features.unique_id;
        int r;

        if (!inside) /* the door and the plan have only what lies below */
                return log_errno(LOG_ERR, EINVAL, "place the stub %s below %s", stub, on->step->target);
        if (base >= 0)
                return 0;
        if (base != -ENOENT)
                return target_failed(on->run, on->step, stub, base);
        r = resolve_deepest(on->clone, inside, &base, &where, &rest);
        if (r < 0)
                return r == -ENOMEM ? log_oom() : target_failed(on->run, on->step, stub, r);
        if (identity_read(base, "", unique, &ground) < 0 || identity_read(on->clone, "", unique, &own) < 0 ||
                ground.key != own.key)
                return target_failed(on->run, on->step, stub, -ENOENT); /* below a mount that came along */
        return make_stub(on, stub, where, rest);
}

/* Whether the mount that needs this stub can be done without: it says so, or it waits and may find a place later. */
static bool stub_is_optional(const struct layered *on, const char *stub) {
        const struct job *job = on->run->job;

        for (size_t i = on->index + 1; i < job->n_steps; i++) {
                const struct step *step = &job->steps[i];

                if (step->kind != STEP_MASK && step->kind != STEP_READONLY && step->target &&
                        strcmp(step->target, stub) == 0 && strcmp(step->container, on->step->container) == 0)
                        return step->flags & STEP_OPTIONAL;
        }
        return true;
}

int layered_stubs(struct layered *on, bool *ret_needed) {
        *ret_needed = false;
        for (size_t i = 0; on->step->stubs && on->step->stubs[i]; i++) {
                bool optional = stub_is_optional(on, on->step->stubs[i]), had = on->made_stub;
                int r;

                on->made_stub = false;
                r = stub_one(on, on->step->stubs[i]);
                if (r > 0 && optional)
                        run_forgive(on->run); /* its mount will say so */
                else if (r != 0)
                        return r;
                if (on->made_stub && !optional)
                        *ret_needed = true;
                on->made_stub |= had;
        }
        return 0;
}

int layered_fill(struct run *run, size_t i, int mount) {
        _cleanup_(layered_done) struct layered on = LAYERED_INIT(run, i);
        bool needed;

        on.clone = fcntl(mount, F_DUPFD_CLOEXEC, 3);
        on.tmpfs = fcntl(mount, F_DUPFD_CLOEXEC, 3);
        if (on.clone < 0 || on.tmpfs < 0)
                return log_errno(LOG_ERR, errno, "duplicate a mount");
        return layered_stubs(&on, &needed);
}

/* The root goes on top: its directories keep their modes and owners, and what it lacks shows through from below. For
 * optional mount points alone nothing of it is given up: no mount that came along, and not the root as it is. */
static int over_stubs(struct layered *on, int *ret_mount) {
        int layers[2], r;
        bool needed;

        r = layered_stubs(on, &needed);
        if (r != 0 || !on->made_stub)
                return r; /* nothing is missing */
        if (!needed && on->recursive) {
                struct submounts below;

                r = submounts_read(on->source, on->run->executor->features.statmount, &below);
                if (r < 0 || below.children)
                        return r < 0 ? r : 0;
        }
        r = check_overlay(on);
        if (r == 0)
                r = layer_of(on, &layers[0]);
        layers[1] = on->tmpfs;
        if (r == 0)
                r = overlay_mount(on->run, on->index,
                        &(struct overlay){.layers = layers, .n_layers = ELEMENTSOF(layers), .stubs = true, .upper = -1, .work = -1},
                        ret_mount);
        if (r > 0 && !needed) {
                run_forgive(on->run);
                return 0;
        }
        return r;
}

int layered_make(struct layered *on, int *ret_mount) {
        return on->step->flags & STEP_OVERLAY_TMPFS ? over_tmpfs(on, ret_mount) : over_stubs(on, ret_mount);
}

/* Access-control lists go along: without them a copy could be open to more. */
static int copy_list(int from, int to) {
        char source[sizeof("/proc/self/fd/") + 3 * sizeof(int)], target[sizeof(source)];
        _cleanup_free_ char *list = NULL;
        ssize_t size;

        (void) snprintf(source, sizeof(source), "/proc/self/fd/%d", from); /* cannot be cut: sized for any int */
        (void) snprintf(target, sizeof(target), "/proc/self/fd/%d", to);
        size = getxattr(source, "system.posix_acl_access", NULL, 0);
        if (size <= 0)
                return size == 0 || errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
        list = malloc((size_t) size);
        if (!list)
                return -ENOMEM;
        size = getxattr(source, "system.posix_acl_access", list, (size_t) size);
        if (size < 0)
                return -errno;
        return setxattr(target, "system.posix_acl_access", list, (size_t) size, 0) < 0 ? -errno : 0;
}

static int copy_contents(int from, int to, off_t size) {
        while (size > 0) {
                ssize_t n = sendfile(to, from, NULL, size > (1 << 30) ? 1 << 30 : (size_t) size);

                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0; /* it became shorter meanwhile */
                size -= n;
        }
        return 0;
}

/* The copy has owner, mode and access-control list of the original. */
static int copy_file(int source, int directory, uint64_t size_max, int *ret_fd) {
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        _cleanup_close_ int from = -1, to = -1;
        struct stat status;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", source); /* cannot be cut: sized for any int */
        from = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (from < 0 || fstat(from, &status) < 0)
                return -errno;
        if ((uint64_t) status.st_size > size_max)
                return -EFBIG;
        to = openat(directory, "file", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (to < 0)
                return -errno;
        r = copy_contents(from, to, status.st_size);
        if (r < 0)
                return r;
        if (fchown(to, status.st_uid, status.st_gid) < 0 || fchmod(to, status.st_mode & 07777) < 0)
                return -errno;
        r = copy_list(from, to);
        if (r < 0)
                return r;
        *ret_fd = resolve_beneath(directory, "file", true);
        return *ret_fd < 0 ? *ret_fd : 0;
}

int layered_file(struct layered *on, int *ret_mount) {
        _cleanup_close_ int file = -1, mount = -1;
        uint64_t attributes;
        int r = make_tmpfs(on, on->step->size);

        if (r != 0)
                return r;
        r = copy_file(on->step->idmap.given ? on->clone : on->source, on->tmpfs, on->step->size, &file);
        if (r == 0)
                r = identity_attributes(on->clone, &attributes);
        if (r == 0) {
                mount = tree_clone(file, false);
                r = mount < 0 ? mount : tree_set(mount, false, attributes & INHERITED, 0, MS_PRIVATE);
        }
        if (r < 0)
                return run_fail(on->run, FAILURE_MOUNT_FAILED, -r,
                        "the file %s cannot be copied for %s of container %s, which the overlay of its size of %llu bytes "
                        "is to hold",
                        source_name(on->run, &on->step->source), on->step->target, on->step->container,
                        (unsigned long long) on->step->size);
        *ret_mount = TAKE_FD(mount);
        return 0;
}
