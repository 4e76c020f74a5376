/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every entry is opened O_PATH without following it, looked at by that fd, and read through that fd, so that a swap in
 * between changes nothing. What vanishes meanwhile is not there. The size of the tmpfs bounds the whole. */

#include "executor/copyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "kernel/resolve.h"
#include "util/log.h"
#include "util/map.h"
#include "util/path.h"

enum {
        DEPTH_MAX = 256,         /* directories within each other: two fds each are open */
        BUFFER_SIZE = 64 * 1024,
        XATTRS_SIZE = 64 * 1024, /* XATTR_LIST_MAX, XATTR_SIZE_MAX: no list and no value is larger */
};

/* A file with more than one name, and where its copy is. */
struct linked {
        dev_t device;
        char *path;
};

struct copy {
        struct run *run;
        const struct step *step;
        int top;            /* the tmpfs */
        bool devices;       /* device nodes are copied */
        size_t left_out;    /* device nodes that were not */
        struct map *links;  /* inode number → struct linked */
        char *buffer;       /* BUFFER_SIZE */
        char *names, *value; /* XATTRS_SIZE each */
};

static void copy_done(struct copy *copy) {
        struct linked *linked;

        if (copy->links)
                MAP_FOREACH(linked, copy->links) {
                        free(linked->path);
                        free(linked);
                }
        map_free(copy->links);
        free(copy->buffer);
        free(copy->names);
        free(copy->value);
}

static int copy_failed(struct copy *copy, const char *path, int error) {
        if (error == ENOMEM)
                return log_oom();
        if (error == ENOSPC || error == EDQUOT)
                return run_fail(copy->run, FAILURE_QUOTA_EXCEEDED, error,
                        "the tmpfs of %s is too small for a copy of what it covers; give more with size= and nr_inodes=",
                        copy->step->target);
        return run_fail(copy->run, FAILURE_MOUNT_FAILED, error, "copying %s%s into a tmpfs failed", copy->step->target,
                path);
}

/* Opens what an O_PATH fd is of: the same file, whatever its name leads to by now. */
static int reopen(int fd, int flags) {
        char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        int opened;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd); /* cannot be cut: sized for any int */
        opened = open(link, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        return opened < 0 ? -errno : opened;
}

static bool is_copied(const char *name) {
        return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0 ||
               strcmp(name, "system.posix_acl_access") == 0 || strcmp(name, "system.posix_acl_default") == 0;
}

/* Attributes that the tmpfs of this kernel does not take are left out, as cp -a does. */
static int copy_xattrs(struct copy *copy, int from, int to) {
        ssize_t size = flistxattr(from, copy->names, XATTRS_SIZE);

        if (size < 0)
                return errno == ENOTSUP ? 0 : -errno;
        for (ssize_t at = 0; at < size; at += (ssize_t) strlen(copy->names + at) + 1) {
                const char *name = copy->names + at;
                ssize_t n;

                if (!is_copied(name))
                        continue;
                n = fgetxattr(from, name, copy->value, XATTRS_SIZE);
                if (n >= 0 && fsetxattr(to, name, copy->value, (size_t) n, 0) == 0)
                        continue;
                if (errno != ENODATA && errno != ENOTSUP && errno != EPERM && errno != ERANGE)
                        return -errno;
        }
        return 0;
}

/* The owner before the mode: changing it takes set-user-ID bits away. */
static int copy_metadata(int to, const struct stat *status) {
        const struct timespec times[2] = {status->st_atim, status->st_mtim};

        if (fchown(to, status->st_uid, status->st_gid) < 0 || fchmod(to, status->st_mode & 07777) < 0 ||
                futimens(to, times) < 0)
                return -errno;
        return 0;
}

static int copy_range(struct copy *copy, int from, int to, off_t begin, off_t end) {
        while (begin < end) {
                size_t ask = end - begin < BUFFER_SIZE ? (size_t) (end - begin) : BUFFER_SIZE;
                ssize_t n = pread(from, copy->buffer, ask, begin);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0; /* it was cut meanwhile */
                for (ssize_t done = 0; done < n;) {
                        ssize_t written = pwrite(to, copy->buffer + done, (size_t) (n - done), begin + done);

                        if (written < 0 && errno != EINTR)
                                return -errno;
                        done += written > 0 ? written : 0;
                }
                begin += n;
        }
        return 0;
}

