/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a mount goes. The pod's own processes may be renaming and linking all the while: every answer here is about an
 * fd, and the mount goes on that fd. */

#include "executor/target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "executor/host.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "spec/target.h"
#include "util/log.h"
#include "util/path.h"

enum { RACES = 16 }; /* how often others may get in between */

/* What a mount of this step is, in the words of the rule for /proc and /sys. */
static const char *step_type(const struct step *step) {
        if (step->kind == STEP_FILESYSTEM)
                return step->type;
        return step->kind == STEP_OVERLAY ? "overlay" : "bind";
}

int target_failed(struct run *run, const struct step *step, const char *target, int r) {
        switch (-r) {
        case ELOOP:
        case EXDEV:
                return run_fail(run, FAILURE_ESCAPES_ROOT, -r,
                        "target %s leads through a magic link or out of the root of container %s; name a place inside "
                        "it",
                        target, step->container);
        case ENOENT:
                return run_fail(run, FAILURE_INVALID_TARGET, -r,
                        "target %s does not exist in container %s and cannot be made there; make it in the root's "
                        "source first",
                        target, step->container);
        case ENOTDIR:
                return run_fail(run, FAILURE_INVALID_TARGET, -r,
                        "target %s: something on the way to it is a file where a directory is needed", target);
        default:
                return run_fail(run, FAILURE_INVALID_TARGET, -r, "target %s of container %s cannot be reached", target,
                        step->container);
        }
}

/* The mount that the plan expects below the target: 0 for none. */
static uint64_t cover_key(const struct run *run, const struct step *step) {
        return step->cover_step != STEP_NO_COVER ? run_key(run, step->cover_step) : step->cover_id;
}

/* The rule that the spec's destination passed, for the place that was really reached: a symlink or a bind may have led
 * into proc or sysfs from anywhere. */
static int check_system(struct run *run, const struct step *step, int fd, uint64_t mount) {
        const char *top;
        struct statfs fs;

        if (mount == run->plain)
                return 0;
        if (fstatfs(fd, &fs) < 0)
                return run_fail(run, FAILURE_INVALID_TARGET, errno, "the file system of target %s does not answer",
                        step->target);
        if (fs.f_type != PROC_SUPER_MAGIC && fs.f_type != SYSFS_MAGIC) {
                run->plain = mount;
                return 0;
        }
        top = fs.f_type == PROC_SUPER_MAGIC ? "/proc" : "/sys";
        if (path_is_below(step->target, top) && !target_refusal(step->target, step_type(step)))
                return 0;
        return run_fail(run, FAILURE_INVALID_TARGET, 0,
                "target %s of container %s lies in a %s, where only a few well-known places may be mounted on; see "
                "podmount-spec(5)",
                step->target, step->container, fs.f_type == PROC_SUPER_MAGIC ? "proc file system" : "sysfs");
}

static int make_failed(struct run *run, const struct step *step, int r) {
        switch (-r) {
        case EACCES:
        case EPERM:
                return run_fail(run, FAILURE_INVALID_TARGET, -r,
                        "target %s does not exist in container %s and the caller may not make it; make it in the "
                        "root's source first",
                        step->target, step->container);
        case EOVERFLOW:
                return run_fail(run, FAILURE_INVALID_TARGET, -r,
                        "target %s does not exist in container %s, whose id mapping has nobody who could make it; make it "
                        "in the root's source first",
                        step->target, step->container);
        case EROFS:
                return run_fail(run, FAILURE_INVALID_TARGET, -r,
                        "target %s does not exist in container %s, which is read-only; make it in the source first",
                        step->target, step->container);
        case ETIMEDOUT:
                return run_fail(run, FAILURE_TIMED_OUT, -r, "making target %s took too long", step->target);
        default:
                return run_fail(run, FAILURE_INVALID_TARGET, -r, "target %s of container %s cannot be made",
                        step->target, step->container);
        }
}

static int make(struct run *run, const struct step *step, int base, const char *rest, bool file) {
        struct opener *opener;
        int r;

        if (step->create != STEP_CREATE_AS_CALLER || run->job->caller.root)
                return resolve_make(base, rest, file);
        r = run_opener(run, &opener);
        return r < 0 ? r : opener_make(opener, base, rest, file);
}

/* Remembers for the undo and the record what was made; takes over both. */
static void target_made(struct run *run, size_t i, bool file, int *base, char **rest) {
        const struct step *step = &run->job->steps[i];
        struct hand *hand = &run->hands[i];

        run->making = true;
        run->result->steps[i].made = (uint32_t) resolve_count(*rest);
        run->result->steps[i].made_file = file;
        /* On a file system of a tree that was never published the undo is closing the tree. */
        if (run->tree >= 0 && step->create != STEP_CREATE_AS_CALLER)
                return;
        hand->base = TAKE_FD(*base);
        hand->rest = TAKE_PTR(*rest);
        hand->file = file;
}

