/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening and cloning what the caller wants to see in a pod, never more than it could see before. */

#include "executor/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "executor/volume.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "kernel/submounts.h"
#include "kernel/tree.h"
#include "util/array.h"
#include "util/log.h"

enum { FD_NAME_MAX = 64 }; /* name_is_valid(): longer ones are no client's */

const char *source_fd_name(const struct run *run, uint32_t fd) {
        static char name[sizeof("fd \"\"") + FD_NAME_MAX];

        if (fd < strv_length(run->job->fd_names))
                (void) snprintf(name, sizeof(name), "fd \"%.*s\"", FD_NAME_MAX, run->job->fd_names[fd]);
        else
                (void) snprintf(name, sizeof(name), "fd %" PRIu32, fd);
        return name;
}

const char *source_name(const struct run *run, const struct step_source *source) {
        return source->kind != STEP_SOURCE_FD && source->path ? source->path : source_fd_name(run, source->fd);
}

/* Where the step is to put it: " for TARGET" in two halves. */
static const char *for_word(const struct run *run) {
        return run->at && run->at->target ? " for " : "";
}

static const char *for_target(const struct run *run) {
        return run->at && run->at->target ? run->at->target : "";
}

static int open_failed(struct run *run, const char *path, int r) {
        switch (-r) {
        case ENOENT:
        case ENOTDIR:
        case ENAMETOOLONG:
                return run_fail(run, FAILURE_NO_SUCH_SOURCE, -r, "source %s does not exist on the host", path);
        case EACCES:
        case EPERM:
                return run_fail(run, FAILURE_SOURCE_DENIED, -r,
                        "source %s cannot be reached by the caller; it needs search permission on each directory of "
                        "the path",
                        path);
        case ELOOP:
        case EXDEV:
                return run_fail(run, FAILURE_SOURCE_DENIED, -r,
                        "source %s leads through a magic link or too many symlinks; name the file itself, or send an "
                        "fd of it",
                        path);
        case ETIMEDOUT:
                return run_fail(run, FAILURE_TIMED_OUT, -r,
                        "source %s did not answer in time; see whether its file system is alive", path);
        default:
                return run_fail(run, FAILURE_SOURCE_DENIED, -r, "source %s cannot be opened", path);
        }
}

static int open_path(struct run *run, const char *path, bool follow, int *ret_fd) {
        struct opener *opener;
        int fd;

        if (run->job->caller.root)
                fd = follow ? resolve_source(path) : resolve_source_link(path);
        else {
                int r = run_opener(run, &opener);

                if (r < 0)
                        return r;
                fd = follow ? opener_open(opener, path) : opener_open_link(opener, path);
        }
        if (fd < 0)
                return open_failed(run, path, fd);
        *ret_fd = fd;
        return 0;
}

/* Files that are on no mount at all can be told by the file system that the kernel keeps them in. */
static const char *mountless(int fd) {
        struct statfs fs;
        struct stat status;

        if (fstatfs(fd, &fs) < 0)
                return "a file whose file system does not answer";
        switch ((unsigned long) fs.f_type) {
        case PIPEFS_MAGIC:
                return "a pipe";
        case SOCKFS_MAGIC:
                return "a socket";
        case ANON_INODE_FS_MAGIC:
                return "an anonymous inode (an epoll, event, pid or similar fd)";
        case 0x50494446: /* PIDFS_MAGIC, Linux 6.9 */
                return "a pidfd";
        case NSFS_MAGIC:
                return "a namespace";
        default:
                break;
        }
        if (fstat(fd, &status) == 0 && status.st_nlink == 0 && fcntl(fd, F_GET_SEALS) >= 0)
                return "a memfd or a deleted file";
        return NULL;
}

static int take_fd(struct run *run, const struct step_source *source, int *ret_fd) {
        int fd = run->fds[source->fd], r;
        struct identity identity;
        const char *kind;

        r = identity_read(fd, "", run->executor->features.unique_id, &identity);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at an fd of a job");
        /* A directory is always on a mount; its file system need not be asked. */
        kind = S_ISDIR(identity.mode) ? NULL : mountless(fd);
        if (kind)
                return run_fail(run, FAILURE_INVALID_ARGS, 0,
                        "%s%s%s is %s, which cannot be mounted; send an fd of a directory, of a file or of a detached "
                        "mount",
                        source_name(run, source), for_word(run), for_target(run), kind);
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return log_errno(LOG_ERR, errno, "duplicate an fd of a job");
        *ret_fd = fd;
        return 0;
}

static int open_source(struct run *run, const struct step_source *source, bool follow, int *ret_fd) {
        switch (source->kind) {
        case STEP_SOURCE_PATH:
                return open_path(run, source->path, follow, ret_fd);
        case STEP_SOURCE_FD:
                return take_fd(run, source, ret_fd);
        case STEP_SOURCE_VOLUME:
                return volume_open(run, source, ret_fd);
        case STEP_SOURCE_LAYER: /* has a hand of its own */
        case STEP_SOURCE_NONE:
                break;
        }
        return -EINVAL;
}

