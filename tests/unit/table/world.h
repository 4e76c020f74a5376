/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A mount namespace of the test's own, a table that follows it, and the comparison with what the kernel shows. */

#include <linux/mount.h>
#include <sys/syscall.h>

#include "table/following.h"
#include "table/reading.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"

#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x200
#endif

struct world {
        struct watch *watch;
        struct table *table;
        struct following *following;
        int proc_fd; /* of /proc, wherever a pivot puts it */
};

/* The mounts that came along, but for the root and /proc: others may rename directories above them at any time. */
static inline void drop_inherited(void) {
        struct entry **entries;
        size_t n;
        _cleanup_close_ int mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

        ck_assert_int_eq(reading_take_mountinfo(mountinfo, &entries, &n), 0);
        for (size_t i = n; i > 0; i--) {
                const char *point = entries[i - 1]->point;

                if (strcmp(point, "/") != 0 && strcmp(point, "/proc") != 0 && strcmp(point, "/tmp") != 0)
                        (void) umount2(point, MNT_DETACH); /* or gone with what it lay on */
        }
        reading_free(entries, n);
}

static inline bool begin(struct world *world, enum watch_tracking tracking, bool limited) {
        _cleanup_changes_ struct changes changes = {};

        if (!namespace_enter() || !unit_has_tracking(tracking))
                return false;
        drop_inherited();
        *world = (struct world){.table = table_new(), .proc_fd = open("/proc", O_PATH | O_CLOEXEC)};
        ck_assert_int_ge(world->proc_fd, 0);
        ck_assert_int_eq(watch_open(tracking, limited, &world->watch), 0);
        ck_assert_int_eq(following_new(world->watch, world->table, &world->following), 0);
        ck_assert_int_eq(following_read(world->following, &changes), 0);
        return true;
}

static inline void end(struct world *world) {
        world->following = following_free(world->following);
        world->table = table_free(world->table);
        world->watch = watch_free(world->watch);
        world->proc_fd = close_fd(world->proc_fd);
}

/* As the manager does: what cannot be followed is read. */
static inline void catch_up(struct world *world) {
        _cleanup_changes_ struct changes changes = {}, all = {};
        int r;

        if (watch_tracking(world->watch) == WATCH_FANOTIFY)
                do
                        r = following_events(world->following, 0, &changes);
                while (r == 1); /* a full look at the queue: there may be more */
        else if (watch_tracking(world->watch) == WATCH_LISTMOUNT)
                r = following_delta(world->following, &changes);
        else
                r = following_read(world->following, &changes);
        if (r == -ENOBUFS)
                r = following_read(world->following, &all);
        ck_assert_int_eq(r, 0);
}

/* What Rescan does. */
static inline void rescan(struct world *world) {
        _cleanup_changes_ struct changes changes = {};

        ck_assert_int_eq(following_read(world->following, &changes), 0);
}

static inline void look(struct world *world, const char *path) {
        _cleanup_changes_ struct changes changes = {};

        ck_assert_int_eq(following_look(world->following, path, &changes), 0);
}

static inline bool same_text(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : a == b;
}

/* What no notification tells of, and may therefore be as it was. */
enum untold {
        UNTOLD_PATHS = 1 << 0,       /* mount point and root: a directory above was renamed */
        UNTOLD_ATTRIBUTES = 1 << 1,  /* and options of the file system: a remount */
        UNTOLD_PROPAGATION = 1 << 2, /* set, or a slave's master has lost its last mount */
        UNTOLD_NOTHING = 0,
};

static inline const char *difference(const struct entry *a, const struct entry *b, unsigned untold) {
        if (a->unique_id != 0 && b->unique_id != 0 &&
                (a->unique_id != b->unique_id || a->parent_unique != b->parent_unique))
                return "unique ids";
        if (a->parent_id != b->parent_id)
                return "parent";
        if (a->device != b->device)
                return "device";
        if (!(untold & UNTOLD_PATHS) && !same_text(a->root, b->root))
                return "root";
        if (!(untold & UNTOLD_PATHS) && !same_text(a->point, b->point))
                return "mount point";
        if (!same_text(a->type, b->type))
                return "type";
        if (!same_text(a->source, b->source))
                return "source";
        if (!(untold & UNTOLD_ATTRIBUTES) && a->attributes != b->attributes)
                return "attributes";
        if (!(untold & UNTOLD_ATTRIBUTES) &&
                (a->superblock_readonly != b->superblock_readonly || !same_text(a->options, b->options)))
                return "options";
        if (!(untold & UNTOLD_PROPAGATION) && (a->propagation != b->propagation || a->peer_group != b->peer_group ||
                             a->master_group != b->master_group))
                return "propagation";
        return NULL;
}

static inline void compare_reading(
        const struct world *world, struct entry **entries, size_t n, size_t lost, unsigned untold, const char *after) {
        for (size_t i = 0; i < n; i++) {
                const struct entry *is = entries[i], *have = table_get(world->table, is->id);
                const char *what = have ? difference(have, is, untold) : "all of it";

                ck_assert_msg(!what, "after %s: mount %u at %s differs in its %s: %s, parent %u, options %s", after,
                        is->id, is->point, what, have ? have->point : "not in the table", have ? have->parent_id : 0,
                        have ? have->options : "");
                /* The links say the same as the ids. */
                ck_assert_uint_eq(have->parent ? have->parent->id : 0,
                        table_get(world->table, is->parent_id) && is->parent_id != is->id ? is->parent_id : 0);
        }
        ck_assert_msg(table_size(world->table) == n + lost, "after %s: %zu mounts in the table, %zu there", after,
                table_size(world->table), n + lost);
}

/* Mounts whose mount point was renamed out of what their parent shows: mountinfo leaves them out. */
static inline size_t count_lost(struct entry **entries, size_t n) {
        size_t lost = 0;

        for (size_t i = 0; i < n; i++)
                lost += entries[i]->point[0] == '\0';
        return lost;
}

/* Table = listmount + statmount = mountinfo. */
static inline void compare(const struct world *world, unsigned untold, const char *after) {
        _cleanup_(statmount_freep) struct statmount *statmount = statmount_new();
        _cleanup_close_ int mountinfo =
                openat(world->proc_fd, "self/mountinfo", O_RDONLY | O_CLOEXEC); /* as seen from today's root */
        _cleanup_free_ struct entry **all = NULL;
        struct entry **entries;
        size_t n, lost = 0;

        ck_assert_int_eq(table_below(world->table, "/", &all, &n), 0);
        ck_assert_uint_eq(n, table_size(world->table));
        ck_assert_ptr_nonnull(statmount);
        if (watch_tracking(world->watch) != WATCH_MOUNTINFO) {
                ck_assert_int_eq(reading_take_statmount(statmount, &entries, &n), 0);
                lost = count_lost(entries, n);
                compare_reading(world, entries, n, 0, untold, after);
                reading_free(entries, n);
        }
        ck_assert_int_eq(reading_take_mountinfo(mountinfo, &entries, &n), 0);
        compare_reading(world, entries, n, lost, untold, after);
        reading_free(entries, n);
}

static inline const char *put_beneath(const char *source, const char *target) {
        int tree = (int) syscall(SYS_open_tree, AT_FDCWD, source, 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);

        if (tree < 0)
                return "nothing";
        (void) syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH);
        (void) close(tree);
        return "beneath";
}
