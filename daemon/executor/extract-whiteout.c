/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whiteouts. overlayfs lists a directory that it does not merge with one below as it is: a whiteout in it is a name that nobody can look at. So there
 * is one only where something shows through that it hides. Root directories are merged whatever they say of themselves: for an opaque one each
 * name that shows through has a whiteout.
 */

#include "executor/extract-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "content/node.h"
#include "executor/merge.h"
#include "util/array.h"

/* What could not be looked at may be there. */
static int not_seen(struct extract *extract, int error, bool *ret) {
        *ret = error == EACCES || error == EPERM; /* an owner that is not mapped; a redirect of overlayfs, which is not followed */
        if (*ret || error == ENOENT || error == ENOTDIR || error == ELOOP)
                return 0;
        return error == ENOMEM ? -ENOMEM : extract_errno(extract, error, "looking for what a whiteout hides");
}

static int has(struct extract *extract, int directory, const char *base, bool *ret) {
        struct stat is;

        if (fstatat(directory, base, &is, AT_SYMLINK_NOFOLLOW) < 0)
                return not_seen(extract, errno, ret);
        *ret = !node_is_whiteout(&is); /* of one layer alone there may be one, which hides nothing there */
        return 0;
}

/* Whether something of the entry's name shows through. */
static int shows(struct extract *extract, const char *base, bool *ret) {
        _cleanup_free_ char *directory = strndup(extract->name, (size_t) (extract->base - extract->name));
        int fd, r;

        *ret = true;
        if (!directory)
                return -ENOMEM;
        if (extract->setup.below < 0)
                return 0; /* nobody knows */
        if (*directory)
                directory[strlen(directory) - 1] = '\0'; /* the slash */
        r = extract_look_below(extract, directory, &fd);
        if (r < 0)
                return not_seen(extract, -r, ret);
        *ret = false;
        return fd < 0 ? 0 : has(extract, fd, base, ret);
}

/* Whether what the layer stands on has something of this name, whatever the layer itself has. */
static int is_under(struct extract *extract, const char *name, bool *ret) {
        struct stat is;
        int r = extract->setup.under < 0 ? 0 : extract_look_in(extract->setup.under, name, &is);

        *ret = r == 1 && !node_is_whiteout(&is);
        return r < 0 ? not_seen(extract, -r, ret) : 0;
}

/* Into a layer that has content: a whiteout hides what that is, too, but may have nothing to hide any more when it is over that. */
static int note(struct extract *extract, const char *name) {
        bool under;
        int r;

        if (extract->setup.notes < 0)
                return 0;
        r = is_under(extract, name, &under);
        return r == 0 ? extract_note(extract, under ? MERGE_WHITEOUT : MERGE_GHOST, name, NULL) : r;
}

static int make(struct extract *extract, struct archive_entry *entry, int directory, const char *base, const char *name) {
        struct timespec times[2];
        char **slot;
        int r = extract_count(extract);

        if (r == 0)
                r = note(extract, name);
        if (r != 0)
                return r;
        slot = array_append(&extract->whiteouts, &extract->n_whiteouts);
        if (!slot)
                return -ENOMEM;
        *slot = strdup(name);
        if (!*slot)
                return -ENOMEM;
        extract_times(entry, times);
        if (mknodat(directory, base, S_IFCHR, 0) < 0 || utimensat(directory, base, times, AT_SYMLINK_NOFOLLOW) < 0)
                return extract_errno(extract, errno, "making the whiteout");
        return 0;
}