static int open_path_data(struct run *run, const char *path, bool write, int *ret_fd) {
        _cleanup_close_ int file = -1;
        struct opener *opener;
        int fd, r;

        if (run->job->caller.root) {
                file = resolve_source(path);
                fd = file < 0 ? file : resolve_reopen(file, write);
        } else {
                r = run_opener(run, &opener);
                if (r < 0)
                        return r;
                fd = opener_open_data(opener, path, write);
        }
        if (fd == -EINVAL)
                return run_fail(run, FAILURE_NO_SUCH_SOURCE, 0, "source %s is neither a file nor a block device", path);
        if (fd == -EACCES || fd == -EROFS)
                return run_fail(run, FAILURE_SOURCE_DENIED, -fd, "source %s cannot be opened for %s by the caller", path,
                        write ? "reading and writing" : "reading");
        if (fd < 0)
                return open_failed(run, path, fd);
        *ret_fd = fd;
        return 0;
}

static int take_data(struct run *run, const struct step_source *source, bool write, int *ret_fd) {
        int flags = fcntl(run->fds[source->fd], F_GETFL), fd;

        if (flags < 0)
                return log_errno(LOG_ERR, errno, "look at an fd of a job");
        if (flags & O_PATH)
                return run_fail(run, FAILURE_INVALID_ARGS, 0,
                        "%s%s%s was opened with O_PATH, and its data is needed; open it for %s", source_name(run, source),
                        for_word(run), for_target(run), write ? "reading and writing" : "reading");
        if ((flags & O_ACCMODE) == O_WRONLY || (write && (flags & O_ACCMODE) != O_RDWR))
                return run_fail(run, FAILURE_INVALID_ARGS, 0, "%s%s%s is not open for %s", source_name(run, source),
                        for_word(run), for_target(run), write ? "reading and writing" : "reading");
        fd = fcntl(run->fds[source->fd], F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return log_errno(LOG_ERR, errno, "duplicate an fd of a job");
        *ret_fd = fd;
        return 0;
}

int source_open_data(struct run *run, const struct step_source *source, bool write, int *ret_fd) {
        switch (source->kind) {
        case STEP_SOURCE_PATH:
                return open_path_data(run, source->path, write, ret_fd);
        case STEP_SOURCE_FD:
                return take_data(run, source, write, ret_fd);
        case STEP_SOURCE_VOLUME: /* refused at the door */
        case STEP_SOURCE_LAYER:
        case STEP_SOURCE_NONE:
                break;
        }
        return -EINVAL;
}

int source_open(struct run *run, const struct step_source *source, int *ret_fd) {
        return open_source(run, source, true, ret_fd);
}

int source_open_in(struct run *run, int root, const char *path) {
        struct opener *opener;
        int r;

        if (run->job->caller.root)
                return resolve_in_root(root, path);
        r = run_opener(run, &opener);
        return r < 0 ? r : opener_open_in(opener, root, path);
}

int source_of_step(struct run *run, size_t i, int *ret_fd) {
        struct hand *hand = &run->hands[i];

        if (hand->source < 0) {
                const struct step *step = &run->job->steps[i];
                int r = open_source(run, &step->source, !(step->flags & STEP_SOURCE_NOFOLLOW), &hand->source);

                if (r != 0)
                        return r;
        }
        *ret_fd = hand->source;
        return 0;
}

int source_is_directory(struct run *run, size_t i, bool *ret) {
        struct identity identity;
        int fd, r = source_of_step(run, i, &fd);

        if (r != 0)
                return r;
        r = identity_read(fd, "", run->executor->features.unique_id, &identity);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at a source");
        *ret = S_ISDIR(identity.mode);
        return 0;
}

static int hidden(struct run *run, const struct step *step, const char *what) {
        return run_fail(run, FAILURE_SOURCE_DENIED, 0, "source %s has %s", source_name(run, &step->source), what);
}

static int too_many(struct run *run) {
        return run_fail(run, FAILURE_QUOTA_EXCEEDED, 0,
                "mounts that recursive binds bring along: more than %" PRIu32 ", this call's share of what is left to the "
                "caller; bind single directories, or collect pods with podmountctl gc",
                run->job->caller.brought_max);
}

/* What is below a source: the kernel's word, or, of a volume of a tree that is being built, which may be attached
 * nowhere, what it was made with. */
static int look_below(struct run *run, size_t i, int source, struct submounts *ret) {
        const struct hand *volume = volume_made(run, &run->job->steps[i].source);

        if (!volume)
                return submounts_read(source, run->executor->features.statmount, ret);
        *ret = (struct submounts) {.n = volume->below == UINT32_MAX ? 0 : volume->below, .children = volume->below > 0};
        return 0;
}

/* What the caller would get to see that is covered now; and how many mounts come along. */
static int check_below(struct run *run, size_t i, int source, bool recursive) {
        const struct step *step = &run->job->steps[i];
        struct submounts below;
        bool directory;
        int r = source_is_directory(run, i, &directory);

        if (r != 0 || !directory)
                return r;
        r = look_below(run, i, source, &below);
        if (r < 0)
                return r;
        run->hands[i].below = recursive ? below.n : 0;
        if (!recursive && below.children)
                return hidden(run, step, "mounts below it, and a plain bind would show what they hide: use rbind");
        if (recursive && below.unbindable)
                return hidden(
                        run, step, "an unbindable mount below it, and a copy without it would show what it hides");
        if (recursive && __builtin_add_overflow(run->brought, below.n, &run->brought))
                return too_many(run);
        return run->brought > run->job->caller.brought_max ? too_many(run) : 0;
}

int source_count(struct run *run, int top, size_t own) {
        struct submounts below;
        int r;

        if (!run->brought_unknown)
                return 0;
        r = submounts_read(top, run->executor->features.statmount, &below);
        if (r < 0)
                return r;
        return below.n > own + run->job->caller.brought_max ? too_many(run) : 0;
}

static int clone_failed(struct run *run, const struct step *step, int r) {
        return run_fail(run, r == -EPERM || r == -EACCES ? FAILURE_SOURCE_DENIED : FAILURE_MOUNT_FAILED, -r,
                "source %s cannot be cloned%s", source_name(run, &step->source),
                r == -EINVAL ? " (is it on an unbindable mount?)" : "");
}

/* An fd that is on no mount of this namespace: a detached mount with everything below it, or something of elsewhere,
 * which run_dress() finds out. */
static int clone_detached(struct run *run, const struct step *step, int source, int *ret_mount) {
        int fd = tree_clone(source, true);

        if (fd == -EINVAL) {
                fd = fcntl(source, F_DUPFD_CLOEXEC, 3);
                if (fd < 0)
                        return log_errno(LOG_ERR, errno, "duplicate a detached mount");
        }
        if (fd < 0)
                return clone_failed(run, step, fd);
        *ret_mount = fd;
        return 0;
}

static int is_attached(struct run *run, int fd) {
        const struct features *features = &run->executor->features;
        struct identity identity;
        int r = identity_read(fd, "", features->unique_id, &identity);

        if (r < 0)
                return log_errno(LOG_ERR, r, "look at a source");
        return submounts_find(
                features->unique_id ? identity.key : 0, (uint32_t) identity.key, 0, "/", features->statmount);
}

int source_clone(struct run *run, size_t i, int *ret_mount, bool *ret_recursive) {
        const struct step *step = &run->job->steps[i];
        bool recursive = step->flags & STEP_RECURSIVE, attached = true;
        int fd, r = source_of_step(run, i, &fd), mount;

        if (r != 0)
                return r;
        if (step->source.kind == STEP_SOURCE_FD) {
                r = is_attached(run, fd);
                if (r < 0)
                        return r;
                attached = r;
        }
        if (!attached) {
                run->brought_unknown = !run->job->caller.root;
                run->hands[i].below = UINT32_MAX;
                *ret_recursive = true;
                return clone_detached(run, step, fd, ret_mount);
        }
        mount = tree_clone(fd, recursive);
        if (mount < 0)
                return clone_failed(run, step, mount);
        /* Looked at after the clone: what is not covered now was not hidden from the caller. */
        if (!run->job->caller.root) {
                r = check_below(run, i, fd, recursive);
                if (r != 0) {
                        (void) close_fd(mount);
                        return r;
                }
        }
        *ret_mount = mount;
        *ret_recursive = recursive;
        return 0;
}

int source_check_layer(struct run *run, const struct step_source *source, int fd) {
        struct identity identity;
        struct submounts below;
        int r = identity_read(fd, "", run->executor->features.unique_id, &identity);

        if (r < 0)
                return log_errno(LOG_ERR, r, "look at a layer");
        if (!S_ISDIR(identity.mode))
                return run_fail(run, FAILURE_NO_SUCH_SOURCE, ENOTDIR, "%s%s%s is not a directory", source_name(run, source),
                        for_word(run), for_target(run));
        if (run->job->caller.root)
                return 0;
        r = submounts_read(fd, run->executor->features.statmount, &below);
        if (r < 0)
                return r;
        if (below.children)
                return run_fail(run, FAILURE_SOURCE_DENIED, 0,
                        "%s has mounts below it, and an overlay of it would show what they hide", source_name(run, source));
        return 0;
}
