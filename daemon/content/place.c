/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories of a layer, composed of two. */

#include "content/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "kernel/resolve.h"

enum { LISTING_SIZE = 32 * 1024 };

void place_done(struct place *place) {
        (void) close_fd(place->top);
        (void) close_fd(place->base);
        *place = PLACE_INIT;
}

void names_done(struct names *names) {
        free(names->list);
        free(names->text);
        *names = NAMES_INIT;
}

static int add_name(struct names *names, const char *name) {
        size_t size = strlen(name) + 1;

        if (names->room - names->size < size) {
                size_t room = 2 * names->room + size + 4096;
                char *text = realloc(names->text, room);

                if (!text)
                        return -ENOMEM;
                names->text = text;
                names->room = room;
        }
        memcpy(names->text + names->size, name, size);
        names->size += size;
        names->n++;
        return names->n > NAMES_MAX ? -E2BIG : 0;
}

static bool is_wanted(const struct dirent64 *entry, bool directories) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                return false;
        return !directories || entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
}

static int add_names(struct names *names, int directory, bool directories) {
        _Alignas(struct dirent64) char buffer[LISTING_SIZE];

        for (;;) {
                ssize_t size = getdents64(directory, buffer, sizeof(buffer));

                if (size <= 0)
                        return size < 0 ? -errno : 0;
                for (ssize_t at = 0; at < size;) {
                        const struct dirent64 *entry = (const struct dirent64 *) (const void *) (buffer + at);
                        int r = is_wanted(entry, directories) ? add_name(names, entry->d_name) : 0;

                        if (r < 0)
                                return r;
                        at += entry->d_reclen;
                }
        }
}

int names_add(struct names *names, int directory) {
        return add_names(names, directory, false);
}

int names_add_directories(struct names *names, int directory) {
        return add_names(names, directory, true);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

int names_sort(struct names *names) {
        const char *at = names->text;
        size_t n = 0;

        if (names->n == 0)
                return 0;
        names->list = calloc(names->n, sizeof(*names->list));
        if (!names->list)
                return -ENOMEM;
        for (size_t i = 0; i < names->n; i++, at += strlen(at) + 1)
                names->list[i] = at;
        qsort(names->list, names->n, sizeof(*names->list), compare_names);
        for (size_t i = 0; i < names->n; i++)
                if (n == 0 || strcmp(names->list[n - 1], names->list[i]) != 0)
                        names->list[n++] = names->list[i];
        names->n = n;
        return 0;
}

/* 1, 0 for nothing, 2 for a whiteout. */
static int read_part(const struct view *view, int directory, const char *name, struct node *ret) {
        int r;

        if (directory < 0)
                return 0;
        r = node_read(directory, name, view->trusted, ret);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return node_is_whiteout(&ret->status) ? 2 : 1;
}

int place_read(const struct view *view, const struct place *place, const char *name, struct node *ret, enum place_part *ret_part, uint32_t *ret_foreign) {
        _cleanup_node_ struct node node = NODE_INIT;
        enum place_part part = PLACE_TOP;
        int r = read_part(view, place->top, name, &node);

        if (r == 1 && view->map)
                r = node_map(&node, view->map, ret_foreign) < 0 ? -ERANGE : 1;
        if (r == 0) {
                part = PLACE_BASE;
                r = read_part(view, place->base, name, &node);
        }
        if (r < 0)
                return r;
        *ret_part = r == 1 ? part : PLACE_NOWHERE;
        *ret = NODE_INIT;
        if (r == 1)
                *ret = TAKE_NODE(node);
        return 0;
}

/* Where a redirect, or the entry's own name, leads to below: a directory and a path in it. -ENOENT where there is nothing below. */
static int find_below(const struct view *view, const struct place *place, const char *name, const struct node *node, int *ret_from, const char **ret_path) {
        const char *to = node->redirect ? node->redirect : name;
        bool whole = *to == '/';

        to += strspn(to, "/");
        if (*to == '\0' || (!whole && strchr(to, '/')))
                return -EINVAL;
        *ret_from = whole ? view->root.base : place->base;
        *ret_path = to;
        return *ret_from < 0 ? -ENOENT : 0;
}

/* The directory below that a directory of the layer is one with; *ret_fd stays -1 where there is none. */
static int enter_below(const struct view *view, const struct place *place, const char *name, const struct node *node, int *ret_fd) {
        const char *path;
        int from, r = find_below(view, place, name, node, &from, &path);

        if (r == 0)
                r = resolve_read_beneath(from, path, O_DIRECTORY);
        if (r >= 0)
                *ret_fd = r;
        /* -ELOOP: a directory has taken the place of a symlink. */
        if (r < 0 && !(!node->redirect && (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)))
                return r;
        return 0;
}

int place_enter(const struct view *view, const struct place *place, const char *name, const struct node *node, enum place_part part, struct place *ret) {
        _cleanup_place_ struct place to = PLACE_INIT;
        bool base = part == PLACE_BASE;
        int r, fd = openat(base ? place->base : place->top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *(base ? &to.base : &to.top) = fd;
        /* An opaque directory is complete; a redirect says more than that. */
        if (!base && (node->redirect || (!node->opaque && place->base >= 0))) {
                r = enter_below(view, place, name, node, &to.base);
                if (r < 0)
                        return r;
        }
        *ret = to;
        to = PLACE_INIT;
        return 0;
}

/* What a metacopy is the copy of. */
static int open_original(const struct view *view, const struct place *place, const char *name, const struct node *node, int *ret_fd) {
        _cleanup_close_ int fd = -1;
        struct stat status;
        const char *path;
        int from, r = find_below(view, place, name, node, &from, &path);

        if (r < 0)
                return r;
        r = resolve_read_beneath(from, path, O_NONBLOCK | O_NOCTTY);
        if (r < 0)
                return r;
        fd = r;
        if (fstat(fd, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode) || status.st_size != node->status.st_size)
                return -ENOENT;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int place_open(const struct view *view, const struct place *place, const char *name, const struct node *node, enum place_part part, int *ret_fd) {
        int fd;

        if (part == PLACE_TOP && node->metacopy)
                return open_original(view, place, name, node, ret_fd);
        fd = openat(part == PLACE_BASE ? place->base : place->top, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}
