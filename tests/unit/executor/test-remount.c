/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_REMOUNT by the real calls: the mount that is meant, all of the change or nothing. */

#include <sys/statvfs.h>

#include "kernel/identity.h"
#include "tests/unit/executor/hands.h"

enum { TMPFS = 2, CLONE = 3 };

static struct job_result made; /* the pod's, whose ids the remounts name */

static bool begin(const char *without) {
        struct job *job;
        struct step *step;

        if (!hands_begin(without))
                return false;
        ck_assert_int_eq(mkdir("/tmp/root/t", 0755), 0);
        ck_assert_int_eq(mkdir("/tmp/src/below", 0755), 0);
        ck_assert_int_eq(mount("below", "/tmp/src/below", "tmpfs", 0, NULL), 0);
        job = new_job(true);
        add_tree(job);
        add_root(job, "/tmp/root");
        step = add_fs(job, "tmpfs", "/t");
        add_option(step, "size", "1048576");
        step = add_bind(job, "/tmp/src", "/data");
        step->flags = STEP_RECURSIVE;
        add_publish(job);
        made = run(job);
        ck_assert_done(made);
        return true;
}

static struct step *new_remount(struct job *job, unsigned of) {
        struct step *step = add_step(job, STEP_REMOUNT, NULL, of == TMPFS ? "/t" : "/data");

        step->propagation = 0;
        step->type = strdup(of == TMPFS ? "tmpfs" : "bind");
        step->id = made.steps[of].id;
        step->mount_id = made.steps[of].mount_id;
        return step;
}

static uint64_t attributes_of(const char *path) {
        _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
        uint64_t attributes;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(identity_attributes(fd, &attributes), 0);
        return attributes & (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

static void check_change(const char *without) {
        _cleanup_job_result_ struct job_result result = {};
        struct statvfs st;
        struct step *step;
        struct job *job;

        if (!begin(without))
                return;
        job = new_job(true);
        step = new_remount(job, TMPFS);
        step->attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC;
        add_option(step, "size", "4194304");
        result = run(job);
        ck_assert_done(result);
        ck_assert_uint_eq(result.steps[0].id, made.steps[TMPFS].id);
        ck_assert_uint_eq(result.steps[0].attributes & MOUNT_ATTR_RDONLY, MOUNT_ATTR_RDONLY);
        ck_assert_uint_eq(attributes_of(ROOTFS "/t"), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC);
        ck_assert_int_eq(statvfs(ROOTFS "/t", &st), 0);
        ck_assert_uint_eq(st.f_blocks * st.f_frsize, 4194304);
        job_result_done(&made);
}

START_TEST(test_change) {
        check_change(NULL);
}
END_TEST

START_TEST(test_change_without_unique_ids) {
        check_change("unique-id");
}
END_TEST

START_TEST(test_recursive) {
        _cleanup_job_result_ struct job_result result = {};
        struct step *step;
        struct job *job;

        if (!begin(NULL))
                return;
        job = new_job(true);
        step = new_remount(job, CLONE);
        step->flags = STEP_ATTR_RECURSIVE;
        step->attr_set_below = MOUNT_ATTR_RDONLY;
        step->attr_clear = MOUNT_ATTR_RDONLY;
        result = run(job);
        ck_assert_done(result);
        ck_assert_uint_eq(attributes_of(ROOTFS "/data"), 0);
        ck_assert_uint_eq(attributes_of(ROOTFS "/data/below"), MOUNT_ATTR_RDONLY);
        ck_assert_uint_eq(attributes_of("/tmp/src/below"), 0);
        job_result_done(&made);
}
END_TEST

/* The file system refuses, or somebody writes: the attributes are what they were. */
START_TEST(test_undone) {
        _cleanup_job_result_ struct job_result result = {}, busy = {};
        _cleanup_close_ int fd = -1;
        struct step *step;
        struct job *job;

        if (!begin(NULL))
                return;
        make_file(ROOTFS "/t/file", "of some size\n");
        job = new_job(true);
        step = new_remount(job, TMPFS);
        step->attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC;
        add_option(step, "size", "1");
        add_option(step, "nr_inodes", "1");
        result = run(job);
        ck_assert_failed(result, FAILURE_MOUNT_FAILED, "the kernel says: ");
        ck_assert_uint_eq(attributes_of(ROOTFS "/t"), 0);

        fd = open(ROOTFS "/data/below/open", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        job = new_job(true);
        step = new_remount(job, CLONE);
        step->flags = STEP_ATTR_RECURSIVE;
        step->attr_set = step->attr_set_below = MOUNT_ATTR_RDONLY;
        busy = run(job);
        ck_assert_failed(busy, FAILURE_BUSY, "open for writing");
        ck_assert_uint_eq(attributes_of(ROOTFS "/data"), 0);
        ck_assert_uint_eq(attributes_of(ROOTFS "/data/below"), 0);
        job_result_done(&made);
}
END_TEST

/* Whatever the front asks for in the name of one who is not root: nothing of the host's gets looser. */
START_TEST(test_captured) {
        const uint64_t all = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        _cleanup_job_result_ struct job_result first = {}, second = {}, third = {}, fourth = {};
        struct step *step;
        struct job *job;

        if (!begin(NULL))
                return;
        job = new_job(true);
        new_remount(job, CLONE)->attr_set = all;
        first = run(job);
        ck_assert_done(first);
        job = new_job(false);
        step = new_remount(job, CLONE);
        step->flags = STEP_ATTR_RECURSIVE;
        step->attr_clear = step->attr_clear_below = all;
        second = run(job);
        ck_assert_done(second);
        ck_assert_uint_eq(attributes_of(ROOTFS "/data"), all);
        job = new_job(true);
        new_remount(job, TMPFS)->attr_set = all;
        fourth = run(job);
        ck_assert_done(fourth);
        job = new_job(false);
        step = new_remount(job, TMPFS);
        step->attr_clear = all;
        third = run(job);
        ck_assert_done(third);
        ck_assert_uint_eq(attributes_of(ROOTFS "/t"), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        job_result_done(&made);
}
END_TEST

START_TEST(test_not_it) {
        _cleanup_job_result_ struct job_result other = {}, covered = {}, nothing = {};
        struct step *step;
        struct job *job;

        if (!begin(NULL))
                return;
        job = new_job(true);
        step = new_remount(job, TMPFS);
        step->attr_set = MOUNT_ATTR_RDONLY;
        step->id++;
        step->mount_id += 1000;
        other = run(job);
        ck_assert_failed(other, FAILURE_NO_SUCH_MOUNT, "not there any more");
        job = new_job(true);
        step = new_remount(job, TMPFS);
        step->attr_set = MOUNT_ATTR_RDONLY;
        free(step->target);
        step->target = strdup("/none");
        nothing = run(job);
        ck_assert(nothing.failure != FAILURE_NONE);
        ck_assert_int_eq(mount("cover", ROOTFS "/t", "tmpfs", 0, NULL), 0);
        job = new_job(true);
        new_remount(job, TMPFS)->attr_set = MOUNT_ATTR_RDONLY;
        covered = run(job);
        ck_assert_failed(covered, FAILURE_NO_SUCH_MOUNT, "covered");
        ck_assert_uint_eq(attributes_of(ROOTFS "/t"), 0);
        job_result_done(&made);
}
END_TEST

UNIT_MAIN("remount", test_change, test_change_without_unique_ids, test_recursive, test_undone, test_captured, test_not_it)
