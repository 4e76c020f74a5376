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

#include "tests/unit/table/world.h"
#include "tests/unit/unit.h"

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

UNIT_MAIN("following", test_random_events, test_random_overflows, test_random_lists,
        test_random_readings, test_overflow, test_portions, test_delta_counts,
        test_sweep, test_pivot)
