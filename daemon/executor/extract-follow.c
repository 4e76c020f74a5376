/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Links that a name leads through because the layers below have them, as /lib of a base image: what comes through one is put where it would go in a
 * mounted layer. The way is worked out here, as a name alone, from what the tar has made and what shows through of the layers below; nothing
 * but that name comes of it, which is walked without links like any other.
 */

#include "executor/extract-private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "content/node.h"

enum {
        LINKS_MAX = 40,   /* the kernel's own limit */
        STEPS_MAX = 1024, /* of one name from its first link on: each of these, and each ".." in one, begins again at the root */
};

struct walk {
        struct extract *extract;
        const char *what; /* the name, for messages */
        char *done;       /* without links; what it leads to… */
        char *rest;       /* …and what is still to go */
        int own, below;   /* the directory `done`, of the tar and of what lies below, or -1 */
        unsigned links, steps;
};

static void walk_done(struct walk *walk) {
        free(walk->done);
        free(walk->rest);
        (void) close_fd(walk->own);
        (void) close_fd(walk->below);
}

static int refuse(struct walk *walk, const char *what) {
        return worker_fail(walk->extract->worker, FAILURE_INVALID_ARGS, 0, "%s: %s leads through %s, %s", walk->extract->name, walk->what, walk->done, what);
}

static void set_fd(int *fd, int to) {
        (void) close_fd(*fd);
        *fd = to;
}

static int join(char **text, const char *first, const char *second) {
        char *whole;

        if (asprintf(&whole, "%s%s%s", first, *first && *second ? "/" : "", second) < 0)
                return -ENOMEM;
        free(*text);
        *text = whole;
        return 0;
}

/* To the root of the layer; `rest` is what is to go from there. */
static int begin(struct walk *walk) {
        const struct extract_setup *setup = &walk->extract->setup;

        walk->done[0] = '\0';
        set_fd(&walk->below, -1);
        set_fd(&walk->own, fcntl(setup->root, F_DUPFD_CLOEXEC, 0));
        if (walk->own < 0)
                return -errno;
        if (extract_hides(walk->extract, ""))
                return 0;
        walk->below = fcntl(setup->below, F_DUPFD_CLOEXEC, 0);
        return walk->below < 0 ? -errno : 0;
}

static void leave_last(char *name) {
        char *slash = strrchr(name, '/');

        name[slash ? (size_t) (slash - name) : 0] = '\0';
}

/* Once more from the root, on the way that was found, and then on. */
static int begin_again(struct walk *walk) {
        int r = join(&walk->rest, walk->done, walk->rest);

        return r < 0 ? r : begin(walk);
}

/* Up, by name: there is no link in that, and what is not there yet has a directory above it nevertheless. */
static int go_up(struct walk *walk) {
        if (!*walk->done)
                return 0; /* nothing is above the root */
        leave_last(walk->done);
        return begin_again(walk);
}

