/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an entry goes. Nothing here trusts a name, and the kernel is given one component at a time. */

#include "executor/extract-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "content/node.h"
#include "executor/layer.h"
#include "util/path.h"

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define AUFS ".wh..wh." /* what else aufs had of its own in a layer */

static bool begins_with(const char *text, const char *with) {
        return strncmp(text, with, strlen(with)) == 0;
}

/* One name of a tar as we have them: without "." and slashes too many; "" for the root. */
static int clean(struct extract *extract, const char *raw, const char *what, char **ret) {
        _cleanup_free_ char *name = NULL;
        size_t n = 0, depth = 0;

        if (!raw)
                return extract_fail(extract, FAILURE_INVALID_ARGS, 0, "an entry has a name that is none");
        if (strlen(raw) > EXTRACT_NAME_MAX)
                return worker_fail(extract->worker, FAILURE_INVALID_ARGS, 0, "%.80s…: %s of %zu bytes is too long", raw, what, strlen(raw));
        if (raw[0] == '/')
                return worker_fail(extract->worker, FAILURE_INVALID_ARGS, 0, "%s: %s of a layer's tar is not absolute", raw, what);
        name = malloc(strlen(raw) + 1);
        if (!name)
                return -ENOMEM;
        for (const char *at = raw; *at;) {
                size_t size = strcspn(at, "/");

                if (size == 2 && begins_with(at, ".."))
                        return worker_fail(extract->worker, FAILURE_INVALID_ARGS, 0, "%s: there is a \"..\" in %s, which could lead out of the layer", raw, what);
                if (size > 0 && !(size == 1 && *at == '.')) {
                        if (n > 0)
                                name[n++] = '/';
                        memcpy(name + n, at, size);
                        n += size;
                        depth++;
                }
                at += size + (at[size] == '/');
        }
        name[n] = '\0';
        if (depth > EXTRACT_DEPTH_MAX)
                return worker_fail(extract->worker, FAILURE_INVALID_ARGS, 0, "%.80s…: %s has %zu components, more than %d", name, what, depth, EXTRACT_DEPTH_MAX);
        *ret = TAKE_PTR(name);
        return 0;
}

static int read_whiteout(struct extract *extract) {
        char *base = extract->base;

        if (strcmp(base, OPAQUE) == 0) {
                extract->opaque = true;
                if (base > extract->name)
                        base--;
                *base = '\0'; /* the directory is meant */
                extract->base = base;
                return 0;
        }
        if (begins_with(base, AUFS)) {
                extract->left_out = true;
                return 0;
        }
        extract->whiteout = true;
        memmove(base, base + strlen(WHITEOUT), strlen(base + strlen(WHITEOUT)) + 1);
        if (!path_is_component(base))
                return extract_fail(extract, FAILURE_INVALID_ARGS, 0, "a whiteout of nothing");
        return 0;
}

int extract_name(struct extract *extract, struct archive_entry *entry) {
        const char *link = archive_entry_hardlink(entry);
        int r;

        free(TAKE_PTR(extract->name));
        free(TAKE_PTR(extract->link));
        extract->whiteout = extract->opaque = extract->left_out = false;
        r = clean(extract, archive_entry_pathname(entry), "the name", &extract->name);
        if (r == 0 && link)
                r = clean(extract, link, "what it is a hard link to", &extract->link);
        if (r == 0)
                r = extract_follow(extract, "its name", &extract->name);
        if (r == 0 && link)
                r = extract_follow(extract, "what it is a hard link to", &extract->link);
        if (r != 0)
                return r;
        extract->base = strrchr(extract->name, '/');
        extract->base = extract->base ? extract->base + 1 : extract->name;
        for (const char *at = extract->name; at < extract->base; at = strchr(at, '/') + 1) {
                if (!begins_with(at, WHITEOUT))
                        continue;
                if (!begins_with(at, AUFS))
                        return extract_fail(extract, FAILURE_INVALID_ARGS, 0, "it is in a whiteout, which is no directory");
                extract->left_out = true;
                return 0;
        }
        return begins_with(extract->base, WHITEOUT) ? read_whiteout(extract) : 0;
}

int extract_count(struct extract *extract) {
        uint64_t *n = &worker_figures(extract->worker)[extract->setup.inodes_figure];

        if (*n < extract->setup.inodes_max) {
                ++*n;
                return 0;
        }
        return extract_fail(extract, FAILURE_QUOTA_EXCEEDED, 0, "with it there are more files and directories than the caller may have (LayerInodesPerUser=)");
}

int extract_charge(struct extract *extract, uint64_t bytes) {
        uint64_t *n = &worker_figures(extract->worker)[extract->setup.bytes_figure];

        if (bytes <= extract->setup.bytes_max - *n) {
                *n += bytes;
                return 0;
        }
        return extract_fail(extract, FAILURE_QUOTA_EXCEEDED, 0, "with it there are more bytes than the caller may have (LayerBytesPerUser=)");
}