static bool ends_with(const char *path, const char *rest) {
        size_t size = strlen(path), tail = strlen(rest);

        return tail < size && strcmp(path + size - tail, rest) == 0 && path[size - tail - 1] == '/';
}

/* What a pod that is never published, or a mount that is never recorded, would leave on a root is written down before it is made: of a
 * living pod with its place, which otherwise the record would tell. What lies on a mount of this very job goes without. */
static int note(struct run *run, size_t i, bool file, const char *rest) {
        const struct step *step = &run->job->steps[i];
        enum intent_directory which = step->kind == STEP_MKDIR ? INTENT_TARGET : file ? INTENT_POINT_FILE : INTENT_POINT;
        int r;

        if (step->create != STEP_CREATE_AS_CALLER || (run->tree < 0 && step->cover_step != STEP_NO_COVER))
                return 0;
        /* What lies behind a symlink that led nowhere could not be found by its path again. */
        if (!ends_with(step->target, rest))
                return step->kind == STEP_MKDIR
                               ? run_fail(run, FAILURE_INVALID_TARGET, 0,
                                         "directory %s of container %s lies behind a symlink that leads nowhere; name the "
                                         "place itself",
                                         step->target, step->container)
                               : 0;
        r = run->tree < 0 ? intent_add_place(run->executor->intent, step->container, step->target) : 0;
        if (r == 0)
                r = intent_add_directory(run->executor->intent, (uint32_t) i, which, (uint32_t) resolve_count(rest));
        return r < 0 ? log_errno(LOG_ERR, r, "write the intent file") : 0;
}

/* Makes what is missing of the target. -EEXIST or -ENOENT, which is no failure yet: somebody else made it, or removed what it
 * was to be in, since it was looked for; another pod on the same root, as a rule. */
static int target_make(struct run *run, size_t i, int root, bool file, int *ret_fd) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int base = -1;
        _cleanup_free_ char *rest = NULL;
        struct identity identity;
        int r = resolve_deepest(root, step->target, &base, NULL, &rest), fd;

        if (r < 0)
                return r == -ENOMEM ? log_oom() : r == -ENOENT ? r : target_failed(run, step, step->target, r);
        if (rest[0] == 0)
                return -EEXIST;
        if (step->kind == STEP_MKDIR && step->create == STEP_CREATE_STUB)
                return make_failed(run, step, -EROFS);
        if (step->create == STEP_CREATE_NEVER || step->create == STEP_CREATE_STUB)
                return target_failed(run, step, step->target, -ENOENT);
        r = identity_read(base, "", run->executor->features.unique_id, &identity);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at a target's parent");
        if (identity.key != cover_key(run, step))
                return run_fail(run, FAILURE_INVALID_TARGET, 0,
                        "target %s of container %s does not exist and lies on a mount that podmount may "
                        "not modify; make it there first, or name the place without symlinks",
                        step->target, step->container);
        r = check_system(run, step, base, identity.key);
        if (r != 0)
                return r;
        r = note(run, i, file, rest);
        if (r != 0)
                return r;
        fd = make(run, step, base, rest, file);
        if (fd == -EEXIST || fd == -ENOENT)
                return fd;
        if (fd < 0)
                return make_failed(run, step, fd);
        target_made(run, i, file, &base, &rest);
        *ret_fd = fd;
        return 0;
}

/* Where the target before had to be made, this one is likely to be missing from a directory that is there: then it is
 * made at once, by the rules of target_make(). An fd, or negative: the target has to be looked for after all, which
 * also finds the words for what is wrong. */
