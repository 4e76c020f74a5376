/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who removes the directories that were made on the way to a mount point. */

#include "pod/points.h"
#include "tests/unit/unit.h"

static char main_container[] = "main", other_container[] = "other", root_target[] = "/";

/* How much of the path of the last mount is its own, after others were recorded before it, each with `made` of its target. */
static uint32_t shared(const char *target, uint32_t made, const struct record_mount *before, size_t n) {
        struct record_mount mounts[8] = {{.container = main_container, .target = root_target}, {.container = other_container, .target = root_target}};
        char text[16] = "";
        struct record_pod record = {.mounts = mounts, .n_mounts = n + 3};

        strcpy(text, target);
        memcpy(mounts + 2, before, n * sizeof(*before));
        mounts[n + 2] = (struct record_mount) {.container = main_container, .target = text, .made = made};
        points_share(&record, n + 2);
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

UNIT_MAIN("points", test_way, test_ways, test_grounds, test_more_than_there_is)
