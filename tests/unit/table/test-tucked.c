/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts that are put beneath others: no notification tells of those that lie on them now. */

#include "tests/unit/table/world.h"
#include "tests/unit/unit.h"

/* Looks at what was put off. */
static void look_later(struct world *world) {
        _cleanup_changes_ struct changes changes = {};
        _cleanup_free_ uint64_t *ids = NULL;
        size_t n = 0;

        ck_assert_int_eq(following_doubtful(world->following, &ids, &n), 0);
        ck_assert_uint_gt(n, 0);
        ck_assert_int_eq(following_look_at(world->following, ids, n, &changes), 0);
        free(ids);
        ids = NULL;
        n = 0;
        ck_assert_int_eq(following_doubtful(world->following, &ids, &n), 0);
        ck_assert_uint_eq(n, 0);
}

/* A mount is put beneath another one whose path a rename made false: the link is right at once, or `later`. `others`: how
 * many more are on the same parent, `elsewhere`: how many mounts there are besides. */
static void tuck_after_rename(unsigned others, unsigned elsewhere, bool later) {
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
        if (later)
                look_later(&world);
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
        tuck_after_rename(0, 0, false);
}
END_TEST

START_TEST(test_tuck_after_rename_among_siblings) {
        tuck_after_rename(300, 0, false);
}
END_TEST

/* In a table that is too large for a list of children at each mount. */
START_TEST(test_tuck_after_rename_in_large_table) {
        tuck_after_rename(12, 1100, false);
}
END_TEST

/* Nor are all that are on its parent looked at, which are too many: they are a while later. */
START_TEST(test_tuck_after_rename_among_many) {
        tuck_after_rename(300, 1100, true);
}
END_TEST

/* The same on so many parents that all mounts are looked at. */
START_TEST(test_tuck_after_rename_on_many_parents) {
        const struct entry *over[18];
        struct world world;
        char path[64];

        if (!begin(&world, WATCH_FANOTIFY, false))
                return;
        make_directory("/tmp/s");
        for (unsigned i = 0; i < ELEMENTSOF(over); i++) {
                (void) snprintf(path, sizeof(path), "/tmp/p%u", i); /* fits, as below */
                make_directory(path);
                ck_assert_int_eq(mount("p", path, "tmpfs", 0, NULL), 0);
                for (unsigned j = 0; j < 60; j++) {
                        (void) snprintf(path, sizeof(path), "/tmp/p%u/%u", i, j);
                        make_directory(path);
                        ck_assert_int_eq(mount("/tmp/s", path, NULL, MS_BIND, NULL), 0);
                }
                (void) snprintf(path, sizeof(path), "/tmp/p%u/old", i);
                make_directory(path);
                (void) snprintf(path, sizeof(path), "/tmp/p%u/old/m", i);
                make_directory(path);
                ck_assert_int_eq(mount("over", path, "tmpfs", 0, NULL), 0);
        }
        catch_up(&world);
        for (unsigned i = 0; i < ELEMENTSOF(over); i++) {
                char old[64];

                (void) snprintf(old, sizeof(old), "/tmp/p%u/old/m", i);
                over[i] = table_at(world.table, old);
                ck_assert_str_eq(over[i]->source, "over");
                (void) snprintf(old, sizeof(old), "/tmp/p%u/old", i);
                (void) snprintf(path, sizeof(path), "/tmp/p%u/new", i);
                ck_assert_int_eq(rename(old, path), 0);
                (void) snprintf(path, sizeof(path), "/tmp/p%u/new/m", i);
                ck_assert_str_eq(put_beneath("/tmp/s", path), "beneath");
        }
        catch_up(&world);
        look_later(&world);
        for (unsigned i = 0; i < ELEMENTSOF(over); i++) {
                (void) snprintf(path, sizeof(path), "/tmp/p%u/new/m", i);
                ck_assert_ptr_eq(table_at(world.table, path), over[i]);
                ck_assert_str_ne(over[i]->parent->source, "p");
        }
        compare(&world, UNTOLD_NOTHING, "mounts beneath others on many parents");
        end(&world);
}
END_TEST

