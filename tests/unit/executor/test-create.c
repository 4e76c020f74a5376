/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole pods: what is built and published is what was asked for, and nothing of it touches the source. */

#include "tests/unit/executor/hands.h"

static void create_everything(void) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_free_ char *line = NULL, *text = NULL;
        struct job *job = new_job(true);
        struct step *step;
        struct stat status;

        add_tree(job);
        add_root(job, "/tmp/root");
        step = add_bind(job, "/tmp/src", "/data");
        step->attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
        step = add_fs(job, "tmpfs", "/new/tmp");
        step->create = STEP_CREATE_AS_CALLER;
        step->cover_step = 1;
        add_option(step, "size", "65536");
        step = add_bind(job, "/tmp/src/hello", "/new/tmp/a/file");
        step->create = STEP_CREATE_FREELY;
        step->cover_step = 3;
        step = add_bind(job, "/tmp/src", "/etc");
        step->propagation = MS_PRIVATE;
        add_publish(job);
        result = run(job);
        ck_assert_done(result);

        ck_assert_int_eq(stat(POD, &status), 0);
        ck_assert_uint_eq(status.st_uid, CALLER);
        ck_assert_uint_eq(status.st_mode & 07777, 0700);
        ck_assert(exists(ROOTFS "/data/hello"));
        ck_assert(exists(ROOTFS "/new/tmp/a/file"));
        line = namespace_line(ROOTFS "/data");
        ck_assert_ptr_nonnull(strstr(line, "ro,nosuid"));
        ck_assert_ptr_nonnull(strstr(line, "shared:"));
        ck_assert_int_lt(open(ROOTFS "/data/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 0);
        free(line);
        line = namespace_line(ROOTFS "/etc");
        ck_assert_ptr_null(strstr(line, "shared:"));
        free(line);
        line = namespace_line(POD);
        ck_assert_ptr_nonnull(strstr(line, "nosuid,nodev,noexec"));
        for (size_t i = 0; i < result.n_steps; i++)
                ck_assert(result.steps[i].done);
        ck_assert_uint_eq(result.steps[3].made, 2);
        ck_assert_uint_eq(result.steps[4].made, 2);
        ck_assert(result.steps[4].made_file);
        ck_assert(result.steps[2].attributes & MOUNT_ATTR_RDONLY);
        ck_assert_uint_ne(result.steps[1].mount_id, 0);
        ck_assert_int_eq(asprintf(&text, "%u ", result.steps[1].mount_id) > 0, 1);
        free(line);
        line = namespace_line(ROOTFS);
        ck_assert_int_eq(strncmp(line, text, strlen(text)), 0);
        if (executor.features.unique_id)
                ck_assert_uint_ne(result.steps[1].id, 0);
}

START_TEST(test_whole) {
        if (hands_begin(NULL))
                create_everything();
}
END_TEST

START_TEST(test_whole_old_kernel) {
        if (!hands_begin("unique-id,statmount,detached-attach,detached-layers,lowerdir-plus,layer-fd"))
                return;
        create_everything();
        ck_assert_uint_eq(namespace_count("/tmp/run/staging/0/tree"), 0);
}
END_TEST

static void create_stubs(void) {
        _cleanup_job_result_ struct job_result result = {};
        struct job *job = new_job(true);
        struct step *root, *step;
        struct stat status;

        ck_assert_int_eq(chmod("/tmp/root/etc", 0711), 0);
        ck_assert_int_eq(symlink("../gone/resolv", "/tmp/root/etc/resolv.conf"), 0);
        add_tree(job);
        root = add_root(job, "/tmp/root");
        root->attr_set = MOUNT_ATTR_RDONLY;
        ck_assert_int_eq(strv_append(&root->stubs, "/mnt/deep"), 0);
        ck_assert_int_eq(strv_append(&root->stubs, "/etc/new"), 0);
        ck_assert_int_eq(strv_append(&root->stubs, "/etc/resolv.conf"), 0);
        ck_assert_int_eq(strv_append(&root->stubs, "/data"), 0);
        step = add_bind(job, "/tmp/src", "/mnt/deep");
        step->create = STEP_CREATE_STUB;
        step = add_bind(job, "/tmp/src/hello", "/etc/new");
        step->create = STEP_CREATE_STUB;
        step = add_bind(job, "/tmp/src/hello", "/etc/resolv.conf");
        step->create = STEP_CREATE_STUB;
        step = add_bind(job, "/tmp/src", "/data");
        step->create = STEP_CREATE_STUB;
        add_publish(job);
        result = run(job);
        ck_assert_done(result);
        ck_assert(exists(ROOTFS "/mnt/deep/hello"));
        ck_assert(exists(ROOTFS "/etc/file"));
        ck_assert_int_eq(stat(ROOTFS "/etc/new", &status), 0);
        ck_assert_int_eq(status.st_size, 6);
        ck_assert_int_eq(stat(ROOTFS "/etc", &status), 0);
        ck_assert_uint_eq(status.st_mode & 07777, 0711);
        ck_assert_int_eq(stat(ROOTFS "/gone/resolv", &status), 0);
        ck_assert_int_eq(status.st_size, 6);
        ck_assert_int_lt(mkdir(ROOTFS "/x", 0755), 0);
        ck_assert(!exists("/tmp/root/mnt"));
        ck_assert(!exists("/tmp/root/etc/new"));
}

START_TEST(test_stubs) {
        if (hands_begin(NULL))
                create_stubs();
}
END_TEST

START_TEST(test_stubs_old_kernel) {
        if (!hands_begin("unique-id,detached-attach,detached-layers,lowerdir-plus,layer-fd"))
                return;
        create_stubs();
        ck_assert_uint_eq(namespace_count("/tmp/run/staging/0/"), 0);
}
END_TEST

static void create_overlay_root(void) {
        _cleanup_job_result_ struct job_result result = {};
        struct job *job = new_job(true);
        struct step *root, *step;
        struct stat status;

        ck_assert_int_eq(chmod("/tmp/root", 0750), 0);
        add_tree(job);
        root = add_root(job, "/tmp/root");
        root->flags |= STEP_OVERLAY_TMPFS;
        root->size = 1024 * 1024;
        step = add_bind(job, "/tmp/src", "/made/here");
        step->create = STEP_CREATE_FREELY;
        step->cover_step = 1;
        add_publish(job);
        result = run(job);
        ck_assert_done(result);
        make_file(ROOTFS "/etc/file", "changed\n");
        make_file(ROOTFS "/written", "new\n");
        ck_assert(!exists("/tmp/root/written"));
        ck_assert_int_eq(stat("/tmp/root/etc/file", &status), 0);
        ck_assert_int_eq(status.st_size, 12);
        ck_assert_int_eq(stat(ROOTFS, &status), 0);
        ck_assert_uint_eq(status.st_mode & 07777, 0750);
        ck_assert(exists(ROOTFS "/made/here/hello"));
        ck_assert(!exists("/tmp/root/made"));
}

START_TEST(test_overlay_root) {
        if (hands_begin(NULL))
                create_overlay_root();
}
END_TEST

START_TEST(test_overlay_root_old_kernel) {
        if (hands_begin("unique-id,detached-attach,detached-layers,lowerdir-plus,layer-fd"))
                create_overlay_root();
}
END_TEST

static void add_beside(struct job *job, const char *source, const char *target, uint32_t cover_step) {
        struct step *step = add_bind(job, source, target);

        step->create = STEP_CREATE_FREELY;
        step->cover_step = cover_step;
}

/* A tmpfs with two mount points in it that are not there. */
static struct job *new_beside(void) {
        struct job *job = new_job(true);
        struct step *step;

        add_tree(job);
        add_root(job, "/tmp/root");
        step = add_fs(job, "tmpfs", "/new");
        step->create = STEP_CREATE_AS_CALLER;
        step->cover_step = 1;
        add_beside(job, "/tmp/src", "/new/a", 2);
        add_beside(job, "/tmp/src", "/new/b", 2);
        return job;
}

/* Where one target was made the next is made without a look first: by the same rules, with the same words. */
START_TEST(test_beside) {
        _cleanup_job_result_ struct job_result result = {};
        struct job *job;

        if (!hands_begin(NULL))
                return;
        job = new_beside();
        add_beside(job, "/tmp/src/hello", "/new/file", 2);
        add_beside(job, "/tmp/src", "/new/x/y", 2);
        add_beside(job, "/tmp/src", "/new/x/z", 2);
        add_beside(job, "/tmp/src", "/etc", 1);
        add_publish(job);
        result = run(job);
        ck_assert_done(result);
        for (size_t i = 3; i <= 7; i++)
                ck_assert_uint_eq(result.steps[i].made, i == 6 ? 2 : 1);
        ck_assert_uint_eq(result.steps[8].made, 0);
        ck_assert(!result.steps[4].made_file && result.steps[5].made_file);
        ck_assert(exists(ROOTFS "/new/b/hello") && exists(ROOTFS "/new/x/z/hello") && exists(ROOTFS "/etc/hello"));
}
END_TEST

START_TEST(test_beside_refused) {
        _cleanup_job_result_ struct job_result taken = {}, foreign = {};
        struct job *job;

        if (!hands_begin(NULL))
                return;
        job = new_beside();
        add_beside(job, "/tmp/src", "/new/b", 2);
        add_publish(job);
        taken = run(job);
        ck_assert_failed(taken, FAILURE_TARGET_IN_USE, "is a mount point already");
        job = new_beside();
        add_beside(job, "/tmp/src", "/new/a/made", 2); /* in the source that is bound there */
        add_publish(job);
        foreign = run(job);
        ck_assert_failed(foreign, FAILURE_INVALID_TARGET, "may not modify");
        ck_assert(!exists("/tmp/src/made"));
}
END_TEST

/* Propagation of each kind ends as asked, below a runtime directory that is shared, too. */
START_TEST(test_propagation) {
        static const struct {
                uint64_t propagation;
                const char *target, *shows;
        } kinds[] = {{MS_SHARED, "/a", "shared:"}, {MS_PRIVATE, "/b", NULL}, {MS_UNBINDABLE, "/c", "unbindable"},
                {MS_SLAVE, "/d", NULL}};
        _cleanup_job_result_ struct job_result result = {};
        struct job *job;

        if (!hands_begin(NULL))
                return;
        ck_assert_int_eq(mount(NULL, "/tmp", NULL, MS_SHARED, NULL), 0);
        job = new_job(true);
        add_tree(job);
        add_root(job, "/tmp/root");
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                struct step *step = add_bind(job, "/tmp/src", kinds[i].target);

                step->create = STEP_CREATE_AS_CALLER;
                step->cover_step = 1;
                step->propagation = kinds[i].propagation;
        }
        add_publish(job);
        result = run(job);
        ck_assert_done(result);
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                _cleanup_free_ char *point = NULL, *line = NULL;

                ck_assert_int_gt(asprintf(&point, ROOTFS "%s", kinds[i].target), 0);
                line = namespace_line(point);
                ck_assert_ptr_nonnull(line);
                if (kinds[i].shows)
                        ck_assert_ptr_nonnull(strstr(line, kinds[i].shows));
                else
                        ck_assert_msg(!strstr(line, "shared:") && !strstr(line, "unbindable"), "%s", line);
        }
        /* Nothing done in the pod reaches the source's peers. */
        ck_assert_int_eq(mount("x", ROOTFS "/data", "tmpfs", 0, NULL), 0);
        ck_assert_ptr_null(namespace_line("/tmp/root/data"));
}
END_TEST

