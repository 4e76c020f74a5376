/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attributes of a clone and of the mounts below it: each gets its own. */

#include <sys/statvfs.h>

#include "tests/unit/executor/hands.h"

/* The flags of statvfs(3) there. */
static unsigned long flags_at(const char *path) {
        struct statvfs status;

        ck_assert_int_eq(statvfs(path, &status), 0);
        return status.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC);
}

/* A recursive bind of /tmp/src with a noexec mount at /tmp/src/below. */
static struct job_result bind_with(bool root, uint64_t set, uint64_t clear, uint64_t set_below, uint64_t clear_below) {
        struct job *job = new_job(root);
        struct step *step;

        ck_assert_int_eq(mkdir("/tmp/src/below", 0755), 0);
        ck_assert_int_eq(mount("none", "/tmp/src/below", "tmpfs", MS_NOEXEC, NULL), 0);
        add_tree(job);
        add_root(job, "/tmp/root");
        step = add_bind(job, "/tmp/src", "/data");
        step->flags |= STEP_RECURSIVE | (set_below | clear_below ? STEP_ATTR_RECURSIVE : 0);
        step->attr_set = set;
        step->attr_clear = clear;
        step->attr_set_below = set_below;
        step->attr_clear_below = clear_below;
        add_publish(job);
        return run(job);
}

START_TEST(test_top_alone) {
        _cleanup_job_result_ struct job_result result = {};

        if (!hands_begin(NULL))
                return;
        result = bind_with(true, MOUNT_ATTR_RDONLY, 0, 0, 0);
        ck_assert_done(result);
        ck_assert_uint_eq(flags_at(ROOTFS "/data"), ST_RDONLY);
        ck_assert_uint_eq(flags_at(ROOTFS "/data/below"), ST_NOEXEC);
        ck_assert_uint_eq(flags_at("/tmp/src/below"), ST_NOEXEC);
}
END_TEST

START_TEST(test_both) {
        _cleanup_job_result_ struct job_result result = {};

        if (!hands_begin(NULL))
                return;
        result = bind_with(true, MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOEXEC);
        ck_assert_done(result);
        ck_assert_uint_eq(flags_at(ROOTFS "/data"), ST_RDONLY);
        ck_assert_uint_eq(flags_at(ROOTFS "/data/below"), ST_RDONLY);
}
END_TEST

START_TEST(test_different) {
        _cleanup_job_result_ struct job_result result = {};

        if (!hands_begin(NULL))
                return;
        result = bind_with(true, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, MOUNT_ATTR_RDONLY, 0);
        ck_assert_done(result);
        ck_assert_uint_eq(flags_at(ROOTFS "/data"), ST_NOSUID);
        ck_assert_uint_eq(flags_at(ROOTFS "/data/below"), ST_RDONLY | ST_NOEXEC);
}
END_TEST

/* A captured front can ask for what it likes: for anyone but root nothing is loosened. */
START_TEST(test_user) {
        _cleanup_job_result_ struct job_result result = {};

        if (!hands_begin(NULL))
                return;
        result = bind_with(false, MOUNT_ATTR_RDONLY, 0, 0, MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID);
        ck_assert_done(result);
        ck_assert_uint_eq(flags_at(ROOTFS "/data"), ST_RDONLY | ST_NOSUID | ST_NODEV);
        ck_assert_uint_eq(flags_at(ROOTFS "/data/below"), ST_NOEXEC | ST_NOSUID | ST_NODEV);
}
END_TEST

UNIT_MAIN("below", test_top_alone, test_both, test_different, test_user)
