/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names are those of a tar, cleaned, but no less a stranger's. The directories that they are in keep their times. */

#include "executor/merge-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "content/node.h"
#include "executor/layer.h"

/* The directory that the last component of a name is in: 0; 1: there is none. */
static int open_parent(int root, char *name, int *ret_fd, const char **ret_base) {
        char *base = strrchr(name, '/');
        int r;

        *ret_base = base ? base + 1 : name;
        if (base)
                *base = '\0';
        r = layer_walk(root, base ? name : "", ret_fd);
        if (base)
                *base = '/';
        return r == -ENOENT ? 1 : r;
}

static int keep_times(struct merge *merge, const char *name, int directory, const struct stat *were) {
        const struct timespec times[] = {were->st_atim, were->st_mtim};

        return futimens(directory, times) < 0 ? merge_failed(merge, name, errno, "setting the times of the directory") : 0;
}

/* A name that a note has made: 1 if one has before. */
static int remember(struct merge *merge, const char *name) {
        _cleanup_free_ char *copy = NULL;
        int r;

        if (!merge->linked)
                merge->linked = map_new(MAP_KEY_STRING);
        if (!merge->linked)
                return -ENOMEM;
        if (map_get(merge->linked, name))
                return 1;
        copy = strdup(name);
        r = copy ? map_put(merge->linked, copy, copy) : -ENOMEM;
        if (r == 0)
                copy = NULL; /* the map's */
        return r;
}

void merge_notes_done(struct merge *merge) {
        char *name;

        if (merge->linked)
                MAP_FOREACH(name, merge->linked)
                        free(name);
        (void) map_free(merge->linked);
}

/* 0; 1: it is not in this tree. */
static int link_from(struct merge *merge, int root, char *target, int directory, const char *base) {
        _cleanup_close_ int from = -1;
        const char *name;
        struct stat is;
        int r = open_parent(root, target, &from, &name);

        if (r != 0)
                return r < 0 ? merge_failed(merge, target, -r, "opening a directory on the way") : r;
        if (fstatat(from, name, &is, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 1 : merge_failed(merge, target, errno, "looking at it");
        if (node_is_whiteout(&is))
                return 1;
        if (linkat(from, name, directory, base, 0) == 0)
                return 0;
        return errno == ENOENT || errno == EPERM ? 1 : merge_failed(merge, target, errno, "making a hard link to it");
}

static int link_in(struct merge *merge, char *name, char *target, int directory, const char *base) {
        const bool made = merge->linked && map_get(merge->linked, target); /* by a note before: that is what the tar means */
        const int first = made ? merge->setup->new : merge->setup->old, second = made ? merge->setup->old : merge->setup->new;
        int from = first, r = link_from(merge, from, target, directory, base);
        struct stat is;

        if (r == 1) {
                from = second;
                r = link_from(merge, from, target, directory, base);
        }
        if (r == 1)
                return worker_fail(merge->worker, FAILURE_INVALID_ARGS, 0, "%s: it is a hard link to %s, which neither the tar has before it nor the layer, or which is a directory",
                                name, target);
        if (r != 0 || from == merge->setup->new) /* what the tar has is counted */
                return r;
        if (fstatat(directory, base, &is, AT_SYMLINK_NOFOLLOW) < 0)
                return merge_failed(merge, name, errno, "looking at it");
        return merge_charge_file(merge, directory, base, 0, &is);
}

static int make_link(struct merge *merge, char *name, char *target) {
        _cleanup_close_ int directory = -1;
        struct stat were, st;
        const char *base;
        int r = open_parent(merge->setup->new, name, &directory, &base);

        if (r != 0)
                return r < 0 ? merge_failed(merge, name, -r, "opening a directory on the way") : 0; /* it was replaced later */
        if (fstat(directory, &were) < 0)
                return merge_failed(merge, name, errno, "looking at the directory");
        r = fstatat(directory, base, &st, AT_SYMLINK_NOFOLLOW) == 0;
        if (r && !node_is_whiteout(&st) && !(merge->linked && map_get(merge->linked, name)))
                return 0; /* an entry of this name came later */
        if (r && unlinkat(directory, base, 0) < 0)
                return merge_failed(merge, name, errno, "removing what it replaces");
        r = remember(merge, name);
        if (r >= 0)
                r = link_in(merge, name, target, directory, base);
        return r == 0 ? keep_times(merge, name, directory, &were) : r;
}

/* Whether a directory on the way is opaque: 1, 0, or a failure of ours. That of the root directory is merged in any case. */
static int is_in_opaque(struct merge *merge, char *name) {
        _cleanup_close_ int fd = fcntl(merge->setup->new, F_DUPFD_CLOEXEC, 0);
        int r = fd < 0 ? -errno : 0;

        for (char *at = name, *slash = strchr(at, '/'); slash && r == 0; at = slash + 1, slash = strchr(at, '/')) {
                int next;

                *slash = '\0';
                next = openat(fd, at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                r = next < 0 ? -errno : merge_is_opaque(next);
                *slash = '/';
                (void) close_fd(fd);
                fd = next;
        }
        return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? 0 : r; /* it was replaced later */
}

/* There is nothing below to hide any more. */
static int drop_whiteout(struct merge *merge, char *name) {
        _cleanup_close_ int directory = -1;
        struct stat were, st;
        const char *base;
        int r = open_parent(merge->setup->new, name, &directory, &base);

        if (r != 0)
                return r < 0 ? merge_failed(merge, name, -r, "opening a directory on the way") : 0;
        if (fstatat(directory, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : merge_failed(merge, name, errno, "looking at a whiteout");
        if (!node_is_whiteout(&st))
                return 0; /* it was replaced later */
        if (fstat(directory, &were) < 0 || unlinkat(directory, base, 0) < 0)
                return merge_failed(merge, name, errno, "removing a whiteout");
        return keep_times(merge, name, directory, &were);
}

static int take_whiteout(struct merge *merge, char *name, bool ghost) {
        int r = ghost || merge->setup->base ? 1 : is_in_opaque(merge, name);

        if (r < 0)
                return merge_failed(merge, name, -r, "looking whether there is anything for a whiteout to hide");
        return r > 0 ? drop_whiteout(merge, name) : 0;
}

/* A link has two texts. */
static int take_note(struct merge *merge, FILE *file, char *note, char **target, size_t *room, char kind) {
        if (note[0] == MERGE_LINK && getdelim(target, room, '\0', file) <= 0)
                return -EBADMSG;
        if (note[0] == MERGE_LINK)
                return kind == MERGE_LINK ? make_link(merge, note + 1, *target) : 0;
        return kind == MERGE_LINK ? 0 : take_whiteout(merge, note + 1, note[0] == MERGE_GHOST);
}

int merge_notes(struct merge *merge, char kind) {
        _cleanup_fclose_ FILE *file = NULL;
        _cleanup_free_ char *note = NULL, *target = NULL;
        size_t room = 0, target_room = 0;
        int fd = fcntl(merge->setup->notes, F_DUPFD_CLOEXEC, 0), r = 0;

        file = fd < 0 || lseek(fd, 0, SEEK_SET) < 0 ? NULL : fdopen(fd, "re");
        if (!file) {
                r = -errno;
                (void) close_fd(fd);
                return r;
        }
        while (r == 0 && getdelim(&note, &room, '\0', file) > 0)
                r = worker_progress(merge->worker) < 0 ? -EPIPE : take_note(merge, file, note, &target, &target_room, kind);
        return r == 0 && !feof(file) ? -errno : r;
}
