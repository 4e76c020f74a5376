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
                                      .mounts_headroom = 5000, .pods_per_group = UINT32_MAX, .mounts_per_group = UINT32_MAX,
                                      .tmpfs_bytes_per_user = 1000, .tmpfs_bytes_per_group = 3000};
}

static void refuse(const struct caller *caller, const struct quota_use *use, uint32_t pods, uint32_t mounts,
                   const char *text) {
        const struct quota_ask ask = {.pods = pods, .mounts = mounts};
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_int_eq(quota_check(&settings, caller, use, &ask, &f), FAILURE_QUOTA_EXCEEDED);
        ck_assert_int_eq(f.kind, FAILURE_QUOTA_EXCEEDED);
        ck_assert_str_eq(f.text, text);
}

static void accept_use(const struct caller *caller, const struct quota_use *use, uint32_t pods, uint32_t mounts) {
        const struct quota_ask ask = {.pods = pods, .mounts = mounts};
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_int_eq(quota_check(&settings, caller, use, &ask, &f), 0);
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
               "pods per user (PodsPerUser=): 256 of 256 in use, 1 more asked for; collect some with podmountctl gc");
}
END_TEST

START_TEST(test_mounts) {
        struct quota_use use = {.mounts_of_pod = 98, .mounts_of_user = 998};

        limits();
        accept_use(&user, &use, 0, 2);
        refuse(&user, &use, 0, 3,
               "mounts per user (MountsPerUser=): 998 of 1000 in use, 3 more asked for; unmount some with podmountctl unmount or collect "
               "pods with podmountctl gc");
        refuse(&root, &use, 0, 3,
               "mounts per pod (MountsPerPod=): 98 of 100 in use, 3 more asked for; unmount some with podmountctl unmount, or spread them "
               "over more pods");
        use.mounts_of_pod = UINT32_MAX;
        refuse(&root, &use, 0, UINT32_MAX,
               "mounts per pod (MountsPerPod=): 4294967295 of 100 in use, 4294967295 more asked for; unmount some with podmountctl "
               "unmount, or spread them over more pods");
}
END_TEST

START_TEST(test_headroom) {
        struct quota_use use = {.mounts_of_namespace = 94990, .mounts_max = 100000};

        limits();
        accept_use(&root, &use, 1, 10);
        refuse(&root, &use, 1, 11,
               "mounts of the host (MountsHeadroom=): 94990 of 95000 in use, 11 more asked for; collect pods with podmountctl gc, or raise "
               "the sysctl fs.mount-max");
        use.mounts_max = 4000; /* all of it is headroom */
        use.mounts_of_namespace = 0;
        refuse(&root, &use, 1, 1,
               "mounts of the host (MountsHeadroom=): 0 of 0 in use, 1 more asked for; collect pods with podmountctl gc, or raise the "
               "sysctl fs.mount-max");
        use.mounts_max = 0; /* unknown */
        accept_use(&root, &use, 1, 11);
}
END_TEST

/* Of a group what all of its users have together; of tmpfs bytes. */
START_TEST(test_groups) {
        struct quota_use use = {.pods_of_user = 1, .pods_of_group = 4, .mounts_of_group = 90, .tmpfs_of_user = 400, .tmpfs_of_group = 2500};
        const struct quota_ask large = {.tmpfs = 601}, fits = {.tmpfs = 500};
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        limits();
        settings.pods_per_group = 4;
        settings.mounts_per_group = 100;
        accept_use(&user, &use, 0, 10);
        refuse(&user, &use, 1, 0, "pods per group (PodsPerGroup=): 4 of 4 in use, 1 more asked for; collect some with podmountctl gc");
        refuse(&user, &use, 0, 11,
               "mounts per group (MountsPerGroup=): 90 of 100 in use, 11 more asked for; unmount some with podmountctl unmount or collect "
               "pods with podmountctl gc");
        accept_use(&root, &use, 1, 11);
        ck_assert_uint_eq(quota_brought(&settings, &use, 3), 7);
        ck_assert_int_eq(quota_check(&settings, &user, &use, &fits, &f), 0);
        ck_assert_int_eq(quota_check(&settings, &root, &use, &large, &f), 0);
        ck_assert_int_eq(quota_check(&settings, &user, &use, &large, &f), FAILURE_QUOTA_EXCEEDED);
        ck_assert_str_eq(f.text, "bytes of tmpfs per user (TmpfsBytesPerUser=): 400 of 1000 in use, 601 more asked for; give a smaller size=, or "
                                 "collect pods with podmountctl gc");
        failure_clear(&f);
        use.tmpfs_of_group = 2501;
        ck_assert_int_eq(quota_check(&settings, &user, &use, &fits, &f), FAILURE_QUOTA_EXCEEDED);
        ck_assert_str_eq(f.text, "bytes of tmpfs per group (TmpfsBytesPerGroup=): 2501 of 3000 in use, 500 more asked for; give a smaller size=, or "
                                 "collect pods with podmountctl gc");
}
END_TEST

/* Every limit has a row that says all of itself, and is a setting. */
START_TEST(test_table) {
        struct settings defaults;

        settings_defaults(&defaults);
        for (unsigned limit = 0; limit < _QUOTA_LIMIT_MAX; limit++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                _cleanup_free_ char *line = NULL;
                struct settings read;

                ck_assert_int_gt(strlen(quota_scope_name(quota_scope(limit))), 0);
                ck_assert_int_gt(strlen(quota_metric(limit)), 0);
                ck_assert_uint_gt(quota_maximum(&defaults, limit), 0);
                ck_assert_int_gt(asprintf(&line, "[Limits]\n%s=1023\n", quota_setting(limit)), 0);
                if (limit == QUOTA_SPEC_SIZE)
                        strcpy(strchr(line, '=') + 1, "1024\n");
                ck_assert_int_eq(settings_from_text(line, &read), 0);
                ck_assert_uint_eq(quota_maximum(&read, limit), limit == QUOTA_SPEC_SIZE ? 1024 : 1023);
                ck_assert_int_eq(quota_exceeds(limit, 7, 8, 1, &f), 0);
                ck_assert_int_eq(quota_exceeds(limit, 7, 8, 2, &f), FAILURE_QUOTA_EXCEEDED);
                ck_assert_ptr_nonnull(strstr(f.text, quota_setting(limit)));
                ck_assert_ptr_nonnull(strstr(f.text, ": 7 of 8 in use, 2 more asked for; "));
        }
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

UNIT_MAIN("quota", test_pods_of_user, test_mounts, test_headroom, test_groups, test_table, test_brought)
