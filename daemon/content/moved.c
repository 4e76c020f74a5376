/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking for files with several names in directories that were moved: seldom there, so that finding none has to be cheap. */

#include "content/moved.h"

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

static int look_in(struct search *search, int parent, const char *name, size_t depth);

static int look_at_all(struct search *search, int directory, const char *name, size_t depth) {
        _cleanup_names_ struct names names = NAMES_INIT;
        int r = names_add_directories(&names, directory);

        if (r == 0)
                r = names_sort(&names);
        if (r < 0)
                return fail(search, name, r);
        for (size_t i = 0; i < names.n && r == 0 && !search->found; i++)
                r = look_in(search, directory, names.list[i], depth + 1);
        return r;
}

static int look_in(struct search *search, int parent, const char *name, size_t depth) {
        _cleanup_close_ int fd = -1;
        int r = pulse(search);

        if (r != 0 || depth > CHANGES_DEPTH_MAX) /* deeper than the walk goes, which says so */
                return r;
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOTDIR || errno == ELOOP ? 0 : fail(search, name, -errno);
        r = node_is_moved(fd, &search->found);
        if (r < 0)
                return fail(search, name, r);
        return search->found ? 0 : look_at_all(search, fd, name, depth);
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
