/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The table against the kernel: single cases, and random sequences of everything that changes a mount table, after
 * each step of which the table that followed is what statmount and mountinfo show. PODMOUNT_SEED repeats a sequence,
 * PODMOUNT_STEPS makes it longer (scripts/torture table).
 */

#include <inttypes.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <time.h>

#include "table/following.h"
#include "table/reading.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

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
static void drop_inherited(void) {
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

static bool begin(struct world *world, enum watch_tracking tracking, bool limited) {
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

static void end(struct world *world) {
        world->following = following_free(world->following);
        world->table = table_free(world->table);
        world->watch = watch_free(world->watch);
        world->proc_fd = close_fd(world->proc_fd);
}

/* As the manager does: what cannot be followed is read. */
static void catch_up(struct world *world) {
        _cleanup_changes_ struct changes changes = {}, all = {};
        int r;

        if (watch_tracking(world->watch) == WATCH_FANOTIFY)
                r = following_events(world->following, 0, &changes);
        else if (watch_tracking(world->watch) == WATCH_LISTMOUNT)
                r = following_delta(world->following, &changes);
        else
                r = following_read(world->following, &changes);
        if (r == -ENOBUFS)
                r = following_read(world->following, &all);
        ck_assert_int_eq(r, 0);
}

/* What Rescan does. */
static void rescan(struct world *world) {
        _cleanup_changes_ struct changes changes = {};

        ck_assert_int_eq(following_read(world->following, &changes), 0);
}

static void look(struct world *world, const char *path) {
        _cleanup_changes_ struct changes changes = {};

        ck_assert_int_eq(following_look(world->following, path, &changes), 0);
}

static bool same_text(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : a == b;
}

/* What no notification tells of, and may therefore be as it was. */
enum untold {
        UNTOLD_PATHS = 1 << 0,       /* mount point and root: a directory above was renamed */
        UNTOLD_ATTRIBUTES = 1 << 1,  /* and options of the file system: a remount */
        UNTOLD_PROPAGATION = 1 << 2, /* set, or a slave's master has lost its last mount */
        UNTOLD_NOTHING = 0,
};

static const char *difference(const struct entry *a, const struct entry *b, unsigned untold) {
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

static void compare_reading(
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
static size_t count_lost(struct entry **entries, size_t n) {
        size_t lost = 0;

        for (size_t i = 0; i < n; i++)
                lost += entries[i]->point[0] == '\0';
        return lost;
}

/* Table = listmount + statmount = mountinfo. */
static void compare(const struct world *world, unsigned untold, const char *after) {
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

static uint64_t state;

static unsigned draw(unsigned below) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        return (unsigned) (state >> 33) % below;
}

/* A directory below /tmp/w, made if it is not there. */
static void pick(char *path, size_t size) {
        unsigned depth = draw(4);

        (void) snprintf(path, size, "/tmp/w"); /* fits, as below */
        for (unsigned i = 0; i < depth; i++) {
                size_t used = strlen(path);

                (void) snprintf(path + used, size - used, "/d%u", draw(3));
                (void) mkdir(path, 0755); /* or there already, or read-only */
        }
}

static const char *put_beneath(const char *source, const char *target) {
        int tree = (int) syscall(SYS_open_tree, AT_FDCWD, source, 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);

        if (tree < 0)
                return "nothing";
        (void) syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH);
        (void) close(tree);
        return "beneath";
}

/* One random step; many fail, which is as good. `ret_untold`: what of it no notification tells, enum untold. */
static const char *step(unsigned *ret_untold) {
        static const unsigned long kinds[] = {MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE};
        char a[64], b[64], c[80];

        pick(a, sizeof(a));
        pick(b, sizeof(b));
        *ret_untold = UNTOLD_NOTHING;
        switch (draw(15)) {
        case 0:
        case 1:
                (void) mount("fresh one", a, "tmpfs", draw(2) ? MS_NOSUID : 0, "size=64k");
                return "mount";
        case 2:
        case 3:
                (void) mount(a, b, NULL, MS_BIND, NULL);
                return "bind";
        case 4:
                (void) mount(a, b, NULL, MS_BIND | MS_REC, NULL);
                return "rbind";
        case 5:
        case 6:
                (void) mount(a, b, NULL, MS_MOVE, NULL);
                return "move";
        case 7:
                return put_beneath(a, b);
        case 8:
                *ret_untold = UNTOLD_ATTRIBUTES;
                (void) mount(NULL, a, NULL, MS_REMOUNT | MS_BIND | (draw(2) ? MS_NODEV : MS_NOSUID), NULL);
                return "remount";
        case 9:
        case 10:
                *ret_untold = UNTOLD_PROPAGATION;
                (void) umount2(a, 0);
                return "unmount";
        case 11:
                *ret_untold = UNTOLD_PROPAGATION;
                if (strcmp(a, "/tmp/w") != 0)
                        (void) umount2(a, MNT_DETACH);
                return "lazy unmount";
        case 12:
                *ret_untold = UNTOLD_PROPAGATION;
                (void) mount(NULL, a, NULL, kinds[draw(ELEMENTSOF(kinds))] | (draw(3) == 0 ? MS_REC : 0), NULL);
                return "propagation";
        case 13:
                *ret_untold = UNTOLD_ATTRIBUTES;
                (void) mount(NULL, a, NULL, MS_REMOUNT, draw(2) ? "size=128k" : "size=64k");
                return "remount of the file system";
        default:
                *ret_untold = UNTOLD_PATHS;
                (void) snprintf(c, sizeof(c), "%s/r%u", strcmp(a, "/tmp/w") ? "/tmp/w" : "/tmp/w/d0", draw(2));
                (void) rename(a, c);
                return "rename";
        }
}

/* Goes to another root, where everything is seen at other paths, and back. An open mountinfo goes on to show what is
 * seen from the root that was there when it was opened. */
static void pivot(struct world *world) {
        if (watch_tracking(world->watch) == WATCH_MOUNTINFO)
                return;
        if (mount("/", "/tmp/p", NULL, MS_BIND, NULL) < 0 || mount(NULL, "/tmp/p", NULL, MS_PRIVATE, NULL) < 0)
                return;
        if (syscall(SYS_pivot_root, "/tmp/p", "/tmp/p/mnt") == 0) {
                catch_up(world);
                if (watch_tracking(world->watch) == WATCH_LISTMOUNT)
                        look(world, "/");
                compare(world, UNTOLD_PATHS | UNTOLD_ATTRIBUTES | UNTOLD_PROPAGATION, "a pivot");
                ck_assert_int_eq(syscall(SYS_pivot_root, "/mnt", "/mnt/tmp/p"), 0);
        }
        (void) umount2("/tmp/p", MNT_DETACH);
}

/* More events between two looks than the kernel's default queue holds. */
static void burst(void) {
        for (unsigned i = 0; i < 8300; i++) {
                ck_assert_int_eq(mount("/tmp/p", "/tmp/q", NULL, MS_BIND, NULL), 0);
                if (i % 1000 != 0)
                        ck_assert_int_eq(umount2("/tmp/q", 0), 0);
        }
        while (umount2("/tmp/q", 0) == 0)
                ;
}

/* `limited`: with a short queue, which overflows now and then. */
static void run_random(enum watch_tracking tracking, unsigned steps, bool limited) {
        const char *seed = getenv("PODMOUNT_SEED"), *longer = getenv("PODMOUNT_STEPS");
        struct world world;

        if (!begin(&world, tracking, limited))
                return;
        state = seed ? strtoull(seed, NULL, 10) : (uint64_t) time(NULL) * 1000003 + (uint64_t) getpid();
        fprintf(stderr, "# PODMOUNT_SEED=%" PRIu64 "\n", state);
        make_directory("/tmp/w");
        make_directory("/tmp/p");
        make_directory("/tmp/q");
        if (longer)
                steps = (unsigned) strtoul(longer, NULL, 10);
        for (unsigned i = 0; i < steps; i++) {
                char after[64];
                const char *what;
                unsigned untold;

                if (i == 0 || table_size(world.table) > 120) {
                        while (umount2("/tmp/w", MNT_DETACH) == 0)
                                ;
                        ck_assert_int_eq(mount("w", "/tmp/w", "tmpfs", 0, NULL), 0);
                        catch_up(&world);
                        rescan(&world); /* a slave elsewhere may have lost its master */
                }
                what = step(&untold);
                if (draw(40) == 0)
                        pivot(&world);
                if (limited && i % 100 == 50)
                        burst();
                catch_up(&world);
                (void) snprintf(after, sizeof(after), "step %u, %s", i, what); /* fits */
                if (tracking == WATCH_FANOTIFY)
                        compare(&world, untold, after);
                if (tracking != WATCH_FANOTIFY || untold != UNTOLD_NOTHING) {
                        if (tracking == WATCH_LISTMOUNT)
                                look(&world, "/");
                        else
                                rescan(&world);
                        compare(&world, UNTOLD_NOTHING, after);
                }
        }
        ck_assert_uint_eq(following_counters(world.following)->overflows, limited ? (steps + 49) / 100 : 0);
        end(&world);
}

START_TEST(test_random_events) {
        run_random(WATCH_FANOTIFY, 2000, false);
}
END_TEST

START_TEST(test_random_overflows) {
        run_random(WATCH_FANOTIFY, 300, true);
}
END_TEST

START_TEST(test_random_lists) {
        run_random(WATCH_LISTMOUNT, 500, false);
}
END_TEST

START_TEST(test_random_readings) {
        run_random(WATCH_MOUNTINFO, 500, false);
}
END_TEST

/* More than the kernel's default queue holds. */
START_TEST(test_overflow) {
        struct world world;
        char path[32];

        if (!begin(&world, WATCH_FANOTIFY, true))
                return;
        make_directory("/tmp/s");
        for (unsigned i = 0; i < 9000; i++) {
                (void) snprintf(path, sizeof(path), "/tmp/%u", i); /* fits */
                make_directory(path);
                ck_assert_int_eq(mount("/tmp/s", path, NULL, MS_BIND, NULL), 0);
                if (i % 3 != 0)
                        ck_assert_int_eq(umount2(path, 0), 0);
        }
        for (unsigned i = 0; i < 9000; i++) {
                (void) snprintf(path, sizeof(path), "/tmp/%u", i);
                if (i % 3 == 1)
                        ck_assert_int_eq(mount("/tmp/s", path, NULL, MS_BIND, NULL), 0);
        }
        catch_up(&world);
        ck_assert_uint_eq(following_counters(world.following)->overflows, 1);
        ck_assert_uint_eq(following_counters(world.following)->full_reads, 2);
        compare(&world, UNTOLD_NOTHING, "an overflow");
        ck_assert_int_eq(mount("/tmp/s", "/tmp/0", NULL, MS_BIND, NULL), 0);
        catch_up(&world);
        ck_assert_uint_eq(following_counters(world.following)->full_reads, 2);
        compare(&world, UNTOLD_NOTHING, "the one after it");
        end(&world);
}
END_TEST

/* Events are taken in the portions that are asked for, and counted once each. */
START_TEST(test_portions) {
        struct following_counters before;
        struct world world;
        unsigned turns = 0;
        int r;

        if (!begin(&world, WATCH_FANOTIFY, false))
                return;
        before = *following_counters(world.following);
        make_directory("/tmp/s");
        make_directory("/tmp/t");
        for (unsigned i = 0; i < 500; i++) {
                ck_assert_int_eq(mount("/tmp/s", "/tmp/t", NULL, MS_BIND, NULL), 0);
                if (i != 499)
                        ck_assert_int_eq(umount2("/tmp/t", 0), 0);
        }
        ck_assert_uint_eq(watch_pending(world.watch), 999);
        do {
                _cleanup_changes_ struct changes changes = {};
                uint64_t events = following_counters(world.following)->events;

                r = following_events(world.following, 10, &changes);
                ck_assert_int_ge(r, 0);
                ck_assert_uint_le(following_counters(world.following)->events - events, 10);
                turns++;
        } while (r > 0);
        ck_assert_uint_ge(turns, 100);
        ck_assert_uint_eq(following_counters(world.following)->events - before.events, 999);
        ck_assert_uint_ge(following_counters(world.following)->looks - before.looks, 500);
        ck_assert_uint_lt(following_counters(world.following)->looks - before.looks, 700); /* not twice what came and went */
        ck_assert_uint_eq(following_counters(world.following)->full_reads, before.full_reads);
        ck_assert_uint_eq(following_counters(world.following)->overflows, 0);
        compare(&world, UNTOLD_NOTHING, "portions");

        /* What is left of a portion counts for nothing once everything was read. */
        for (unsigned i = 0; i < 20; i++)
                ck_assert_int_eq(mount("/tmp/s", "/tmp/t", NULL, MS_BIND, NULL), 0);
        {
                _cleanup_changes_ struct changes changes = {}, all = {};

                /* The end of what a portion has left is not the queue's: more came since. */
                ck_assert_int_eq(following_events(world.following, 10, &changes), 1);
                ck_assert_int_eq(mount("/tmp/s", "/tmp/t", NULL, MS_BIND, NULL), 0);
                ck_assert_int_eq(following_events(world.following, 0, &changes), 0);
                compare(&world, UNTOLD_NOTHING, "the rest of a portion");

                for (unsigned i = 0; i < 20; i++)
                        ck_assert_int_eq(mount("/tmp/s", "/tmp/t", NULL, MS_BIND, NULL), 0);
                ck_assert_int_eq(following_events(world.following, 10, &changes), 1);
                ck_assert_int_eq(following_read(world.following, &all), 0);
                ck_assert_int_eq(following_events(world.following, 0, &changes), 0);
        }
        ck_assert_uint_eq(following_counters(world.following)->events - before.events, 1030);
        compare(&world, UNTOLD_NOTHING, "a reading among portions");
        end(&world);
}
END_TEST

START_TEST(test_delta_counts) {
        struct world world;

        if (!begin(&world, WATCH_LISTMOUNT, false))
                return;
        ck_assert_uint_eq(following_counters(world.following)->full_reads, 1);
        make_directory("/tmp/s");
        ck_assert_int_eq(mount("s", "/tmp/s", "tmpfs", 0, NULL), 0);
        catch_up(&world);
        catch_up(&world);
        ck_assert_uint_eq(following_counters(world.following)->deltas, 2);
        ck_assert_uint_eq(following_counters(world.following)->events, 0);
        ck_assert_uint_eq(following_counters(world.following)->full_reads, 1);
        compare(&world, UNTOLD_NOTHING, "two deltas");
        end(&world);
}
END_TEST

/* What nobody is told of is found in slices; and only what changed is a change. */
START_TEST(test_sweep) {
        size_t changed = 0, slices = 0;
        uint64_t cursor = 0;
        struct world world;
        char path[32];
        int r;

        if (!begin(&world, WATCH_FANOTIFY, false))
                return;
        for (unsigned i = 0; i < 600; i++) {
                (void) snprintf(path, sizeof(path), "/tmp/%u", i); /* fits */
                make_directory(path);
                ck_assert_int_eq(mount("s", path, "tmpfs", 0, "size=4k"), 0);
        }
        catch_up(&world);
        ck_assert_int_eq(mount(NULL, "/tmp/1", NULL, MS_SHARED, NULL), 0);
        ck_assert_int_eq(mount(NULL, "/tmp/599", NULL, MS_REMOUNT | MS_BIND | MS_NODEV, NULL), 0);
        catch_up(&world);
        do {
                _cleanup_changes_ struct changes changes = {};

                r = following_sweep(world.following, &cursor, &changes);
                ck_assert_int_ge(r, 0);
                changed += changes.n_items;
                slices++;
        } while (r > 0);
        ck_assert_uint_ge(slices, 600 / 256 + 1);
        ck_assert_uint_eq(changed, 2);
        ck_assert_uint_eq(following_counters(world.following)->full_reads, 1);
        compare(&world, UNTOLD_NOTHING, "a sweep");
        end(&world);
}
END_TEST

/* A pivot moves the root away from under everything. */
START_TEST(test_pivot) {
        struct world world;

        if (!begin(&world, WATCH_FANOTIFY, false))
                return;
        make_directory("/tmp/new");
        ck_assert_int_eq(mount("/", "/tmp/new", NULL, MS_BIND | MS_REC, NULL), 0);
        catch_up(&world);
        ck_assert_int_eq(syscall(SYS_pivot_root, "/tmp/new", "/tmp/new/mnt"), 0);
        catch_up(&world);
        compare(&world, UNTOLD_NOTHING, "a pivot");
        ck_assert_int_eq(umount2("/mnt", MNT_DETACH), 0);
        catch_up(&world);
        compare(&world, UNTOLD_NOTHING, "the old root's end");
        end(&world);
}
END_TEST

/* A mount is put beneath another one whose path a rename made false: the link is right at once. `others`: how many more
 * are on the same parent, `elsewhere`: how many mounts there are besides. */
static void tuck_after_rename(unsigned others, unsigned elsewhere) {
        const struct entry *over, *beneath;
        struct world world;
        char path[64];
        uint64_t reads;

        if (!begin(&world, WATCH_FANOTIFY, false))
                return;
        make_directory("/tmp/elsewhere");
        make_directory("/tmp/p");
        ck_assert_int_eq(mount("e", "/tmp/elsewhere", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(mount("p", "/tmp/p", "tmpfs", 0, NULL), 0);
        make_directory("/tmp/elsewhere/s");
        for (unsigned i = 0; i < others + elsewhere; i++) {
                (void) snprintf(path, sizeof(path), "%s/%u", i < others ? "/tmp/p" : "/tmp/elsewhere", i); /* fits */
                make_directory(path);
                ck_assert_int_eq(mount("/tmp/elsewhere/s", path, NULL, MS_BIND, NULL), 0);
        }
        make_directory("/tmp/p/old");
        make_directory("/tmp/p/old/m");
        ck_assert_int_eq(mount("over", "/tmp/p/old/m", "tmpfs", 0, NULL), 0);
        make_directory("/tmp/p/old/m/n");
        ck_assert_int_eq(mount("on it", "/tmp/p/old/m/n", "tmpfs", 0, NULL), 0);
        catch_up(&world);
        over = table_at(world.table, "/tmp/p/old/m");
        ck_assert_str_eq(over->source, "over");
        reads = following_counters(world.following)->full_reads;

        ck_assert_int_eq(rename("/tmp/p/old", "/tmp/p/new"), 0);
        catch_up(&world);
        ck_assert_str_eq(over->point, "/tmp/p/old/m"); /* nobody tells */
        ck_assert_str_eq(put_beneath("/tmp/elsewhere/s", "/tmp/p/new/m"), "beneath");
        catch_up(&world);
        ck_assert_uint_eq(following_counters(world.following)->full_reads, reads);
        beneath = over->parent;
        ck_assert_ptr_eq(beneath->parent, table_at(world.table, "/tmp/p"));
        ck_assert_str_eq(beneath->source, "e");
        ck_assert_ptr_eq(table_at(world.table, "/tmp/p/new/m"), over);
        ck_assert_ptr_eq(table_at(world.table, "/tmp/p/new/m/n")->parent, over);
        compare(&world, UNTOLD_NOTHING, "a mount beneath one whose path was renamed");
        end(&world);
}

START_TEST(test_tuck_after_rename) {
        tuck_after_rename(0, 0);
}
END_TEST

START_TEST(test_tuck_after_rename_among_siblings) {
        tuck_after_rename(300, 0);
}
END_TEST

/* In a table that is too large for a list of children at each mount. */
START_TEST(test_tuck_after_rename_in_large_table) {
        tuck_after_rename(12, 1100);
}
END_TEST

UNIT_MAIN("following", test_tuck_after_rename, test_tuck_after_rename_among_siblings,
        test_tuck_after_rename_in_large_table, test_random_events, test_random_overflows, test_random_lists,
        test_random_readings, test_overflow, test_portions, test_delta_counts,
        test_sweep, test_pivot)