/* As far as the file went when it was looked at: one that grows all the while ends, too. */
static int copy_content(struct copy *copy, int from, int to, off_t size) {
        off_t begin = 0;

        if (ftruncate(to, size) < 0)
                return -errno;
        while (begin < size) {
                off_t data = lseek(from, begin, SEEK_DATA), hole;
                int r;

                if (data < 0 && errno == ENXIO)
                        return 0;
                if (data < 0) /* a file system that cannot tell */
                        return copy_range(copy, from, to, begin, size);
                hole = lseek(from, data, SEEK_HOLE);
                if (hole < 0 || hole > size)
                        hole = size;
                r = copy_range(copy, from, to, data, hole);
                if (r < 0)
                        return r;
                begin = hole > data ? hole : size;
        }
        return 0;
}

/* 1: the file has been copied by another name and is linked now. */
static int link_copied(struct copy *copy, const struct stat *status, int to, const char *name, const char *path) {
        struct linked *linked = map_get_u64(copy->links, status->st_ino);

        if (linked && linked->device != status->st_dev) /* a subvolume counts its inodes from the start */
                return 0;
        if (linked)
                return linkat(copy->top, linked->path, to, name, 0) == 0 ? 1 : 0; /* too deep a path: a copy of its own */
        linked = calloc(1, sizeof(*linked));
        if (!linked)
                return -ENOMEM;
        linked->device = status->st_dev;
        linked->path = strdup(path + 1); /* relative */
        if (linked->path && map_put_u64(copy->links, status->st_ino, linked) == 0)
                return 0;
        free(linked->path);
        free(linked);
        return -ENOMEM;
}

static int copy_file(
        struct copy *copy, int fd, const struct stat *status, int to, const char *name, const char *path) {
        _cleanup_close_ int from = -1, made = -1;
        int r = status->st_nlink > 1 ? link_copied(copy, status, to, name, path) : 0;

        if (r != 0)
                return r < 0 ? r : 0;
        from = reopen(fd, O_RDONLY);
        if (from < 0)
                return from;
        made = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (made < 0)
                return -errno;
        r = copy_content(copy, from, made, status->st_size);
        if (r == 0)
                r = copy_metadata(made, status);
        return r == 0 ? copy_xattrs(copy, from, made) : r; /* last: a new owner takes file capabilities away */
}