/* Whether the link is of what the layer itself had before this tar. */
static bool has_itself(const struct walk *walk) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        char *name = walk->done;

        if (walk->extract->setup.own < 0)
                return false;
        fd = fcntl(walk->extract->setup.own, F_DUPFD_CLOEXEC, 0);
        for (char *slash = strchr(name, '/'); slash && fd >= 0; name = slash + 1, slash = strchr(name, '/')) {
                *slash = '\0';
                set_fd(&fd, openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
                *slash = '/';
        }
        return fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* `done` is a link, with this text, in the directory where the walk is. */
static int follow(struct walk *walk, const char *target) {
        int r;

        if (has_itself(walk))
                return refuse(walk, "which is a link that the layer itself has, not one of the layers below");
        if (walk->links++ >= LINKS_MAX)
                return refuse(walk, "and that through too many links of the layers below");
        if (strlen(target) + 1 + strlen(walk->rest) > EXTRACT_NAME_MAX)
                return refuse(walk, "a link of the layers below, with which it is too long");
        r = join(&walk->rest, target, walk->rest);
        if (r < 0)
                return r;
        leave_last(walk->done);
        return *target == '/' ? begin(walk) : begin_again(walk);
}

/* One component on in what the tar has. -ENOTDIR: that is no directory, as whoever opens it will say. */
static int step_own(struct walk *walk, const char *component) {
        struct stat st;
        int next;

        if (walk->own < 0)
                return 0;
        next = openat(walk->own, component, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
                return extract_errno(walk->extract, errno, "looking for a directory on the way");
        if (next < 0 && errno != ENOENT) {
                if (fstatat(walk->own, component, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return extract_errno(walk->extract, errno, "looking at what is on the way");
                if (!node_is_whiteout(&st))
                        return walk->links == 0 ? -ENOTDIR : refuse(walk, "which is a link or a file of the tar");
                set_fd(&walk->below, -1);
        }
        set_fd(&walk->own, next);
        return 0;
}

/* What lies below has something else than a directory there, and the tar has nothing. */
static int step_aside(struct walk *walk, const char *component) {
        char target[PATH_MAX];
        ssize_t size = readlinkat(walk->below, component, target, sizeof(target) - 1);

        if (size >= 0) {
                target[size] = '\0';
                return follow(walk, target);
        }
        if (errno != EINVAL)
                return extract_errno(walk->extract, errno, "reading a link of the layers below");
        if (walk->links > 0)
                return refuse(walk, "which is a file in the layers below");
        set_fd(&walk->below, -1); /* a directory will hide it */
        return 0;
}

/* The same in what lies below, where that shows through. -ENOTDIR: nobody can look there, as whoever makes the directory will say. */
static int step_below(struct walk *walk, const char *component) {
        int next;

        if (walk->below < 0)
                return 0;
        if (extract_hides(walk->extract, walk->done)) {
                set_fd(&walk->below, -1);
                return 0;
        }
        next = openat(walk->below, component, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && (errno == ENOTDIR || errno == ELOOP) && walk->own < 0)
                return step_aside(walk, component);
        if (next < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
                return errno == EACCES && walk->links == 0 ? -ENOTDIR : extract_below_errno(walk->extract, errno, "looking for what lies below a directory on the way");
        set_fd(&walk->below, next);
        return 0;
}

static int step(struct walk *walk, const char *component) {
        int r;

        if (strcmp(component, ".") == 0 || !*component)
                return 0;
        if (walk->links > 0 && ++walk->steps > STEPS_MAX)
                return worker_fail(walk->extract->worker, FAILURE_INVALID_ARGS, 0, "%s: with the links of the layers below %s is too long a way", walk->extract->name, walk->what);
        if (strcmp(component, "..") == 0)
                return go_up(walk);
        r = join(&walk->done, walk->done, component);
        if (r == 0)
                r = step_own(walk, component);
        return r == 0 ? step_below(walk, component) : r;
}

static int walk_all(struct walk *walk) {
        int r = begin(walk);

        while (r == 0 && *walk->rest) {
                _cleanup_free_ char *component = NULL;
                size_t size = strcspn(walk->rest, "/");

                component = strndup(walk->rest, size);
                if (!component)
                        return -ENOMEM;
                size += walk->rest[size] == '/';
                memmove(walk->rest, walk->rest + size, strlen(walk->rest + size) + 1);
                r = step(walk, component);
        }
        return r;
}

static size_t count_components(const char *name) {
        size_t n = 1;

        for (; *name; name++)
                n += *name == '/';
        return n;
}

int extract_follow(struct extract *extract, const char *what, char **name) {
        _cleanup_(walk_done) struct walk walk = {.extract = extract, .what = what, .own = -1, .below = -1};
        const char *slash = strrchr(*name, '/');
        size_t size = slash ? (size_t) (slash - *name) : 0;
        int r;

        if (size == 0 || extract->setup.below < 0)
                return 0;
        if (extract->parent >= 0 && strncmp(extract->parent_name, *name, size) == 0 && !extract->parent_name[size])
                return 0; /* all of that is the tar's */
        walk.done = strdup("");
        walk.rest = strndup(*name, size);
        if (!walk.done || !walk.rest)
                return -ENOMEM;
        r = walk_all(&walk);
        if (r != 0 || walk.links == 0)
                return r == -ENOTDIR ? 0 : r;
        if (strlen(walk.done) + strlen(slash) > EXTRACT_NAME_MAX || count_components(walk.done) >= EXTRACT_DEPTH_MAX)
                return refuse(&walk, "to which links of the layers below lead, and that is too long");
        return join(name, walk.done, slash + 1);
}
