/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hard links. One may be to what the tar has before it; to what the layer had, which is left to executor/merge.h; or to what a layer below has. That is copied
 * then, once for all links to it, into a directory that is not the layer's (extract_setup.stash), and the link is one to the copy. Under the names that it has below
 * the copy is put into the layer when all of the tar is read, where these show at that time: so what the tar has there, removes or hides later comes
 * out as if it were extracted over the layers below. A link is to what shows of these when it comes.
 */

#include "executor/extract-private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "content/node.h"
#include "executor/merge.h"

/* A copy is called by this number in the stash. */
struct copy {
        char *key; /* device and inode below: its other names are of the same copy */
        uint64_t number;
};

/* A name of one. */
struct wanted {
        char *name;
        const struct copy *copy;
};

enum { KEY_SIZE = 2 * sizeof("18446744073709551615") };

void extract_link_done(struct extract *extract) {
        struct wanted *wanted;
        struct copy *copy;
        char *name;

        if (extract->wanted)
                MAP_FOREACH(wanted, extract->wanted) {
                        free(wanted->name);
                        free(wanted);
                }
        if (extract->copies)
                MAP_FOREACH(copy, extract->copies) {
                        free(copy->key);
                        free(copy);
                }
        if (extract->noted)
                MAP_FOREACH(name, extract->noted)
                        free(name);
        (void) map_free(extract->wanted);
        (void) map_free(extract->copies);
        (void) map_free(extract->noted);
}

static struct map *names(struct map **map) {
        if (!*map)
                *map = map_new(MAP_KEY_STRING);
        return *map;
}

static int put_noted(struct extract *extract) {
        _cleanup_free_ char *name = strdup(extract->name);
        int r = name && names(&extract->noted) ? map_put(extract->noted, name, name) : -ENOMEM;

        if (r == 0)
                name = NULL; /* the map's */
        return r == -EEXIST ? 0 : r;
}

/* Whether a link that is made later has this name, or that of a directory on the way. */
static bool is_noted(const struct extract *extract, char *name) {
        bool found = extract->noted && map_get(extract->noted, name);

        for (char *slash = extract->noted ? strchr(name, '/') : NULL; slash && !found; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                found = map_get(extract->noted, name);
                *slash = '/';
        }
        return found;
}

/* What it is a hard link to may be there when this is put over what the layer has. */
static int link_later(struct extract *extract, int directory, const char *name) {
        int r;

        if (extract->setup.notes < 0 && extract->setup.below < 0)
                return worker_fail(extract->worker, FAILURE_INVALID_ARGS, 0, "%s: it is a hard link to %s, which the tar does not have before it, or which is a directory",
                                   extract->name, extract->link);
        if (extract->setup.notes < 0)
                return worker_fail(extract->worker, FAILURE_INVALID_ARGS, 0,
                                   "%s: it is a hard link to what the tar does not have before it, nor do the layers below show it: %s is not there, is hidden, or is a directory",
                                   extract->name, extract->link);
        r = extract_remove(extract, directory, name);
        if (r == 0)
                r = extract_note(extract, MERGE_LINK, extract->name, extract->link);
        return r == 0 ? put_noted(extract) : r;
}

/* Whether nothing that the tar has, removes or hides is in the way of what lies below at this name. 1, 0, or a negative errno. */
static int shows(struct extract *extract, char *name) {
        struct stat is;
        int r = is_noted(extract, name) ? 1 : extract_look_in(extract->setup.root, name, &is);

        if (r != 0)
                return r == 1 || r == -ENOTDIR ? 0 : r;
        return 1;
}