static int copy_symlink(int fd, const struct stat *status, int to, const char *name) {
        _cleanup_free_ char *text = calloc(1, PATH_MAX);
        const struct timespec times[2] = {status->st_atim, status->st_mtim};

        if (!text)
                return -ENOMEM;
        if (readlinkat(fd, "", text, PATH_MAX - 1) < 0 || symlinkat(text, to, name) < 0 ||
                fchownat(to, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
                utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return 0;
}

static int copy_node(struct copy *copy, const struct stat *status, int to, const char *name) {
        const struct timespec times[2] = {status->st_atim, status->st_mtim};
        bool device = S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode);

        if (device && !copy->devices) {
                copy->left_out++;
                return 0;
        }
        if (mknodat(to, name, (status->st_mode & S_IFMT) | 0600, device ? status->st_rdev : 0) < 0 ||
                fchownat(to, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
                fchmodat(to, name, status->st_mode & 07777, 0) < 0 ||
                utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return 0;
}

static int copy_directory(struct copy *copy, int fd, int to, const char *path, unsigned depth);

static int copy_below(struct copy *copy, int fd, const struct stat *status, int to, const char *name, const char *path,
        unsigned depth) {
        _cleanup_close_ int made = -1;
        int r;

        if (depth >= DEPTH_MAX)
                return run_fail(copy->run, FAILURE_INVALID_TARGET, 0,
                        "%s nests directories more than %d deep, which is too deep for a copy", copy->step->target,
                        DEPTH_MAX);
        if (mkdirat(to, name, 0700) < 0)
                return copy_failed(copy, path, errno);
        made = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (made < 0)
                return copy_failed(copy, path, errno);
        r = copy_directory(copy, fd, made, path, depth + 1);
        if (r != 0)
                return r;
        r = copy_metadata(made, status);
        return r < 0 ? copy_failed(copy, path, -r) : 0;
}

static int copy_entry(struct copy *copy, int from, int to, const char *name, const char *above, unsigned depth) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = resolve_child(from, name);
        struct stat status;
        int r = 0;

        if (fd == -ENOENT || fd == -EXDEV) /* gone meanwhile, or another mount's */
                return 0;
        if (asprintf(&path, "%s/%s", above, name) < 0) {
                path = NULL;
                return log_oom();
        }
        if (fd < 0 || fstat(fd, &status) < 0)
                return copy_failed(copy, path, fd < 0 ? -fd : errno);
        switch (status.st_mode & S_IFMT) {
        case S_IFDIR:
                return copy_below(copy, fd, &status, to, name, path, depth);
        case S_IFREG:
                r = copy_file(copy, fd, &status, to, name, path);
                break;
        case S_IFLNK:
                r = copy_symlink(fd, &status, to, name);
                break;
        default:
                r = copy_node(copy, &status, to, name);
                break;
        }
        return r < 0 ? copy_failed(copy, path, -r) : 0;
}

static int copy_directory(struct copy *copy, int fd, int to, const char *path, unsigned depth) {
        _cleanup_closedir_ DIR *directory = NULL;
        int from = reopen(fd, O_RDONLY | O_DIRECTORY), r;
        const struct dirent *entry;

        if (from < 0)
                return copy_failed(copy, path, -from);
        directory = fdopendir(from);
        if (!directory) {
                r = copy_failed(copy, path, errno);
                (void) close_fd(from);
                return r;
        }
        r = copy_xattrs(copy, from, to);
        if (r < 0)
                return copy_failed(copy, path, -r);
        while ((errno = 0, entry = readdir(directory))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                r = copy_entry(copy, from, to, entry->d_name, path, depth);
                if (r != 0)
                        return r;
        }
        return errno != 0 ? copy_failed(copy, path, errno) : 0;
}

static bool has_option(const struct step *step, const char *name) {
        for (size_t i = 0; i < step->n_options; i++)
                if (strcmp(step->options[i].name, name) == 0)
                        return true;
        return false;
}

/* The tmpfs looks like what it covers, as far as nothing else was asked for. */
static int copy_root(struct copy *copy, int from) {
        const struct step *step = copy->step;
        struct stat status;
        uid_t uid = (uid_t) -1;
        gid_t gid = (gid_t) -1;

        if (fstat(from, &status) < 0)
                return copy_failed(copy, "", errno);
        if (!has_option(step, "uid"))
                uid = status.st_uid;
        if (!has_option(step, "gid"))
                gid = status.st_gid;
        if (fchownat(copy->top, ".", uid, gid, 0) < 0 ||
                (!has_option(step, "mode") && fchmodat(copy->top, ".", status.st_mode & 07777, 0) < 0))
                return copy_failed(copy, "", errno);
        return 0;
}

int copyup_copy(struct run *run, size_t i, int mount, int from) {
        const struct step *step = &run->job->steps[i];
        _cleanup_(copy_done) struct copy copy = {.run = run,
                .step = step,
                .devices = run->job->caller.root && !(run_attributes(run, step, 0) & MOUNT_ATTR_NODEV),
                .links = map_new(MAP_KEY_U64),
                .buffer = malloc(BUFFER_SIZE),
                .names = malloc(XATTRS_SIZE),
                .value = malloc(XATTRS_SIZE)};
        _cleanup_close_ int top = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (!copy.links || !copy.buffer || !copy.names || !copy.value)
                return log_oom();
        if (top < 0)
                return log_errno(LOG_ERR, errno, "open a new tmpfs");
        copy.top = top;
        r = copy_directory(&copy, from, top, "", 0);
        if (r == 0)
                r = copy_root(&copy, from);
        if (r != 0 || copy.left_out == 0)
                return r;
        return run_warn(run, "%zu device nodes below %s were not copied: they could not be opened there.",
                copy.left_out, step->target);
}