/* The same for mounts that come later, onto a root that is shared. */
START_TEST(test_live_propagation) {
        static const uint64_t kinds[] = {MS_PRIVATE, MS_UNBINDABLE, MS_SLAVE, MS_SHARED};
        _cleanup_job_result_ struct job_result pod = {};

        if (!hands_begin(NULL))
                return;
        pod = make_pod();
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                _cleanup_job_result_ struct job_result result = {};
                _cleanup_free_ char *line = NULL;
                struct job *job = new_job(true);

                add_bind(job, "/tmp/src", "/data")->propagation = kinds[i];
                result = run(job);
                ck_assert_done(result);
                line = namespace_line(ROOTFS "/data");
                ck_assert_int_eq(strstr(line, "shared:") != NULL, kinds[i] == MS_SHARED);
                ck_assert_int_eq(strstr(line, "unbindable") != NULL, kinds[i] == MS_UNBINDABLE);
                ck_assert_int_eq(umount2(ROOTFS "/data", 0), 0);
        }
}
END_TEST

/* Every mount is private: what was asked holds for the whole pod. */
START_TEST(test_private_pod) {
        _cleanup_job_result_ struct job_result result = {};
        struct job *job;

        if (!hands_begin(NULL))
                return;
        ck_assert_int_eq(mount(NULL, "/tmp", NULL, MS_SHARED, NULL), 0);
        job = new_job(true);
        add_tree(job)->propagation = MS_PRIVATE;
        add_root(job, "/tmp/root")->propagation = MS_PRIVATE;
        add_bind(job, "/tmp/src", "/data");
        add_publish(job);
        result = run(job);
        ck_assert_done(result);
        for (size_t i = 0; i < 3; i++) {
                static const char *const points[] = {POD, ROOTFS, ROOTFS "/data"};
                _cleanup_free_ char *line = namespace_line(points[i]);

                ck_assert_int_eq(strstr(line, "shared:") != NULL, i == 2);
        }
}
END_TEST

/* Nothing may be there already, neither a mount nor a second pod. */
START_TEST(test_taken) {
        _cleanup_job_result_ struct job_result first = {}, second = {};
        _cleanup_free_ char *before = NULL;
        struct job *job;

        if (!hands_begin(NULL))
                return;
        first = make_pod();
        before = namespace_snapshot();
        job = new_job(true);
        add_tree(job);
        add_root(job, "/tmp/root");
        add_publish(job);
        second = run(job);
        ck_assert_failed(second, FAILURE_TARGET_IN_USE, "already");
        namespace_unchanged(before);
}
END_TEST

UNIT_MAIN("create", test_whole, test_whole_old_kernel, test_stubs, test_stubs_old_kernel, test_overlay_root,
        test_overlay_root_old_kernel, test_beside, test_beside_refused, test_propagation, test_live_propagation,
        test_private_pod, test_taken)
