/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STEP_LAYER_PURGE: removes a tree that anybody may have filled. Nothing recurses, and no path grows with the tree's depth:
 * a directory in a directory is moved up to the top first, so that there is nothing deeper than two levels. A crash leaves
 * less of the same. Big trees are removed in portions, a job each, so that no executor is gone for long.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "executor/layer.h"
#include "plan/layer.h"
#include "util/log.h"

enum { PURGE_ENTRIES = 8192 /* in one job: tens of milliseconds */ };

struct clearing {
        int top;
        size_t *budget;
        uint64_t moved; /* what the last directory that was moved up is called */
};

static bool is_dot(const char *name) {
        return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *open_entries(int directory, const char *name) {
        int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *entries = fd < 0 ? NULL : fdopendir(fd);

        if (!entries)
                (void) close_fd(fd);
        return entries;
}

/* Gives a directory a new name at the top. */
static int move_up(struct clearing *clearing, int directory, const char *name) {
        char to[sizeof("18446744073709551615")];
        int r;

        for (;;) {
                (void) snprintf(to, sizeof(to), "%" PRIu64, ++clearing->moved); /* always fits */
                r = layer_rename(directory, name, clearing->top, to);
                if (r != -EEXIST)
                        return r;
        }
}

/* Unlinks what is no directory: 0; 1 for one that is. unlink(2) says EISDIR, POSIX says EPERM. */
static int unlink_one(int directory, const char *name) {
        struct stat st;

        if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno == EISDIR)
                return 1;
        if (errno != EPERM || fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? 1 : -EPERM;
}

/* Empties a directory at the top: what is in it goes, or up. 1: the budget is spent. */
static int empty_one(struct clearing *clearing, const char *name) {
        _cleanup_closedir_ DIR *entries = open_entries(clearing->top, name);
        int r;

        if (!entries)
                return -errno;
        errno = 0;
        for (struct dirent *entry; (entry = readdir(entries)); errno = 0) {
                if (is_dot(entry->d_name))
                        continue;
                if (*clearing->budget == 0)
                        return 1;
                (*clearing->budget)--;
                r = unlink_one(dirfd(entries), entry->d_name);
                if (r > 0 && unlinkat(dirfd(entries), entry->d_name, AT_REMOVEDIR) == 0)
                        r = 0;
                if (r > 0)
                        r = errno == ENOTEMPTY || errno == EEXIST ? move_up(clearing, dirfd(entries), entry->d_name) : -errno;
                if (r < 0)
                        return r;
        }
        return -errno;
}

/* One look at everything at the top. *ret_some: there was anything. */
static int clear_top(struct clearing *clearing, bool *ret_some) {
        _cleanup_closedir_ DIR *entries = open_entries(clearing->top, ".");
        int r;

        if (!entries)
                return -errno;
        errno = 0;
        for (struct dirent *entry; (entry = readdir(entries)); errno = 0) {
                if (is_dot(entry->d_name))
                        continue;
                *ret_some = true;
                if (*clearing->budget == 0)
                        return 1;
                (*clearing->budget)--;
                r = unlink_one(clearing->top, entry->d_name);
                if (r > 0)
                        r = empty_one(clearing, entry->d_name);
                if (r != 0)
                        return r;
                if (unlinkat(clearing->top, entry->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY)
                        return -errno;
        }
        return -errno;
}

int layer_clear(int directory, const char *name, size_t *budget) {
        _cleanup_close_ int top = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct clearing clearing = {.top = top, .budget = budget};
        struct timespec now;
        bool some = true;
        int r = 0;

        if (top < 0)
                return errno == ENOENT ? 0 : -errno;
        /* What an earlier job has moved up has lower numbers. */
        (void) clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
        clearing.moved = (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
        while (some && r == 0) {
                some = false;
                r = clear_top(&clearing, &some);
        }
        if (r != 0)
                return r;
        return unlinkat(directory, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int hand_layer_purge(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_free_ char *new = layer_new_name(step->serial), *old = layer_removing_name(step->target, step->serial);
        size_t budget = PURGE_ENTRIES;
        const int layers = run->executor->layers_fd;
        int r = layer_check(run);

        if (r != 0)
                return r;
        if (!new || !old)
                return log_oom();
        r = layer_clear(layers, new, &budget);
        if (r == 0)
                r = layer_clear(layers, old, &budget);
        if (r < 0)
                return layer_failed(run, "removing what is left of", step->target, r);
        run->result->steps[i].attributes = r > 0 ? PURGE_MORE : PURGE_DONE;
        /* The record goes next: it must not go before what it names. */
        if (r == 0)
                r = layer_sync(layers, "");
        return r < 0 ? layer_failed(run, "removing what is left of", step->target, r) : 0;
}
