/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A walk through one tree beside another. */

#include "content/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util/array.h"
#include "util/log.h"

enum { COMPARE_SIZE = 64 * 1024 };

/* A directory on the way down. */
struct level {
        struct place now, then;
        bool alone;   /* only what is in now.top is looked at, whatever else is in `then` */
        bool shared;  /* then.base is now.base: what a directory of a layer lies on is what was there before */
        bool covered;
        struct names names;
        size_t next;
        size_t path_size; /* of its path */
};

#define LEVEL_INIT ((struct level) {.now = PLACE_INIT, .then = PLACE_INIT})

struct walk {
        const struct changes *changes;
        change_fn change;
        void *userdata;
        struct failure *failure;
        struct level *levels;
        size_t n_levels;
        char *path;
        size_t path_size, path_room;
};

static void level_done(struct level *level) {
        if (level->shared)
                level->then.base = -1;
        place_done(&level->now);
        place_done(&level->then);
        names_done(&level->names);
}

static void walk_done(struct walk *walk) {
        for (size_t i = 0; i < walk->n_levels; i++)
                level_done(&walk->levels[i]);
        free(walk->levels);
        free(walk->path);
}

static int set_path(struct walk *walk, size_t parent, const char *name) {
        size_t size = strlen(name), at = parent + (parent > 0);

        if (at + size + 1 > walk->path_room) {
                size_t room = 2 * (at + size + 1);
                char *path = realloc(walk->path, room);

                if (!path)
                        return log_oom();
                walk->path = path;
                walk->path_room = room;
        }
        if (parent > 0)
                walk->path[parent] = '/';
        memcpy(walk->path + at, name, size + 1);
        walk->path_size = at + size;
        return 0;
}

/* What went wrong with the entry that is being looked at. */
static int fail(struct walk *walk, int r, uint32_t foreign) {
        const char *path = walk->path;

        if (r == -ENOMEM)
                return log_oom();
        if (r == -ERANGE)
                return failure_set(walk->failure, FAILURE_NOT_SUPPORTED, "/%s is of the id %u, which the mappings of the layer do not name", path, foreign);
        if (r == -E2BIG)
                return failure_set(walk->failure, FAILURE_NOT_SUPPORTED, "/%s has more than %d entries", path, NAMES_MAX);
        return failure_set(walk->failure, FAILURE_MOUNT_FAILED, "/%s cannot be read: %s", path, strerror(-r));
}

/* What is read of both files at a time, and where they are. */
struct comparison {
        int fds[2];
        off_t at, size;
        bool holes; /* there may be some */
};

static int begin_comparison(struct comparison *comparison) {
        for (size_t i = 0; i < ELEMENTSOF(comparison->fds); i++) {
                struct stat status;

                if (fstat(comparison->fds[i], &status) < 0)
                        return -errno;
                if (status.st_blocks < status.st_size / 512)
                        comparison->holes = true;
                if (status.st_size > comparison->size)
                        comparison->size = status.st_size;
        }
        return 0;
}

/* Goes to where one of them has data, for where neither has any they are the same. 0 when there is none any more. */
static int skip_holes(struct comparison *comparison) {
        off_t next = comparison->size;

        for (size_t i = 0; i < ELEMENTSOF(comparison->fds) && comparison->holes; i++) {
                off_t data = lseek(comparison->fds[i], comparison->at, SEEK_DATA);

                if (data < 0 && errno != ENXIO)
                        data = comparison->at; /* nobody says where holes are */
                if (data >= 0 && data < next)
                        next = data;
        }
        if (comparison->holes && next > comparison->at)
                comparison->at = next;
        return comparison->at < comparison->size;
}

static ssize_t read_at(int fd, char *buffer, off_t at) {
        size_t n = 0;

        while (n < COMPARE_SIZE) {
                ssize_t got = pread(fd, buffer + n, COMPARE_SIZE - n, at + (off_t) n);

                if (got < 0 && errno != EINTR)
                        return -errno;
                if (got == 0)
                        break;
                n += got > 0 ? (size_t) got : 0;
        }
        return (ssize_t) n;
}

/* 1: they are the same. Costs what they hold, not what size they have. */
static int compare_contents(struct walk *walk, int a, int b) {
        _cleanup_free_ char *buffer = malloc(2 * COMPARE_SIZE);
        struct comparison comparison = {.fds = {a, b}};
        int r = buffer ? begin_comparison(&comparison) : -ENOMEM;

        if (r < 0)
                return fail(walk, r, 0);
        while (skip_holes(&comparison)) {
                ssize_t n = read_at(a, buffer, comparison.at), m = n < 0 ? n : read_at(b, buffer + COMPARE_SIZE, comparison.at);

                if (n < 0 || m < 0)
                        return fail(walk, (int) (n < 0 ? n : m), 0);
                if (n != m || memcmp(buffer, buffer + COMPARE_SIZE, (size_t) n) != 0)
                        return 0;
                if (n == 0)
                        break; /* both became shorter */
                comparison.at += n;
                r = walk->changes->pulse ? walk->changes->pulse(walk->changes->pulse_userdata, walk->failure) : 0;
                if (r != 0)
                        return r < 0 ? r : -ECANCELED;
        }
        return 1;
}

