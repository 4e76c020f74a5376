/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The only place where a path becomes an fd. Nothing here uses a path twice: what was opened is worked on by its fd. */

#include "kernel/resolve.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/syscalls.h"
#include "util/log.h"
#include "util/path.h"

enum {
        SYMLINKS_MAX = 40, /* as the kernel's MAXSYMLINKS, path_resolution(7) */
        RETRIES_MAX = 128, /* of EAGAIN: a rename or a mount anywhere on the system during a ".." (openat2(2)) */
};

static int resolve_as(int directory, const char *path, uint64_t flags, uint64_t how) {
        for (unsigned i = 0;; i++) {
                int fd = sys_openat2(directory, path, flags, how);

                if (fd >= 0)
                        return fd;
                if (errno != EINTR && (errno != EAGAIN || i >= RETRIES_MAX))
                        return -errno;
        }
}

static int resolve(int directory, const char *path, uint64_t flags, uint64_t how) {
        return resolve_as(directory, path, flags | O_PATH, how);
}

int resolve_source(const char *path) {
        return resolve(AT_FDCWD, path, 0, RESOLVE_NO_MAGICLINKS);
}

int resolve_reopen(int file, bool write) {
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        struct stat status;
        int fd;

        if (fstat(file, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
                return -EINVAL;
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", file); /* cannot be cut: sized for any int */
        fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

int resolve_source_link(const char *path) {
        return resolve(AT_FDCWD, path, O_NOFOLLOW, RESOLVE_NO_MAGICLINKS);
}

int resolve_in_root(int root, const char *path) {
        return resolve(root, path, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int resolve_link_in_root(int root, const char *path) {
        return resolve(root, path, O_NOFOLLOW, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int resolve_child(int directory, const char *name) {
        return resolve(directory, name, O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

int resolve_beneath(int directory, const char *path, bool same_mount) {
        return resolve(directory, *path ? path : ".", 0,
                RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | (same_mount ? RESOLVE_NO_XDEV : 0));
}

/* The kernel takes a path of PATH_MAX bytes at most, and what can be made piece by piece is opened so, too. */
int resolve_open_beneath(int directory, const char *path) {
        const uint64_t how = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
        _cleanup_close_ int at = -1;

        while (strnlen(path, PATH_MAX) == PATH_MAX) {
                char piece[PATH_MAX];
                size_t n = PATH_MAX - 1;
                int next;

                while (n > 0 && path[n] != '/')
                        n--;
                if (n == 0)
                        return -ENAMETOOLONG;
                memcpy(piece, path, n);
                piece[n] = '\0';
                next = resolve_as(at >= 0 ? at : directory, piece, O_PATH | O_DIRECTORY, how);
                if (next < 0)
                        return next;
                (void) close_fd(at);
                at = next;
                path += n + 1;
        }
        return resolve_as(at >= 0 ? at : directory, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, how);
}

int resolve_read_beneath(int directory, const char *path, int flags) {
        return resolve_as(directory, path, (uint64_t) (unsigned) flags | O_RDONLY,
                RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

/* The next component of *path, skipping slashes: 1; 0 at the end; -ENOMEM, which must never pass for the end. */
static int next_component(const char **path, char **ret) {
        const char *start = *path + strspn(*path, "/");
        size_t size = strcspn(start, "/");
        char *component;

        *path = start + size;
        if (size == 0)
                return 0;
        component = strndup(start, size);
        if (!component)
                return -ENOMEM;
        *ret = component;
        return 1;
}

static int link_text(int fd, char **ret) {
        _cleanup_free_ char *text = malloc(PATH_MAX);
        ssize_t n;

        if (!text)
                return -ENOMEM;
        n = readlinkat(fd, "", text, PATH_MAX - 1);
        if (n < 0)
                return -errno;
        text[n] = 0;
        *ret = TAKE_PTR(text);
        return 0;
}

/* Where a walk is: everything in `where` is a directory and no symlink; `ahead` is still to go. */
struct walk {
        int root;
        char *where;
        char *ahead;
        unsigned symlinks;
        int fd; /* of `where` plus the component just opened */
};

static void walk_done(struct walk *walk) {
        free(walk->where);
        free(walk->ahead);
        walk->fd = close_fd(walk->fd);
}

static int walk_follow(struct walk *walk, const char *rest) {
        _cleanup_free_ char *text = NULL;
        char *ahead;
        int r;

        if (++walk->symlinks > SYMLINKS_MAX)
                return -ELOOP;
        r = link_text(walk->fd, &text);
        if (r < 0)
                return r;
        if (strlen(text) + strlen(rest) >= PATH_MAX)
                return -ENAMETOOLONG;
        ahead = path_join(text, rest);
        if (!ahead)
                return -ENOMEM;
        free(walk->ahead);
        walk->ahead = ahead;
        if (text[0] == '/')
                walk->where[0] = 0;
        return 0;
}

/* Takes one component. 1: taken, 0: it does not exist. */
static int walk_step(struct walk *walk, const char *component, const char *rest) {
        _cleanup_free_ char *path = NULL;
        struct stat status;

        if (strcmp(component, "..") == 0) {
                char *slash = strrchr(walk->where, '/');

                if (slash)
                        *slash = 0;
                memmove(walk->ahead, rest, strlen(rest) + 1);
                return 1;
        }
        path = path_join(walk->where[0] ? walk->where : "/", component);
        if (!path)
                return -ENOMEM;
        walk->fd = close_fd(walk->fd);
        walk->fd = resolve(walk->root, path, O_NOFOLLOW, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
        if (walk->fd == -ENOENT)
                return 0;
        if (walk->fd < 0)
                return walk->fd;
        if (fstat(walk->fd, &status) < 0)
                return -errno;
        if (S_ISLNK(status.st_mode)) {
                int r = walk_follow(walk, rest);

                return r < 0 ? r : 1;
        }
        if (!S_ISDIR(status.st_mode) && rest[strspn(rest, "/")])
                return -ENOTDIR;
        free(walk->where);
        walk->where = TAKE_PTR(path);
        memmove(walk->ahead, rest, strlen(rest) + 1);
        return 1;
}

/* 0 if every component of `path` is one that can be made; -ENOENT, -ENOMEM. */
static int check_plain(const char *path) {
        for (;;) {
                _cleanup_free_ char *component = NULL;
                int r = next_component(&path, &component);

                if (r <= 0)
                        return r;
                if (!path_is_component(component))
                        return -ENOENT;
        }
}

int resolve_parent(int root, const char *path, const char **ret_name) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        _cleanup_free_ char *parent = NULL;
        int fd;

        if (!slash || !path_is_component(name))
                return -EINVAL;
        parent = strndup(path, slash > path ? (size_t) (slash - path) : 1);
        if (!parent)
                return -ENOMEM;
        fd = resolve(root, parent, O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
        if (fd >= 0)
                *ret_name = name;
        return fd;
}

/* The usual case, that only the last component is missing: 1 when it is, 0 to go step by step. */
static int deepest_parent(int root, const char *path, int *ret_fd, char **ret_rest) {
        const char *name = NULL;
        _cleanup_close_ int fd = resolve_parent(root, path, &name);
        _cleanup_free_ char *rest = NULL;
        struct stat status;

        if (fd == -ENOMEM)
                return fd;
        if (fd < 0 || fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
                return 0;
        rest = strdup(name);
        if (!rest)
                return -ENOMEM;
        *ret_fd = TAKE_FD(fd);
        *ret_rest = TAKE_PTR(rest);
        return 1;
}

int resolve_deepest(int root, const char *path, int *ret_fd, char **ret_where, char **ret_rest) {
        _cleanup_(walk_done) struct walk walk = {.root = root, .where = strdup(""), .ahead = strdup(path), .fd = -1};
        _cleanup_free_ char *rest = NULL;
        int fd, r;

        if (!walk.where || !walk.ahead)
                return -ENOMEM;
        if (!ret_where) {
                r = deepest_parent(root, path, ret_fd, ret_rest);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        for (;;) {
                const char *after = walk.ahead;
                _cleanup_free_ char *component = NULL;

                r = next_component(&after, &component);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                if (strcmp(component, ".") == 0) {
                        memmove(walk.ahead, after, strlen(after) + 1);
                        continue;
                }
                r = walk_step(&walk, component, after);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
        }
        rest = strdup(walk.ahead + strspn(walk.ahead, "/"));
        if (!rest)
                return -ENOMEM;
        r = check_plain(rest);
        if (r < 0)
                return r;
        fd = resolve(root, walk.where[0] ? walk.where : "/", O_NOFOLLOW, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        if (ret_where)
                *ret_where = TAKE_PTR(walk.where);
        *ret_rest = TAKE_PTR(rest);
        return 0;
}

static int make_one(int directory, const char *name, bool file) {
        if (file) {
                int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

                if (fd < 0)
                        return -errno;
                (void) close_fd(fd);
                return 0;
        }
        return mkdirat(directory, name, 0755) < 0 ? -errno : 0;
}

int resolve_make(int directory, const char *rest, bool file) {
        _cleanup_free_ char *made = calloc(1, strlen(rest) + 2);
        _cleanup_close_ int fd = -1;

        if (!made)
                return -ENOMEM;
        for (const char *path = rest;;) {
                _cleanup_free_ char *name = NULL;
                int at = fd >= 0 ? fd : directory, r = next_component(&path, &name), next;
                bool last = path[strspn(path, "/")] == 0;

                if (r < 0) {
                        (void) resolve_unmake(directory, made, false);
                        return r;
                }
                if (r == 0)
                        return fd >= 0 ? TAKE_FD(fd) : resolve_beneath(directory, "", true);
                r = make_one(at, name, file && last);
                if (r < 0) {
                        resolve_unmake(directory, made, false);
                        return r;
                }
                if (made[0])
                        strcat(made, "/");
                strcat(made, name);
                next = resolve_beneath(at, name, true);
                if (next < 0) {
                        resolve_unmake(directory, made, file && last);
                        return next;
                }
                (void) close_fd(fd);
                fd = next;
        }
}

/* Or it is gone. */
static bool is_empty_file(int directory, const char *name) {
        struct stat status;

        if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT;
        errno = 0; /* it is another file, which is no failure */
        return S_ISREG(status.st_mode) && status.st_size == 0;
}

/* What tells nothing of the directory itself. */
static int failed(int error) {
        switch (error) {
        case ENOMEM:
        case EMFILE:
        case ENFILE:
        case EIO:
        case EAGAIN:
        case EINTR:
        case ENOSPC:
        case EBUSY:
                return -error;
        default:
                return 0;
        }
}

int resolve_unmake(int directory, const char *rest, bool file) {
        _cleanup_free_ char *path = strdup(rest);

        if (!path)
                return -ENOMEM;
        while (path[0]) {
                char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
                _cleanup_close_ int parent = -1;

                if (slash)
                        *slash = 0;
                parent = resolve_beneath(directory, slash ? path : "", true);
                if (parent < 0 && parent != -ENOENT)
                        return failed(-parent);
                if (parent >= 0 && file && !is_empty_file(parent, name))
                        return failed(errno);
                if (parent >= 0 && unlinkat(parent, name, file ? 0 : AT_REMOVEDIR) < 0 && errno != ENOENT)
                        return failed(errno);
                file = false;
                if (!slash)
                        return 0;
        }
        return 0;
}

int resolve_unmake_in_root(int root, const char *path, size_t made, bool file) {
        _cleanup_free_ char *parent = strdup(path);
        _cleanup_close_ int base = -1;
        char *rest;

        if (!parent)
                return -ENOMEM;
        rest = parent + strlen(parent);
        for (size_t i = 0; i < made; i++) {
                do
                        if (rest-- == parent)
                                return -EINVAL;
                while (*rest != '/');
        }
        if (made == 0)
                return -EINVAL;
        *rest++ = 0;
        base = resolve_in_root(root, *parent ? parent : "/");
        if (base < 0)
                return base;
        return resolve_unmake(base, rest, file);
}

size_t resolve_count(const char *path) {
        size_t n = 0;

        for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
                path += strcspn(path, "/");
                n++;
        }
        return n;
}

int resolve_where(int fd, char **ret) {
        char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        _cleanup_free_ char *path = malloc(PATH_MAX);
        ssize_t n;

        if (!path)
                return log_oom();
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd); /* cannot be cut: sized for any int */
        n = readlink(link, path, PATH_MAX - 1);
        if (n < 0)
                return log_errno(LOG_ERR, errno, "read %s", link);
        path[n] = 0;
        *ret = TAKE_PTR(path);
        return 0;
}