static int target_guess(struct run *run, size_t i, int root, bool file) {
        const struct step *step = &run->job->steps[i];
        bool ours = step->create == STEP_CREATE_FREELY ||
                    (step->create == STEP_CREATE_AS_CALLER && run->job->caller.root);
        const char *name = NULL;
        _cleanup_close_ int base = run->making && ours ? resolve_parent(root, step->target, &name) : -1;
        _cleanup_free_ char *rest = NULL;
        struct identity identity;
        int fd;

        if (base < 0 || identity_read(base, "", run->executor->features.unique_id, &identity) < 0)
                return -1;
        if (identity.key != cover_key(run, step) || identity.key != run->plain)
                return -1;
        /* Nothing is noted as made that was there. */
        if (step->create == STEP_CREATE_AS_CALLER && faccessat(base, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return -1;
        rest = strdup(name);
        fd = rest && note(run, i, file, rest) == 0 ? resolve_make(base, rest, file) : -1;
        if (fd < 0)
                return -1;
        target_made(run, i, file, &base, &rest);
        return fd;
}

static int target_check(struct run *run, const struct step *step, int fd, bool file) {
        struct identity identity;
        int r = identity_read(fd, "", run->executor->features.unique_id, &identity);

        if (r < 0)
                return log_errno(LOG_ERR, r, "look at a target");
        if ((step->flags & STEP_BENEATH) && (!identity.mount_root || identity.key != step->cover_id))
                return run_fail(run, FAILURE_BUSY, 0,
                        "another mount than the one to be replaced is at target %s of container %s; see podmountctl "
                        "show",
                        step->target, step->container);
        if (identity.mount_root && !(step->flags & STEP_STACK) && identity.key != cover_key(run, step))
                return run_fail(run, FAILURE_TARGET_IN_USE, 0,
                        "target %s of container %s is a mount point already; unmount it first, or ask to stack",
                        step->target, step->container);
        if (!file && !S_ISDIR(identity.mode))
                return run_fail(run, FAILURE_INVALID_TARGET, ENOTDIR,
                        "target %s of container %s is a file where a directory is needed", step->target,
                        step->container);
        if (file && S_ISDIR(identity.mode))
                return run_fail(run, FAILURE_INVALID_TARGET, EISDIR,
                        "target %s of container %s is a directory where a file is needed", step->target,
                        step->container);
        return check_system(run, step, fd, identity.key);
}

/* Looks for the target, and makes it where it is missing; -EEXIST and -ENOENT as target_make(). */
static int look_for(struct run *run, size_t i, int root, bool file, int *ret_fd) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int fd = step->flags & STEP_TARGET_NOFOLLOW ? resolve_link_in_root(root, step->target)
                                                                    : resolve_in_root(root, step->target);
        int r;

        if (fd == -ENOENT)
                return target_make(run, i, root, file, ret_fd);
        run->making = false;
        if (fd < 0)
                return target_failed(run, step, step->target, fd);
        r = target_check(run, step, fd, file);
        if (r == 0)
                *ret_fd = TAKE_FD(fd);
        return r;
}

/* As look_for(), for a directory that is made for itself. */
static int look_for_directory(struct run *run, size_t i, int root, bool file _unused_, int *ret_fd) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int fd = resolve_in_root(root, step->target);
        struct stat status;

        if (fd == -ENOENT)
                return target_make(run, i, root, false, ret_fd);
        if (fd < 0)
                return target_failed(run, step, step->target, fd);
        if (fstat(fd, &status) < 0)
                return log_errno(LOG_ERR, errno, "look at a directory of a container");
        if (!S_ISDIR(status.st_mode))
                return run_fail(run, FAILURE_INVALID_TARGET, ENOTDIR,
                        "%s of container %s is a file, and a directory is to be made there", step->target,
                        step->container);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* As often as others get in between, up to a number. */
static int insist(int (*look)(struct run *, size_t, int, bool, int *), struct run *run, size_t i, int root, bool file, int *ret_fd) {
        const struct step *step = &run->job->steps[i];
        struct stat status;
        int r = -ENOENT;

        for (unsigned n = 0; n < RACES && (r == -ENOENT || r == -EEXIST); n++)
                r = look(run, i, root, file, ret_fd);
        if (r != -ENOENT && r != -EEXIST)
                return r;
        if (fstat(root, &status) == 0 && status.st_nlink == 0) /* nothing is ever made in there again */
                return target_failed(run, step, step->target, -ENOENT);
        return run_fail(run, FAILURE_BUSY, -r, "target %s of container %s was removed meanwhile; try again", step->target,
                        step->container);
}

int target_open(struct run *run, size_t i, bool file, int *ret_fd) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int fd = -1;
        int root, r;

        if (step->flags & STEP_HOST)
                return host_open_target(run, i, file, ret_fd);
        if ((step->flags & STEP_BENEATH) && !run->executor->features.beneath)
                return run_fail(run, FAILURE_NOT_SUPPORTED, 0,
                        "this kernel cannot put a mount beneath another (Linux 6.5 can); unmount %s and mount anew",
                        step->target);
        r = run_container_root(run, step->container, &root);
        if (r != 0)
                return r;
        fd = target_guess(run, i, root, file);
        if (fd >= 0) {
                *ret_fd = TAKE_FD(fd);
                return 0;
        }
        return insist(look_for, run, i, root, file, ret_fd);
}

int target_directory(struct run *run, size_t i, int *ret_fd) {
        int root, r = run_container_root(run, run->job->steps[i].container, &root);

        return r == 0 ? insist(look_for_directory, run, i, root, false, ret_fd) : r;
}
