/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File systems that the client serves: what fds and ids pass, and that nothing is asked of a server that does not answer. */

#include "executor/filesystem.h"
#include "tests/unit/executor/hands.h"

static struct job *new_served(bool root, const char *type, unsigned n_fds) {
        struct job *job = new_job(root);
        struct step *step;

        job->n_fds = n_fds;
        step = add_fs(job, type, "/data");
        add_option(step, strcmp(type, "9p") == 0 ? "rfdno" : "fd", NULL);
        step->options[0].fd = 0;
        if (strcmp(type, "9p") == 0) {
                add_option(step, "wfdno", NULL);
                step->options[1].fd = 0;
                add_option(step, "trans", "fd");
        }
        return job;
}

static int open_fuse(int flags) {
        int fd = open("/dev/fuse", flags | O_CLOEXEC);

        if (fd < 0)
                unit_skip("no /dev/fuse");
        return fd;
}

static bool begin(void) {
        _cleanup_job_result_ struct job_result result = {};

        if (!hands_begin(NULL))
                return false;
        result = make_pod();
        return true;
}

/* Nobody answers at this fd, and the mount is made all the same, in the name of who asked for it. */
static void check_made(bool root, const char *user, const char *group) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_free_ char *line = NULL, *wanted = NULL;
        _cleanup_close_ int fd = open_fuse(O_RDWR);
        struct job *job;

        if (fd < 0)
                return;
        job = new_served(root, "fuse", 1);
        if (user)
                add_option(&job->steps[0], "user_id", user);
        if (group)
                add_option(&job->steps[0], "group_id", group);
        result = run_fds(job, &fd);
        ck_assert_done(result);
        line = namespace_line(ROOTFS "/data");
        ck_assert_ptr_nonnull(line);
        ck_assert_int_gt(asprintf(&wanted, "user_id=%s,group_id=%s", user ?: root ? "0" : "12345", group ?: root ? "0" : "12345"), 0);
        ck_assert_msg(strstr(line, " fuse ") && strstr(line, wanted), "%s lacks %s", line, wanted);
        ck_assert_uint_ne(result.steps[0].mount_id, 0);
        ck_assert_uint_eq(!!(result.steps[0].attributes & MOUNT_ATTR_NOSUID), !root); /* as it was made, for none can be asked */
        ck_assert_uint_eq(!!(result.steps[0].attributes & MOUNT_ATTR_NODEV), !root);
        ck_assert_int_eq(umount2(ROOTFS "/data", MNT_DETACH), 0);
}

START_TEST(test_made) {
        if (!begin())
                return;
        check_made(true, NULL, NULL);
        check_made(true, "7", "8");
        check_made(false, NULL, NULL);
        check_made(false, "12345", "12345");
}
END_TEST

START_TEST(test_not_the_callers) {
        static const char *const names[] = {"user_id", "group_id"};

        if (!begin())
                return;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_job_result_ struct job_result result = {};
                _cleanup_close_ int fd = open_fuse(O_RDWR);
                struct job *job;

                if (fd < 0)
                        return;
                job = new_served(false, "fuse", 1);
                add_option(&job->steps[0], names[i], "0");
                result = run_fds(job, &fd);
                ck_assert_failed(result, FAILURE_ACCESS_DENIED, "are not the caller's own");
        }
        ck_assert_uint_eq(namespace_count(ROOTFS "/data"), 0);
}
END_TEST

START_TEST(test_wrong_fds) {
        static const struct {
                const char *type, *path;
                int flags;
                const char *words;
        } rows[] = {
                {"fuse", "/dev/null", O_RDWR, "fd \"mine\" of the fuse at /data is not /dev/fuse; open that for reading and writing and send it"},
                {"fuse", "/tmp/src/hello", O_RDWR, "is not /dev/fuse"},
                {"fuse", "/dev/fuse", O_RDONLY, "is not open for reading and writing"},
                {"fuse", "/dev/fuse", O_WRONLY, "is not open for reading and writing"},
                {"fuse", "/dev/fuse", O_PATH, "fd \"mine\", given as option fd of /data, was opened with O_PATH"},
                {"9p", "/tmp/src/hello", O_PATH, "fd \"mine\", given as option rfdno of /data, was opened with O_PATH"},
        };

        if (!begin())
                return;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_job_result_ struct job_result result = {};
                _cleanup_close_ int fd = open(rows[i].path, rows[i].flags | O_CLOEXEC);
                struct job *job;

                if (fd < 0 && strcmp(rows[i].path, "/dev/fuse") == 0)
                        continue;
                ck_assert_int_ge(fd, 0);
                job = new_served(true, rows[i].type, 1);
                ck_assert_int_eq(strv_append(&job->fd_names, "mine"), 0);
                result = run_fds(job, &fd);
                ck_assert_failed(result, FAILURE_INVALID_ARGS, rows[i].words);
        }
        ck_assert_uint_eq(namespace_count(ROOTFS "/data"), 0);
}
END_TEST

/* A file is served as a file, at a target that is one. */
START_TEST(test_file) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_close_ int fd = -1;
        struct job *job;

        if (!begin())
                return;
        fd = open_fuse(O_RDWR);
        if (fd < 0)
                return;
        job = new_served(true, "fuse", 1);
        add_option(&job->steps[0], "rootmode", "100000");
        free(job->steps[0].target);
        job->steps[0].target = strdup("/etc/file");
        result = run_fds(job, &fd);
        ck_assert_done(result);
        ck_assert_uint_eq(namespace_count(ROOTFS "/etc/file"), 1);
        ck_assert_int_eq(umount2(ROOTFS "/etc/file", MNT_DETACH), 0);
}
END_TEST

START_TEST(test_what_is_one) {
        static const struct {
                const char *type, *mode;
                bool one, file;
        } rows[] = {
                {"fuse", NULL, true, false}, {"fuse", "40000", true, false}, {"fuse", "100000", true, true},
                {"fuse", "0100644", true, true}, {"fuse", "", true, false}, {"9p", NULL, true, false},
                {"tmpfs", "100000", false, false}, {"fuseblk", NULL, false, false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(job_freep) struct job *job = new_job(true);
                struct step *step = add_fs(job, rows[i].type, "/data");

                if (rows[i].mode)
                        add_option(step, "rootmode", rows[i].mode);
                ck_assert(server_is_one(step) == rows[i].one);
                ck_assert(server_is_file(step) == rows[i].file);
        }
}
END_TEST

UNIT_MAIN("server", test_made, test_not_the_callers, test_wrong_fds, test_file, test_what_is_one)