/* extract->below and *ret: what lies below at this name and is no directory. -ENOENT: that does not show. */
static int find_below(struct extract *extract, char *name, const char **ret_base, struct stat *ret) {
        char *slash = strrchr(name, '/');
        int r = shows(extract, name);

        if (r <= 0)
                return r == 0 ? -ENOENT : r;
        *ret_base = slash ? slash + 1 : name;
        if (slash)
                *slash = '\0';
        r = extract_find_below(extract, slash ? name : "");
        if (slash)
                *slash = '/';
        if (r < 0)
                return r;
        if (extract->below < 0)
                return -ENOENT;
        if (fstatat(extract->below, *ret_base, ret, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return S_ISDIR(ret->st_mode) || node_is_whiteout(ret) ? -ENOENT : 0;
}

static int find_failed(struct extract *extract, int error) {
        if (error == EACCES && extract->setup.idmap) /* nobody has the powers of such an owner */
                return extract_not_mapped(extract, "directory of", extract->link);
        return extract_below_errno(extract, error, "looking for what it is a hard link to in the layers below");
}

static int name_copy(char name[static KEY_SIZE], const struct copy *copy) {
        return snprintf(name, KEY_SIZE, "%" PRIu64, copy->number); /* always fits */
}

/* The copy of this file, made if there is none yet. 0; a negative errno; or a failure. */
static int get_copy(struct extract *extract, const char *base, const struct stat *is, const struct copy **ret) {
        char key[KEY_SIZE], name[KEY_SIZE];
        struct copy *copy;
        int r;

        if (!names(&extract->copies))
                return -ENOMEM;
        (void) snprintf(key, sizeof(key), "%" PRIu64 ":%" PRIu64, (uint64_t) is->st_dev, (uint64_t) is->st_ino);
        *ret = map_get(extract->copies, key);
        if (*ret)
                return 0;
        copy = calloc(1, sizeof(*copy));
        if (!copy)
                return -ENOMEM;
        copy->key = strdup(key);
        copy->number = map_size(extract->copies);
        r = copy->key ? map_put(extract->copies, copy->key, copy) : -ENOMEM;
        if (r < 0) {
                free(copy->key);
                free(copy);
                return r;
        }
        *ret = copy;
        (void) name_copy(name, copy);
        return extract_copy(extract, extract->below, base, is, extract->setup.stash, name);
}

static int want(struct extract *extract, const struct copy *copy) {
        struct wanted *wanted;
        int r;

        if (!names(&extract->wanted))
                return -ENOMEM;
        if (map_get(extract->wanted, extract->link))
                return 0; /* what lies below stays what it is */
        wanted = calloc(1, sizeof(*wanted));
        if (!wanted)
                return -ENOMEM;
        *wanted = (struct wanted) {.name = strdup(extract->link), .copy = copy};
        r = wanted->name ? map_put(extract->wanted, wanted->name, wanted) : -ENOMEM;
        if (r < 0) {
                free(wanted->name);
                free(wanted);
        }
        return r;
}

/* Whether what the link is to is in the entry's own way: that would be gone before. */
static bool is_above(const char *name, const char *other) {
        size_t size = strlen(name);

        return strncmp(name, other, size) == 0 && other[size] == '/';
}

/* Gives what is called `from` in one directory another name in another, in the place of what has that. -ENOENT, -EPERM: that cannot be had. */
static int replace(struct extract *extract, int directory, const char *from, int to, const char *name) {
        int r;

        if (linkat(directory, from, to, name, 0) == 0)
                return 0;
        if (errno == EEXIST) {
                r = extract_remove(extract, to, name);
                if (r != 0 || linkat(directory, from, to, name, 0) == 0)
                        return r;
        }
        return errno == ENOENT || errno == EPERM ? -errno : extract_errno(extract, errno, "making the hard link");
}

/* The tar has nothing of that name before it. */
static int link_below(struct extract *extract, int directory, const char *name) {
        const struct copy *copy;
        char number[KEY_SIZE];
        const char *base;
        struct stat is;
        int r;

        if (extract->setup.below < 0 || !*extract->link || is_above(extract->name, extract->link))
                return link_later(extract, directory, name);
        r = extract->setup.own >= 0 ? extract_look_in(extract->setup.own, extract->link, &is) : 0;
        if (r == 1)
                return link_later(extract, directory, name);
        if (r < 0 && r != -ENOTDIR)
                return extract_errno(extract, -r, "looking for what it is a hard link to in the layer");
        r = find_below(extract, extract->link, &base, &is);
        if (r == -ENOENT)
                return link_later(extract, directory, name);
        if (r < 0)
                return r == -ENOMEM ? r : find_failed(extract, -r);
        r = get_copy(extract, base, &is, &copy);
        if (r == 0)
                r = want(extract, copy);
        if (r != 0)
                return r;
        (void) name_copy(number, copy);
        r = replace(extract, extract->setup.stash, number, directory, name);
        return r < 0 ? extract_errno(extract, -r, "making the hard link") : r;
}

static int link_now(struct extract *extract, int from, const char *base, int directory, const char *name) {
        struct stat is;
        int r;

        if (fstatat(from, base, &is, AT_SYMLINK_NOFOLLOW) == 0 && node_is_whiteout(&is))
                return link_later(extract, directory, name);
        r = replace(extract, from, base, directory, name);
        if (r == -ENOENT)
                return link_below(extract, directory, name);
        return r == -EPERM ? link_later(extract, directory, name) : r;
}

int extract_write_link(struct extract *extract, int directory, const char *name) {
        const bool find = extract->setup.notes < 0 && extract->setup.below < 0;
        _cleanup_close_ int own = fcntl(directory, F_DUPFD_CLOEXEC, 0);
        const char *base;
        int from, r;

        if (own < 0)
                return -errno;
        if (strcmp(extract->link, extract->name) == 0)
                return extract_fail(extract, FAILURE_INVALID_ARGS, 0, "it is a hard link to itself");
        r = extract_parent(extract, extract->link, find ? EXTRACT_FIND : EXTRACT_SEEK, &from, &base);
        if (r == 0 || r == -ENOENT) {
                int counted = extract_count(extract);

                if (counted != 0)
                        return counted;
        }
        if (r == -ENOENT)
                return link_below(extract, own, name);
        return r == 0 ? link_now(extract, from, base, own, name) : r;
}

/* One name of a copy, if what lies below shows there still. */
static int place(struct extract *extract, const struct wanted *wanted) {
        char number[KEY_SIZE];
        const char *base;
        struct stat is;
        int directory, r = find_below(extract, wanted->name, &base, &is);

        if (r < 0)
                return r == -ENOENT ? 0 : r == -ENOMEM ? r : find_failed(extract, -r);
        r = extract_parent(extract, wanted->name, EXTRACT_MAKE, &directory, &base);
        if (r == 0)
                r = extract_count(extract);
        if (r != 0)
                return r;
        (void) name_copy(number, wanted->copy);
        return linkat(extract->setup.stash, number, directory, base, 0) < 0 ? extract_errno(extract, errno, "giving a copy its own name") : 0;
}

int extract_place_copies(struct extract *extract) {
        const struct wanted *wanted;
        const struct copy *copy;
        char number[KEY_SIZE];
        int r = 0;

        if (!extract->wanted)
                return 0;
        MAP_FOREACH(wanted, extract->wanted) {
                free(extract->name); /* for messages */
                free(extract->link);
                extract->name = strdup(wanted->name);
                extract->link = strdup(wanted->name);
                r = extract->name && extract->link ? place(extract, wanted) : -ENOMEM;
                if (r == 0 && worker_progress(extract->worker) < 0)
                        r = -EPIPE;
                if (r != 0)
                        return r;
        }
        MAP_FOREACH(copy, extract->copies) {
                (void) name_copy(number, copy);
                if (unlinkat(extract->setup.stash, number, 0) < 0)
                        return extract_errno(extract, errno, "removing a name of a copy");
        }
        return 0;
}