/* What was looked at since the queue was read needs no list: a tree that came at once is seen by one look a mount. */
START_TEST(test_tree_at_once) {
        struct following_counters before;
        struct world world;
        char path[64];

        if (!begin(&world, WATCH_FANOTIFY, false))
                return;
        make_directory("/tmp/s");
        make_directory("/tmp/p");
        ck_assert_int_eq(mount("p", "/tmp/p", "tmpfs", 0, NULL), 0);
        for (unsigned i = 0; i < 40; i++) {
                (void) snprintf(path, sizeof(path), "/tmp/p/%u", i); /* fits */
                make_directory(path);
                ck_assert_int_eq(mount("/tmp/s", path, NULL, MS_BIND, NULL), 0);
        }
        before = *following_counters(world.following);
        catch_up(&world);
        ck_assert_uint_eq(following_counters(world.following)->events - before.events, 41);
        ck_assert_uint_eq(following_counters(world.following)->looks - before.looks, 41);
        ck_assert_uint_le(following_counters(world.following)->lists - before.lists, 1); /* beside it were those before */
        compare(&world, UNTOLD_NOTHING, "a tree at once");

        /* Where it is put beneath one that a later reading of the queue does not name, the list says so. */
        ck_assert_str_eq(put_beneath("/tmp/s", "/tmp/p/7"), "beneath");
        catch_up(&world);
        ck_assert_uint_eq(table_at(world.table, "/tmp/p/7")->parent->parent->id, table_at(world.table, "/tmp/p")->id);
        compare(&world, UNTOLD_NOTHING, "a mount beneath one of them");
        end(&world);
}
END_TEST

/* A mount is put beneath another after that was looked at, but is itself looked at on the way, before its notification
 * is read: the other is not taken for right. */
START_TEST(test_tuck_between_looks) {
        struct world world;
        int tree;

        if (!begin(&world, WATCH_FANOTIFY, false))
                return;
        make_directory("/tmp/place");
        make_directory("/tmp/place/s");
        make_directory("/tmp/moves");
        make_directory("/tmp/later");
        ck_assert_int_eq(mount("m", "/tmp/moves", "tmpfs", 0, NULL), 0);
        make_directory("/tmp/moves/e");
        ck_assert_int_eq(mount("e", "/tmp/moves/e", "tmpfs", 0, NULL), 0);
        catch_up(&world);

        ck_assert_int_eq(mount("s", "/tmp/place/s", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(mount("/tmp/moves", "/tmp/later", NULL, MS_MOVE, NULL), 0);
        {
                _cleanup_changes_ struct changes changes = {};

                ck_assert_int_eq(following_events(world.following, 1, &changes), 1);
        }
        ck_assert_str_eq(table_at(world.table, "/tmp/place/s")->source, "s");
        ck_assert_int_eq(rename("/tmp/place", "/tmp/renamed"), 0);
        tree = (int) syscall(SYS_open_tree, AT_FDCWD, "/tmp/later/e", O_CLOEXEC);
        ck_assert_int_ge(tree, 0);
        ck_assert_int_eq(syscall(SYS_move_mount, tree, "", AT_FDCWD, "/tmp/renamed/s", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH), 0);
        ck_assert_int_eq(close(tree), 0);
        catch_up(&world);
        ck_assert_str_eq(table_at(world.table, "/tmp/renamed/s")->source, "s");
        ck_assert_str_eq(table_at(world.table, "/tmp/renamed/s")->parent->source, "e");
        compare(&world, UNTOLD_NOTHING, "a mount beneath one that was looked at before");
        end(&world);
}
END_TEST

/* The count of the queue's readings comes round: what was looked at a round ago is not taken for right. */
START_TEST(test_round) {
        struct world world;
        char place[32], renamed[48], mounted[64];

        if (!begin(&world, WATCH_FANOTIFY, false))
                return;
        make_directory("/tmp/e");
        ck_assert_int_eq(mount("e", "/tmp/e", "tmpfs", 0, NULL), 0);
        for (unsigned i = 0; i < 3; i++) {
                (void) snprintf(place, sizeof(place), "/tmp/place%u", i); /* fits, as below */
                make_directory(place);
                (void) snprintf(mounted, sizeof(mounted), "%s/s", place);
                make_directory(mounted);
                ck_assert_int_eq(mount("s", mounted, "tmpfs", 0, NULL), 0);
                catch_up(&world);
                (void) snprintf(renamed, sizeof(renamed), "/tmp/renamed%u", i);
                ck_assert_int_eq(rename(place, renamed), 0);
                for (unsigned n = 0; n < UINT16_MAX - 2 + i; n++)
                        catch_up(&world);
                (void) snprintf(mounted, sizeof(mounted), "%s/s", renamed);
                ck_assert_str_eq(put_beneath("/tmp/e", mounted), "beneath");
                catch_up(&world);
                ck_assert_str_eq(table_at(world.table, mounted)->parent->source, "e");
        }
        compare(&world, UNTOLD_NOTHING, "rounds");
        end(&world);
}
END_TEST

UNIT_MAIN("tucked", test_tuck_after_rename, test_tuck_after_rename_among_siblings, test_tuck_after_rename_in_large_table,
        test_tuck_after_rename_among_many, test_tuck_after_rename_on_many_parents,
        test_tree_at_once, test_tuck_between_looks, test_round)
