/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking for files with several names in directories that were moved: seldom there, so that finding none has to be cheap. */

#include "content/moved.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "content/links.h"
#include "util/log.h"

struct search {
        const struct changes *changes;
        struct failure *failure;
        bool found;
};

static int pulse(const struct search *search) {
        return search->changes->pulse ? search->changes->pulse(search->changes->pulse_userdata, search->failure) : 0;
}

static int fail(const struct search *search, const char *name, int r) {
        if (r == -ENOMEM)
                return log_oom();
        return failure_set(search->failure, FAILURE_MOUNT_FAILED, "the directory %s of the layer cannot be read: %s", name, strerror(-r));
}

static bool is_directory(int parent, const struct dirent *entry) {
        struct stat status;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                return false;
        if (entry->d_type == DT_UNKNOWN)
                return node_look(parent, entry->d_name, &status) == 0 && S_ISDIR(status.st_mode);
        return entry->d_type == DT_DIR;
}

static int look_in(struct search *search, int parent, const char *name, size_t depth);

static int look_at(struct search *search, int parent, const char *name, size_t depth) {
        _cleanup_node_ struct node node = NODE_INIT;
        int r = node_read(parent, name, false, &node);

        if (r < 0)
                return fail(search, name, r);
        search->found = node.redirect;
        return search->found ? 0 : look_in(search, parent, name, depth);
}

static int look_at_all(struct search *search, DIR *directory, const char *name, size_t depth) {
        const struct dirent *entry;
        int r = 0;

        while (r == 0 && !search->found) {
                errno = 0;
                entry = readdir(directory);
                if (!entry)
                        return errno != 0 ? fail(search, name, -errno) : 0;
                if (is_directory(dirfd(directory), entry))
                        r = look_at(search, dirfd(directory), entry->d_name, depth);
        }
        return r;
}

static int look_in(struct search *search, int parent, const char *name, size_t depth) {
        DIR *directory;
        int fd, r = pulse(search);

        if (r != 0 || depth > CHANGES_DEPTH_MAX) /* deeper than the walk goes, which says so */
                return r;
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        directory = fd < 0 ? NULL : fdopendir(fd);
        if (!directory) {
                r = fail(search, name, -errno);
                (void) close_fd(fd);
                return r;
        }
        r = look_at_all(search, directory, name, depth + 1);
        (void) closedir(directory);
        return r;
}

/* Of a layer beside what it stands on nothing is told that lies below, but by a redirect. */
static int look_at_change(const struct change *change, void *userdata, struct failure *f) {
        struct search *search = userdata;

        (void) f;
        search->found = change->node && change->part == PLACE_BASE && links_matter(&change->node->status);
        return search->found ? 1 : pulse(search);
}

int moved_links(const struct changes *changes, bool *ret, struct failure *f) {
        struct search search = {.changes = changes, .failure = f};
        int r = look_in(&search, changes->now.root.top, ".", 0);

        *ret = false;
        if (r != 0 || !search.found)
                return r;
        search.found = false;
        r = changes_walk(changes, look_at_change, &search, f);
        *ret = search.found;
        return search.found ? 0 : r;
}
