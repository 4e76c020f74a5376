/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who removes the directories that were made on the way to a mount point. PODMOUNT_SEED repeats one run. */

#include <stdlib.h>

#include "pod/grounds.h"
#include "pod/points.h"
#include "tests/unit/draw.h"
#include "tests/unit/unit.h"
#include "util/array.h"
#include "util/path.h"

static char main_container[] = "main", other_container[] = "other", root_target[] = "/";

/* How much of the path of the last mount is its own, after others were recorded before it, each with `made` of its target. */
static uint32_t shared(const char *target, uint32_t made, const struct record_mount *before, size_t n) {
        struct record_mount mounts[8] = {{.container = main_container, .target = root_target}, {.container = other_container, .target = root_target}};
        char text[16] = "";
        struct record_pod record = {.mounts = mounts, .n_mounts = n + 3};

        strcpy(text, target);
        memcpy(mounts + 2, before, n * sizeof(*before));
        mounts[n + 2] = (struct record_mount) {.container = main_container, .target = text, .made = made};
        ck_assert_int_eq(points_share(&record, n + 2), 0);
        for (size_t i = 0; i < n; i++)
                ck_assert_uint_eq(mounts[i + 2].made, before[i].made); /* which is on record already */
        return mounts[n + 2].made;
}

START_TEST(test_way) {
        const struct record_mount before[] = {{.container = main_container, .target = (char *) "/a/b/c", .made = 2}};

        ck_assert_uint_eq(shared("/a/b/d", 1, before, 1), 2);
        ck_assert_uint_eq(shared("/a/b/d/e", 2, before, 1), 3);
        ck_assert_uint_eq(shared("/a/b/d/e", 1, before, 1), 1); /* somebody else made d */
        ck_assert_uint_eq(shared("/a/b/d", 0, before, 1), 0);
        ck_assert_uint_eq(shared("/a/x", 1, before, 1), 1); /* a was there */
        ck_assert_uint_eq(shared("/a/bc/d", 1, before, 1), 1);
        ck_assert_uint_eq(shared("/d", 1, before, 1), 1);
}
END_TEST

START_TEST(test_ways) {
        const struct record_mount before[] = {
                {.container = main_container, .target = (char *) "/a/b/c", .made = 3},
                {.container = main_container, .target = (char *) "/a/d", .made = 2},
                {.container = main_container, .target = (char *) "/x/y", .made = 1}};

        ck_assert_uint_eq(shared("/a/b/e", 1, before, 3), 3);
        ck_assert_uint_eq(shared("/a/e/f", 2, before, 3), 3);
        ck_assert_uint_eq(shared("/x/z", 1, before, 3), 1);
}
END_TEST

/* Of another file system, or of another container's root, nothing was made on the way. */
START_TEST(test_grounds) {
        const struct record_mount covered[] = {
                {.container = main_container, .target = (char *) "/a/b/c", .made = 3},
                {.container = main_container, .target = (char *) "/a"}};
        const struct record_mount other[] = {{.container = other_container, .target = (char *) "/a/b/c", .made = 3}};

        ck_assert_uint_eq(shared("/a/b/d", 1, covered, 2), 1);
        ck_assert_uint_eq(shared("/a/b/d", 1, covered, 1), 3);
        ck_assert_uint_eq(shared("/a/b/d", 1, other, 1), 1);
}
END_TEST

/* Behind a symlink that leads nowhere more is made than the target has components. */
START_TEST(test_more_than_there_is) {
        const struct record_mount before[] = {{.container = main_container, .target = (char *) "/l/c", .made = 7}};

        ck_assert_uint_eq(shared("/l/d", 1, before, 1), 2);
        ck_assert_uint_eq(shared("/d", 9, before, 1), 9);
}
END_TEST

enum { MANY = 80 };

/* Short paths of few names, so that they have to do with each other. */
static void draw_target(char text[32]) {
        static const char *const names[] = {"/a", "/b", "/a-b", "/ab"};
        unsigned n = draw(5);

        text[0] = '\0';
        for (unsigned i = 0; i < n; i++)
                strcat(text, names[draw(4)]);
        if (n == 0)
                strcpy(text, "/");
}

/* What points_share() says, mount by mount as it stands there. */
static void share_one_by_one(struct record_pod *record, size_t from) {
        for (size_t i = from; i < record->n_mounts; i++)
                for (size_t j = 0; record->mounts[i].made > 0 && j < record->n_mounts; j++) {
                        struct record_mount *mount = &record->mounts[i], *other = &record->mounts[j];
                        size_t begin = path_length_without(mount->target, mount->made), way = path_length_without(other->target, other->made);

                        if (i == j || other->made < 2 || begin <= way || strncmp(other->target, mount->target, begin) != 0 || other->target[begin] != '/')
                                continue;
                        if (strcmp(other->container, mount->container) != 0 || ground_find(record, other) != ground_find(record, mount))
                                continue;
                        for (size_t c = way; c < begin; c++)
                                mount->made += mount->target[c] == '/';
                }
}

START_TEST(test_many) {
        unsigned n_shared = 0;

        draw_begin();
        for (unsigned turn = 0; turn < 3000; turn++) {
                char targets[MANY][32], places[MANY][40];
                struct record_mount mounts[MANY] = {}, expected[MANY];
                struct made_point points[MANY];
                struct record_pod record = {.mounts = mounts, .n_mounts = 1 + draw(MANY)};
                _cleanup_free_ const struct record_mount **grounds = NULL, **of_points = NULL;
                size_t from = draw((unsigned) record.n_mounts);

                for (size_t i = 0; i < record.n_mounts; i++) {
                        draw_target(targets[i]);
                        mounts[i] = (struct record_mount) {.container = draw(4) ? main_container : other_container,
                                .target = targets[i], .made = draw(4)};
                        (void) snprintf(places[i], sizeof(places[i]), "%s%s", i % 3 ? "main" : "mai", targets[MANY - 1 - i < i ? MANY - 1 - i : i]); /* fits */
                        points[i] = (struct made_point) {.place = places[i], .made = 1};
                }
                ck_assert_int_eq(grounds_find_all(&record, NULL, &grounds), 0);
                for (size_t i = 0; i < record.n_mounts; i++)
                        ck_assert_ptr_eq(grounds[i], ground_find(&record, &mounts[i]));
                ck_assert_int_eq(grounds_find_points(&record, points, record.n_mounts, &of_points), 0);
                for (size_t i = 0; i < record.n_mounts; i++) {
                        struct record_mount last[MANY + 1];
                        struct record_pod longer = {.mounts = last, .n_mounts = record.n_mounts + 1};
                        const struct record_mount *ground;

                        memcpy(last, mounts, sizeof(mounts));
                        last[record.n_mounts] = (struct record_mount) {.container = i % 3 ? main_container : (char *) "mai", .target = strchr(places[i], '/')};
                        ground = ground_find(&longer, &last[record.n_mounts]);
                        ck_assert_ptr_eq(of_points[i], ground ? mounts + (ground - last) : NULL);
                }
                memcpy(expected, mounts, sizeof(mounts));
                share_one_by_one(&(struct record_pod) {.mounts = expected, .n_mounts = record.n_mounts}, from);
                ck_assert_int_eq(points_share(&record, from), 0);
                for (size_t i = 0; i < record.n_mounts; i++) {
                        n_shared += i >= from && mounts[i].made > 3;
                        ck_assert_uint_eq(mounts[i].made, expected[i].made);
                }
        }
        ck_assert_uint_gt(n_shared, 100);
}
END_TEST

UNIT_MAIN("points", test_way, test_ways, test_grounds, test_more_than_there_is, test_many)