/* The device tells nothing: each overlay has its own. A copy that overlayfs made has the inode number of what it is the copy of, and
 * was changed later than that. */
static bool is_one_inode(const struct stat *a, const struct stat *b) {
        return a->st_ino == b->st_ino && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

struct found {
        struct node node;
        enum place_part part;
};

static void found_done(struct found *found) {
        node_done(&found->node);
}

/* Files that are the same but for what is in them. */
static int look_inside(struct walk *walk, const struct level *level, const char *name, const struct found *now, const struct found *then, struct change *change) {
        _cleanup_close_ int a = -1, b = -1;
        int r;

        if (!S_ISREG(now->node.status.st_mode) || now->node.status.st_size == 0 || is_one_inode(&now->node.status, &then->node.status))
                return 0;
        r = place_open(&walk->changes->now, &level->now, name, &now->node, now->part, &a);
        if (r == 0)
                r = place_open(walk->changes->then, &level->then, name, &then->node, then->part, &b);
        if (r < 0)
                return fail(walk, r, 0);
        r = compare_contents(walk, a, b);
        if (r == 0)
                change->differences |= NODE_CONTENT;
        return r == 1 ? 0 : r;
}

static int classify(struct walk *walk, const struct level *level, const char *name, const struct found *now, const struct found *then, struct change *change) {
        bool directory = S_ISDIR(now->node.status.st_mode);
        int r = 0;

        if (then->part == PLACE_NOWHERE) {
                change->kind = CHANGE_ADDED;
                return 0;
        }
        change->differences = node_compare(&now->node, &then->node);
        if (change->differences == 0 && !level->alone)
                r = look_inside(walk, level, name, now, then, change);
        change->kind = change->differences != 0 || (level->alone && (!directory || change->opaque)) ? CHANGE_MODIFIED : CHANGE_SAME;
        return r;
}

static int read_names(struct walk *walk, struct level *level) {
        const int fds[] = {
                level->now.top,
                level->alone ? -1 : level->now.base,
                level->alone ? -1 : level->then.top,
                level->alone ? -1 : level->then.base,
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(fds) && r == 0; i++)
                if (fds[i] >= 0)
                        r = names_add(&level->names, fds[i]);
        if (r == 0)
                r = names_sort(&level->names);
        return r < 0 ? fail(walk, r, 0) : 0;
}

/* Begins with a directory: `now` is taken, and `then` of what was there before. */
static int push(struct walk *walk, struct level *begun) {
        struct level *level = array_append(&walk->levels, &walk->n_levels);

        if (!level)
                return log_oom();
        *level = *begun;
        level->names = NAMES_INIT;
        level->next = 0;
        level->path_size = walk->path_size;
        begun->now = begun->then = PLACE_INIT;
        if (walk->n_levels > CHANGES_DEPTH_MAX)
                return failure_set(walk->failure, FAILURE_NOT_SUPPORTED, "there are more than %d directories within each other", CHANGES_DEPTH_MAX);
        return read_names(walk, level);
}

/* `level` is where the directory is; it may move. */
static int enter(struct walk *walk, const struct level *level, const char *name, const struct found *now, const struct found *then, const struct change *change) {
        bool stays = level->alone && !change->opaque;
        bool was = then->part != PLACE_NOWHERE && S_ISDIR(then->node.status.st_mode);
        _cleanup_(level_done) struct level to = LEVEL_INIT;
        int r = place_enter(&walk->changes->now, &level->now, name, &now->node, now->part, &to.now);

        if (walk->changes->brief && stays && !now->node.redirect)
                was = to.now.base >= 0;
        to.covered = level->covered || change->opaque;
        to.shared = r == 0 && was && stays && to.now.base >= 0;
        if (to.shared)
                to.then.base = to.now.base;
        else if (r == 0 && was)
                r = place_enter(walk->changes->then, &level->then, name, &then->node, then->part, &to.then);
        if (r < 0)
                return fail(walk, r, 0);
        to.alone = stays && to.then.base >= 0; /* what lies on nothing is a tree of its own */
        return push(walk, &to);
}

static int tell(struct walk *walk, const struct level *level, const char *name, const struct found *now, const struct found *then) {
        struct change change = {
                .path = walk->path,
                .name = name,
                .node = now->part == PLACE_NOWHERE ? NULL : &now->node,
                .covered = level->covered,
                .view = &walk->changes->now,
                .place = &level->now,
                .part = now->part,
                .then = then->part == PLACE_NOWHERE ? NULL : &then->node.status,
        };
        int r = 0;

        if (change.node) {
                bool directory = S_ISDIR(now->node.status.st_mode);

                /* It is one with another directory than that of its own name, or with none. */
                change.opaque = level->alone && directory && now->part == PLACE_TOP && (now->node.opaque || now->node.redirect) &&
                        then->part != PLACE_NOWHERE && S_ISDIR(then->node.status.st_mode);
                r = classify(walk, level, name, now, then, &change);
        } else
                change.kind = CHANGE_DELETED;
        if (r == 0)
                r = walk->change(&change, walk->userdata, walk->failure);
        if (r == 0 && change.node && S_ISDIR(now->node.status.st_mode))
                r = enter(walk, level, name, now, then, &change);
        return r;
}

/* Of what an entry of a layer hides it may be enough to know whether it is a directory, or whether there is something to hide. */
static int read_then(struct walk *walk, const struct level *level, const char *name, const struct found *now, struct found *ret, uint32_t *ret_foreign) {
        const struct view *view = walk->changes->then;
        int r;

        if (!walk->changes->brief || !level->alone)
                return place_read(view, &level->then, name, &ret->node, &ret->part, ret_foreign);
        if (now->part != PLACE_NOWHERE && !(S_ISDIR(now->node.status.st_mode) && (now->node.opaque || now->node.redirect)))
                return 0; /* a directory that is one with it is opened, which tells as much */
        r = node_look(level->then.base, name, &ret->node.status);
        if (r == 0)
                ret->part = node_is_whiteout(&ret->node.status) ? PLACE_NOWHERE : PLACE_BASE;
        return r == -ENOENT ? 0 : r;
}

/* No tar has a socket: a name that is one's is a name of nothing. */
static void leave_out(struct found *found) {
        if (found->part == PLACE_NOWHERE || !S_ISSOCK(found->node.status.st_mode))
                return;
        found_done(found);
        *found = (struct found) {};
}

/* An entry of the deepest directory. */
static int look(struct walk *walk, const char *name) {
        const struct changes *changes = walk->changes;
        const struct level *level = &walk->levels[walk->n_levels - 1];
        _cleanup_(found_done) struct found now = {}, then = {};
        uint32_t foreign = 0;
        struct place place = level->now;
        int r;

        if (level->alone)
                place.base = -1; /* what is there is the layer's, or not at all */
        r = set_path(walk, level->path_size, name);
        if (r < 0)
                return r;
        r = place_read(&changes->now, &place, name, &now.node, &now.part, &foreign);
        if (r == 0)
                leave_out(&now);
        if (r == 0 && changes->then)
                r = read_then(walk, level, name, &now, &then, &foreign);
        if (r < 0)
                return fail(walk, r, foreign);
        leave_out(&then);
        if (now.part == PLACE_NOWHERE && then.part == PLACE_NOWHERE)
                return 0;
        return tell(walk, level, name, &now, &then);
}

/* Opened once more, for whoever gave it may have read it already. */
static int open_again(int fd, int *ret) {
        *ret = fd < 0 ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd >= 0 && *ret < 0 ? -errno : 0;
}

static int open_place(const struct place *place, struct place *ret) {
        int r = open_again(place->top, &ret->top);

        return r == 0 ? open_again(place->base, &ret->base) : r;
}

static int begin(struct walk *walk) {
        const struct changes *changes = walk->changes;
        _cleanup_(level_done) struct level to = LEVEL_INIT;
        _cleanup_(found_done) struct found root = {}, old = {};
        struct change change = {.kind = CHANGE_ADDED, .path = "", .name = "", .node = &root.node, .view = &changes->now, .place = &to.now};
        uint32_t foreign = 0;
        int r = set_path(walk, 0, "");

        if (r < 0)
                return r;
        r = open_place(&changes->now.root, &to.now);
        if (r == 0 && changes->then)
                r = open_place(&changes->then->root, &to.then);
        if (r == 0)
                r = place_read(&changes->now, &to.now, "", &root.node, &root.part, &foreign);
        if (r == 0 && changes->then)
                r = place_read(changes->then, &to.then, "", &old.node, &old.part, &foreign);
        if (r < 0)
                return fail(walk, r, foreign);
        change.part = root.part;
        if (old.part != PLACE_NOWHERE) {
                change.differences = node_compare(&root.node, &old.node);
                change.kind = change.differences ? CHANGE_MODIFIED : CHANGE_SAME;
        }
        r = walk->change(&change, walk->userdata, walk->failure);
        to.alone = changes->layer && to.then.base >= 0;
        return r == 0 ? push(walk, &to) : r;
}

int changes_walk(const struct changes *changes, change_fn change, void *userdata, struct failure *f) {
        _cleanup_(walk_done) struct walk walk = {.changes = changes, .change = change, .userdata = userdata, .failure = f};
        int r = begin(&walk);

        while (r == 0 && walk.n_levels > 0) {
                struct level *level = &walk.levels[walk.n_levels - 1];

                if (level->next < level->names.n)
                        r = look(&walk, level->names.list[level->next++]);
                else {
                        level_done(level);
                        walk.n_levels--;
                }
        }
        return r;
}
