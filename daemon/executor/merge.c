/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The old tree is walked beside the new one, without recursion. Its names are of anybody's making: each is given to the kernel alone, and
 * never followed.
 */

#include "executor/merge.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/layer.h"
#include "executor/merge-private.h"
#include "util/array.h"

/* A directory of the old tree, and that of the new one. */
struct level {
        DIR *entries;
        int new;
        struct stat as; /* what the new one is to have at last… */
        bool made;      /* …with the attributes of the old one, after which it was made */
};

struct walk {
        struct merge *merge;
        struct level *levels;
        size_t n_levels;
};

static void walk_done(struct walk *walk) {
        for (size_t i = 0; i < walk->n_levels; i++) {
                (void) closedir(walk->levels[i].entries);
                (void) close_fd(walk->levels[i].new);
        }
        free(walk->levels);
}

int merge_failed(struct merge *merge, const char *name, int error, const char *what) {
        if (error == ENOMEM)
                return -ENOMEM;
        if (error == ENOSPC || error == EDQUOT)
                return worker_fail(merge->worker, FAILURE_QUOTA_EXCEEDED, error, "%s, which the layer has: the file system of the state directory is full", name);
        return worker_fail(merge->worker, FAILURE_MOUNT_FAILED, error, "%s, which the layer has: %s", name, what);
}

int merge_charge(struct merge *merge, const char *name, uint64_t inodes, uint64_t bytes) {
        uint64_t *figures = worker_figures(merge->worker), *of_bytes = &figures[merge->setup->bytes_figure], *of_inodes = &figures[merge->setup->inodes_figure];

        if (inodes > merge->setup->inodes_max - *of_inodes)
                return worker_fail(merge->worker, FAILURE_QUOTA_EXCEEDED, 0,
                                   "with %s, which the layer has, there are more files and directories than the caller may have (LayerInodesPerUser=)", name);
        if (bytes > merge->setup->bytes_max - *of_bytes)
                return worker_fail(merge->worker, FAILURE_QUOTA_EXCEEDED, 0,
                                   "with %s, which the layer has, there are more bytes than the caller may have (LayerBytesPerUser=)", name);
        *of_inodes += inodes;
        *of_bytes += bytes;
        return worker_progress(merge->worker) < 0 ? -EPIPE : 0;
}

/* 1, 0, or a negative errno: an answer that was not got would bring back what the tar has deleted. */
int merge_is_opaque(int directory) {
        char value = '\0';

        if (fgetxattr(directory, MERGE_OPAQUE, &value, 1) >= 0)
                return value == 'y';
        return errno == ENODATA || errno == EOPNOTSUPP || errno == ERANGE ? 0 : -errno;
}