/* A whiteout is of what lies below: what the tar itself has under this name stays. */
int extract_write_whiteout(struct extract *extract, struct archive_entry *entry) {
        const char *base;
        struct stat st;
        bool show;
        int directory, r = extract_parent(extract, extract->name, EXTRACT_VISIT, &directory, &base);

        if (r == -ENOTDIR) /* the tar has one of the directory */
                return 0;
        if ((r != 0 && r != -ENOENT) || extract->setup.base)
                return r == -ENOENT ? 0 : r;
        if (r == 0 && fstatat(directory, base, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return S_ISDIR(st.st_mode) ? extract_opaque(extract, extract->name) : 0;
        r = shows(extract, extract->base, &show);
        if (r == 0 && show)
                r = extract_parent(extract, extract->name, EXTRACT_MAKE, &directory, &base);
        return r == 0 && show ? make(extract, entry, directory, base, extract->name) : r;
}

/* One name that the root directory below has. */
static int hide_one(struct extract *extract, struct archive_entry *entry, int below, const char *name) {
        struct stat st;
        bool there;
        int r;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return 0;
        if (worker_progress(extract->worker) < 0)
                return -EPIPE;
        r = has(extract, below, name, &there);
        if (r != 0 || !there)
                return r;
        if (fstatat(extract->setup.root, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return S_ISDIR(st.st_mode) ? extract_opaque(extract, name) : 0;
        return make(extract, entry, extract->setup.root, name, name);
}

static int hide_root(struct extract *extract, struct archive_entry *entry) {
        const struct dirent *one;
        DIR *entries;
        int fd, r = 0;

        if (extract->setup.below < 0 || extract_hides(extract, ""))
                return 0;
        fd = openat(extract->setup.below, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        entries = fd < 0 ? NULL : fdopendir(fd);
        if (!entries) {
                r = extract_errno(extract, errno, "opening the root directory below");
                (void) close_fd(fd);
                return r;
        }
        do {
                errno = 0;
                one = readdir(entries);
                if (one)
                        r = hide_one(extract, entry, fd, one->d_name);
                else if (errno != 0)
                        r = extract_errno(extract, errno, "reading the root directory below");
        } while (r == 0 && one);
        (void) closedir(entries);
        return r == 0 ? extract_hide(extract, "") : r;
}

int extract_write_opaque(struct extract *extract, struct archive_entry *entry) {
        _cleanup_free_ char *within = NULL;
        const char *base;
        int fd, below = -1, r;

        if (extract->setup.base)
                return 0;
        if (!*extract->name)
                return hide_root(extract, entry);
        if (asprintf(&within, "%s/x", extract->name) < 0) {
                within = NULL;
                return -ENOMEM;
        }
        r = extract_parent(extract, within, EXTRACT_VISIT, &fd, &base);
        if (r == -ENOTDIR)
                return 0;
        if (r == -ENOENT && extract->setup.below >= 0 && extract_look_below(extract, extract->name, &below) == 0 && below < 0)
                return 0; /* nothing shows there, not even a directory */
        if (r == -ENOENT)
                r = extract_parent(extract, within, EXTRACT_MAKE, &fd, &base);
        return r != 0 ? r : extract_opaque(extract, extract->name);
}

/* Whether a directory on the way became opaque after the whiteout was made. The root directory has its whiteouts for that. */
static bool is_hidden(const struct extract *extract, char *name) {
        bool hidden = false;

        for (char *slash = strchr(name, '/'); slash && !hidden; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                hidden = extract_hides(extract, name);
                *slash = '/';
        }
        return hidden;
}

/* The directory keeps its times. */
static int drop(struct extract *extract, const char *name) {
        struct stat is, were;
        const char *base;
        int directory, r = extract_parent(extract, name, EXTRACT_SEEK, &directory, &base);

        if (r != 0)
                return r == -ENOENT ? 0 : r;
        if (fstatat(directory, base, &is, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : extract_errno(extract, errno, "looking at a whiteout");
        if (!node_is_whiteout(&is))
                return 0; /* it was replaced later */
        if (fstat(directory, &were) < 0 || unlinkat(directory, base, 0) < 0 ||
            utimensat(directory, ".", (const struct timespec[]) {were.st_atim, were.st_mtim}, 0) < 0)
                return extract_errno(extract, errno, "removing a whiteout");
        return 0;
}

int extract_drop_whiteouts(struct extract *extract) {
        int r = 0;

        for (size_t i = 0; i < extract->n_whiteouts && r == 0; i++)
                if (is_hidden(extract, extract->whiteouts[i]))
                        r = worker_progress(extract->worker) < 0 ? -EPIPE : drop(extract, extract->whiteouts[i]);
        return r;
}

void extract_whiteouts_done(struct extract *extract) {
        for (size_t i = 0; i < extract->n_whiteouts; i++)
                free(extract->whiteouts[i]);
        free(extract->whiteouts);
}
