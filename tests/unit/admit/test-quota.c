/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each limit at its edge, its sentence, and what root is spared. */

#include "admit/quota.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct settings settings;
static const struct caller user = {.uid = 1000, .host_mount_namespace = true, .host_user_namespace = true,
                                   .host_root_directory = true};
static const struct caller root = {.host_mount_namespace = true, .host_user_namespace = true,
                                   .host_root_directory = true};

static void limits(void) {
        settings = (struct settings) {.pods_per_user = 256, .mounts_per_pod = 100, .mounts_per_user = 1000,
                                      .mounts_headroom = 5000};
}

static void refuse(const struct caller *caller, const struct quota_use *use, uint32_t pods, uint32_t mounts,
                   const char *text) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_int_eq(quota_check(&settings, caller, use, pods, mounts, &f), FAILURE_QUOTA_EXCEEDED);
        ck_assert_int_eq(f.kind, FAILURE_QUOTA_EXCEEDED);
        ck_assert_str_eq(f.text, text);
}

static void accept_use(const struct caller *caller, const struct quota_use *use, uint32_t pods, uint32_t mounts) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_int_eq(quota_check(&settings, caller, use, pods, mounts, &f), 0);
        ck_assert_int_eq(f.kind, FAILURE_NONE);
}

START_TEST(test_pods_of_user) {
        struct quota_use use = {.pods_of_user = 255};

        limits();
        accept_use(&user, &use, 1, 0);
        use.pods_of_user = 256;
        accept_use(&user, &use, 0, 1);
        accept_use(&root, &use, 1, 1);
        refuse(&user, &use, 1, 0,
               "pods per user: 256 of 256 in use, 1 more asked for; collect some with podmountctl gc");
}
END_TEST

START_TEST(test_mounts) {
        struct quota_use use = {.mounts_of_pod = 98, .mounts_of_user = 998};

        limits();
        accept_use(&user, &use, 0, 2);
        refuse(&user, &use, 0, 3,
               "mounts per user: 998 of 1000 in use, 3 more asked for; unmount some with podmountctl unmount or collect "
               "pods with podmountctl gc");
        refuse(&root, &use, 0, 3,
               "mounts per pod: 98 of 100 in use, 3 more asked for; unmount some with podmountctl unmount, or spread them "
               "over more pods");
        use.mounts_of_pod = UINT32_MAX;
        refuse(&root, &use, 0, UINT32_MAX,
               "mounts per pod: 4294967295 of 100 in use, 4294967295 more asked for; unmount some with podmountctl "
               "unmount, or spread them over more pods");
}
END_TEST

START_TEST(test_headroom) {
        struct quota_use use = {.mounts_of_namespace = 94990, .mounts_max = 100000};

        limits();
        accept_use(&root, &use, 1, 10);
        refuse(&root, &use, 1, 11,
               "mounts of the host: 94990 of 95000 in use, 11 more asked for; collect pods with podmountctl gc, or raise "
               "the sysctl fs.mount-max");
        use.mounts_max = 4000; /* all of it is headroom */
        use.mounts_of_namespace = 0;
        refuse(&root, &use, 1, 1,
               "mounts of the host: 0 of 0 in use, 1 more asked for; collect pods with podmountctl gc, or raise the "
               "sysctl fs.mount-max");
        use.mounts_max = 0; /* unknown */
        accept_use(&root, &use, 1, 11);
}
END_TEST

/* The share of what is left, never more than that. */
START_TEST(test_brought) {
        struct quota_use use = {.mounts_of_namespace = 1000, .mounts_max = 100000};

        limits();
        settings.mounts_per_user = 64000;
        settings.mounts_per_pod = 64000;
        ck_assert_uint_eq(quota_brought(&settings, &use, 0), 1000);
        use.mounts_of_user = 63900;
        ck_assert_uint_eq(quota_brought(&settings, &use, 10), 16);
        ck_assert_uint_eq(quota_brought(&settings, &use, 95), 5);
        ck_assert_uint_eq(quota_brought(&settings, &use, 100), 0);
        ck_assert_uint_eq(quota_brought(&settings, &use, UINT32_MAX), 0);
        use.mounts_of_user = 0;
        use.mounts_of_pod = 63990;
        ck_assert_uint_eq(quota_brought(&settings, &use, 1), 9);
        use.mounts_of_pod = 0;
        use.mounts_of_namespace = 94998;
        ck_assert_uint_eq(quota_brought(&settings, &use, 1), 1);
        use.mounts_of_namespace = 99999;
        ck_assert_uint_eq(quota_brought(&settings, &use, 1), 0);
        use.mounts_max = 0; /* unknown */
        ck_assert_uint_eq(quota_brought(&settings, &use, 0), 1000);
}
END_TEST

UNIT_MAIN("quota", test_pods_of_user, test_mounts, test_headroom, test_brought)