/* What is there is a whiteout that the tar has made: a directory in its place shows nothing of what that hides. */
static int replace_whiteout(struct extract *extract, int directory, const char *base, const char *name) {
        struct stat st;
        int r;

        if (extract->setup.base || fstatat(directory, base, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != 0)
                return -ENOTDIR;
        r = extract_remove(extract, directory, base);
        if (r == 0)
                r = extract_opaque(extract, name);
        return r;
}

int extract_look_in(int root, const char *name, struct stat *ret) {
        _cleanup_free_ char *way = strdup(name);
        _cleanup_close_ int fd = fcntl(root, F_DUPFD_CLOEXEC, 0);
        char *at = way;

        if (!way || fd < 0)
                return !way ? -ENOMEM : -errno;
        for (char *slash = strchr(at, '/'); slash; at = slash + 1, slash = strchr(at, '/')) {
                int next;

                *slash = '\0';
                next = openat(fd, at, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (next < 0)
                        return errno == ENOENT ? 0 : errno == ELOOP ? -ENOTDIR : -errno;
                (void) close_fd(fd);
                fd = next;
        }
        if (fstatat(fd, at, ret, AT_SYMLINK_NOFOLLOW) == 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

static bool is_whiteout(int directory, const char *base) {
        struct stat st;

        return fstatat(directory, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && node_is_whiteout(&st);
}

/* Goes one component on from `*fd`, which is closed, to the directory that is called `name` in all. */
static int step_into(struct extract *extract, int *fd, const char *base, const char *name, enum extract_way way) {
        int next = openat(*fd, base, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;

        if (next < 0 && way == EXTRACT_MAKE && (errno == ENOENT || errno == ENOTDIR)) {
                r = errno == ENOTDIR ? replace_whiteout(extract, *fd, base, name) : 0;
                if (r == 0)
                        r = extract_lead(extract, *fd, base, name);
                if (r != 0 && r != -ENOTDIR)
                        return r;
                next = openat(*fd, base, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        if (next < 0 && way == EXTRACT_SEEK && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
                return -ENOENT;
        if (next < 0 && way == EXTRACT_VISIT && (errno == ENOENT || is_whiteout(*fd, base)))
                return errno == ENOENT ? -ENOENT : -ENOTDIR;
        if (next < 0 && (errno == ENOTDIR || errno == ELOOP))
                return extract_fail(extract, FAILURE_INVALID_ARGS, 0, "its name leads through a link or a file, not through directories alone");
        if (next < 0 && errno == ENOENT)
                return extract_fail(extract, FAILURE_INVALID_ARGS, 0, "it is a hard link to what the tar does not have before it");
        if (next < 0)
                return extract_errno(extract, errno, "opening a directory on the way");
        (void) close_fd(*fd);
        *fd = next;
        return 0;
}

/* How many bytes of the last directory's name both have, up to the end of a component. */
static size_t common_way(const struct extract *extract, const char *name, size_t size) {
        size_t known = extract->parent >= 0 ? strlen(extract->parent_name) : 0;

        if (known == 0 || known > size || strncmp(extract->parent_name, name, known) != 0 || (known < size && name[known] != '/'))
                return 0;
        return known;
}

int extract_parent(struct extract *extract, const char *name, enum extract_way how, int *ret_fd, const char **ret_base) {
        const char *base = strrchr(name, '/');
        size_t size = base ? (size_t) (base - name) : 0, done;
        _cleanup_free_ char *way = strndup(name, size);
        _cleanup_close_ int fd = -1;

        *ret_base = base ? base + 1 : name;
        if (!way)
                return -ENOMEM;
        done = common_way(extract, way, size);
        if (done == size && size > 0) {
                *ret_fd = extract->parent;
                return 0;
        }
        fd = fcntl(done > 0 ? extract->parent : extract->setup.root, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        for (char *at = way + done + (done > 0); at < way + size;) {
                char *end = strchrnul(at, '/'), saved = *end;
                int r;

                *end = '\0';
                r = step_into(extract, &fd, at, way, how);
                if (r != 0)
                        return r;
                *end = saved;
                at = end + 1;
        }
        (void) close_fd(extract->parent);
        free(extract->parent_name);
        extract->parent = TAKE_FD(fd);
        extract->parent_name = TAKE_PTR(way);
        *ret_fd = extract->parent;
        return 0;
}

int extract_remove(struct extract *extract, int directory, const char *name) {
        size_t budget = SIZE_MAX;
        struct stat st;
        int r;

        if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : extract_errno(extract, errno, "looking at what it replaces");
        if (!S_ISCHR(st.st_mode) || st.st_rdev != 0)
                extract->plain = false;
        if (S_ISDIR(st.st_mode)) {
                /* Nobody else is in there. The last directory may be what goes. */
                r = layer_clear(directory, name, &budget);
                if (r < 0)
                        return extract_errno(extract, -r, "removing the directory that it replaces");
                return 0;
        }
        return unlinkat(directory, name, 0) < 0 ? extract_errno(extract, errno, "removing what it replaces") : 0;
}