/* Goes down into a directory that both have. What the new one hides is left out. */
static int enter(struct walk *walk, int old, int new, const char *name, bool made) {
        _cleanup_close_ int from = openat(old, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_close_ int to = openat(new, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct level *level;
        struct stat as;
        DIR *entries;
        int r;

        if (from < 0 || to < 0 || fstat(made ? from : to, &as) < 0)
                return merge_failed(walk->merge, name, errno, "opening the directory");
        r = made ? 0 : merge_is_opaque(to);
        if (r != 0)
                return r < 0 ? merge_failed(walk->merge, name, -r, "looking whether it hides what the layer has") : 0;
        if (walk->n_levels >= MERGE_DEPTH_MAX)
                return worker_fail(walk->merge->worker, FAILURE_NOT_SUPPORTED, 0, "%s: what the layer has is more than %d directories deep", name, MERGE_DEPTH_MAX);
        level = array_append(&walk->levels, &walk->n_levels);
        if (!level)
                return -ENOMEM;
        entries = fdopendir(from);
        if (!entries) {
                walk->n_levels--;
                return merge_failed(walk->merge, name, errno, "reading the directory");
        }
        (void) TAKE_FD(from); /* the stream's */
        *level = (struct level) {.entries = entries, .new = TAKE_FD(to), .as = as, .made = made};
        return 0;
}

/* Out of it again: its times are those it had, or those of the one that it is like. */
static int leave(struct walk *walk) {
        struct level *level = &walk->levels[walk->n_levels - 1];
        const struct timespec times[] = {level->as.st_atim, level->as.st_mtim};
        int r = merge_attributes(walk->merge, dirfd(level->entries), level->new, level->made);

        if (r == 0 && level->made && (fchown(level->new, level->as.st_uid, level->as.st_gid) < 0 || fchmod(level->new, level->as.st_mode & 07777) < 0))
                r = merge_failed(walk->merge, "a directory", errno, "setting owner and mode");
        /* With an ACL the bits of the group are its mask: that is the same in both. */
        if (r == 0 && futimens(level->new, times) < 0)
                r = merge_failed(walk->merge, "a directory", errno, "setting its times");
        (void) closedir(level->entries);
        (void) close_fd(level->new);
        walk->n_levels--;
        return r;
}

static int make_directory(struct walk *walk, int old, int new, const char *name) {
        int r = merge_charge(walk->merge, name, 1, 0);

        if (r != 0)
                return r;
        if (mkdirat(new, name, 0700) < 0)
                return merge_failed(walk->merge, name, errno, "making the directory");
        return enter(walk, old, new, name, true);
}

/* Nothing of what lies below has shown through a file or a whiteout, and so it does not now. */
static int hide(struct walk *walk, int new, const char *name) {
        _cleanup_close_ int fd = -1;

        if (walk->merge->setup->base)
                return 0;
        fd = openat(new, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 || fsetxattr(fd, MERGE_OPAQUE, "y", 1, 0) < 0 ? merge_failed(walk->merge, name, errno, "making the directory opaque") : 0;
}

static int one_entry(struct walk *walk, const char *name) {
        const struct level *level = &walk->levels[walk->n_levels - 1];
        const int old = dirfd(level->entries), new = level->new;
        struct stat is, other;
        bool there = false;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return 0;
        if (fstatat(old, name, &is, AT_SYMLINK_NOFOLLOW) < 0)
                return merge_failed(walk->merge, name, errno, "looking at it");
        if (!level->made) {
                there = fstatat(new, name, &other, AT_SYMLINK_NOFOLLOW) == 0;
                if (!there && errno != ENOENT)
                        return merge_failed(walk->merge, name, errno, "looking at what the tar has in its place");
        }
        if (!there)
                return S_ISDIR(is.st_mode) ? make_directory(walk, old, new, name) : merge_link(walk->merge, old, new, name, &is);
        if (!S_ISDIR(other.st_mode))
                return 0;
        return S_ISDIR(is.st_mode) ? enter(walk, old, new, name, false) : hide(walk, new, name);
}

static int walk_all(struct merge *merge) {
        _cleanup_(walk_done) struct walk walk = {.merge = merge};
        int r = enter(&walk, merge->setup->old, merge->setup->new, ".", false);

        while (r == 0 && walk.n_levels > 0) {
                struct level *level = &walk.levels[walk.n_levels - 1];
                const struct dirent *entry;

                errno = 0;
                entry = readdir(level->entries);
                if (!entry && errno != 0)
                        r = merge_failed(merge, "a directory", errno, "reading it");
                else
                        r = entry ? one_entry(&walk, entry->d_name) : leave(&walk);
        }
        return r;
}

static int mark(struct merge *merge, bool opaque) {
        int r = layer_mark_opaque(merge->setup->new, merge->setup->opaque, opaque, NULL);

        return r < 0 ? merge_failed(merge, "a directory", -r, "making it opaque") : 0;
}

static int settle(struct merge *merge) {
        const struct merge_setup *setup = merge->setup;

        if (ftruncate(setup->opaque, 0) < 0 || ftruncate(setup->notes, 0) < 0 || syncfs(setup->new) < 0)
                return merge_failed(merge, "a directory", errno, "bringing it onto the disk");
        return 0;
}

int merge_trees(struct worker *worker, const struct merge_setup *setup) {
        struct merge merge = {.worker = worker, .setup = setup, .copy = -1};
        int r = mark(&merge, true);

        if (r == 0)
                r = merge_notes(&merge, MERGE_LINK);
        if (r == 0)
                r = walk_all(&merge);
        if (r == 0)
                r = merge_notes(&merge, MERGE_WHITEOUT);
        if (r == 0 && setup->base)
                r = mark(&merge, false);
        if (r == 0)
                r = settle(&merge);
        merge_notes_done(&merge);
        (void) map_free(merge.charged);
        (void) close_fd(merge.copy);
        return r;
}
