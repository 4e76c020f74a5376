/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A /dev of the container's own: the host's devices by number, links, nothing else; or nothing at all. */

#include <sys/sysmacros.h>

#include "tests/unit/executor/hands.h"

#define DEV ROOTFS "/dev"

static const struct {
        const char *name;
        unsigned major, minor;
} devices[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

static struct step *add_dev(struct job *job) {
        struct step *step = add_fs(job, "devtmpfs", "/dev");

        step->create = STEP_CREATE_AS_CALLER;
        step->cover_step = 1;
        return step;
}

/* The options of the mount itself, in mountinfo's sixth field. */
static bool has_flag(const char *point, const char *flag) {
        _cleanup_free_ char *line = namespace_line(point);
        char *field = line, *rest;

        ck_assert_ptr_nonnull(line);
        for (unsigned i = 0; i < 5; i++)
                field = strchr(field, ' ') + 1;
        for (char *word = strtok_r(field, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest)) {
                if (strcmp(word, flag) == 0)
                        return true;
                if (word + strlen(word) + 1 < rest)
                        break;
        }
        return false;
}

static void check_whole(bool root) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_free_ char *line = NULL;
        struct job *job = new_job(root);
        struct stat status;
        char target[64];

        ck_assert_int_eq(chmod("/tmp/root", 0777), 0);
        add_tree(job);
        add_root(job, "/tmp/root");
        add_dev(job);
        add_publish(job);
        result = run(job);
        ck_assert_done(result);

        for (size_t i = 0; i < ELEMENTSOF(devices); i++) {
                _cleanup_free_ char *path = NULL, *of_device = NULL;

                ck_assert_int_gt(asprintf(&path, DEV "/%s", devices[i].name), 0);
                ck_assert_int_eq(stat(path, &status), 0);
                ck_assert(S_ISCHR(status.st_mode));
                ck_assert_uint_eq(status.st_rdev, makedev(devices[i].major, devices[i].minor));
                of_device = namespace_line(path);
                ck_assert_msg(strstr(of_device, "nosuid") && strstr(of_device, "noexec") && !strstr(of_device, "nodev"), "%s",
                        of_device);
        }
        ck_assert_int_gt(readlink(DEV "/fd", target, sizeof(target)), 0);
        ck_assert_int_eq(strncmp(target, "/proc/self/fd", strlen("/proc/self/fd")), 0);
        ck_assert_int_eq(stat(DEV "/pts", &status), 0);
        ck_assert_int_eq(stat(DEV "/shm", &status), 0);
        ck_assert_int_eq(stat(DEV "/mqueue", &status), 0);
        ck_assert_int_eq(stat(DEV, &status), 0);
        ck_assert_uint_eq(status.st_mode & 07777, 0755);
        /* The tmpfs itself takes no devices, and no more than its little size. */
        ck_assert(has_flag(DEV, "nodev") && has_flag(DEV, "nosuid") && has_flag(DEV, "rw"));
        ck_assert_int_eq(mknod(DEV "/made", S_IFCHR | 0666, makedev(1, 3)), 0);
        ck_assert_int_lt(open(DEV "/made", O_RDWR | O_CLOEXEC), 0);
        line = namespace_line(DEV);
        ck_assert_msg(strstr(line, "size=64k"), "%s", line);
        /* Devices work, and write nowhere. */
        make_file(DEV "/null", "gone");
        ck_assert_int_eq(umount2(POD, MNT_DETACH), 0);
}

START_TEST(test_whole) {
        if (hands_begin(NULL))
                check_whole(true);
}
END_TEST

START_TEST(test_whole_of_a_user) {
        if (hands_begin(NULL))
                check_whole(false);
}
END_TEST

START_TEST(test_whole_old_kernel) {
        if (hands_begin("unique-id,statmount,detached-attach,detached-layers,lowerdir-plus,layer-fd"))
                check_whole(true);
}
END_TEST

/* What the step says goes first; read-only comes after the content, and the devices stay writable. */
START_TEST(test_options) {
        _cleanup_job_result_ struct job_result result = {};
        struct stat status;
        struct step *step;
        struct job *job;

        if (!hands_begin(NULL))
                return;
        job = new_job(true);
        add_tree(job);
        add_root(job, "/tmp/root");
        step = add_dev(job);
        add_option(step, "size", "128k");
        add_option(step, "mode", "0711");
        step->attr_set = MOUNT_ATTR_RDONLY;
        step->propagation = MS_PRIVATE;
        add_publish(job);
        result = run(job);
        ck_assert_done(result);
        ck_assert_int_eq(stat(DEV, &status), 0);
        ck_assert_uint_eq(status.st_mode & 07777, 0711);
        ck_assert_int_eq(namespace_count("size=128k"), 1);
        ck_assert(has_flag(DEV, "ro") && !has_flag(DEV "/null", "ro"));
        ck_assert_int_lt(mkdir(DEV "/new", 0700), 0);
        make_file(DEV "/null", "gone");
}
END_TEST

/* Something else has a device's name on the host, a file or another device: nothing is made. */
static void check_impostor(const char *impostor) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_free_ char *before = NULL;
        struct job *job;

        ck_assert_int_eq(mount(impostor, "/dev/full", NULL, MS_BIND, NULL), 0);
        before = namespace_snapshot();
        job = new_job(true);
        add_tree(job);
        add_root(job, "/tmp/root");
        add_dev(job);
        add_publish(job);
        result = run(job);
        ck_assert_failed(result, FAILURE_MOUNT_FAILED, "the host's /dev/full, which the /dev at /dev needs, is not the character device 1:7");
        ck_assert(!exists("/tmp/root/dev"));
        namespace_unchanged(before);
        ck_assert_int_eq(umount2("/dev/full", MNT_DETACH), 0);
}

START_TEST(test_impostor) {
        if (!hands_begin(NULL))
                return;
        make_file("/tmp/impostor", "");
        check_impostor("/tmp/impostor");
        check_impostor("/dev/zero");
}
END_TEST

/* Without one of them, too. */
START_TEST(test_absent) {
        _cleanup_job_result_ struct job_result result = {};
        struct step *step;
        struct job *job;

        if (!hands_begin(NULL))
                return;
        job = new_job(true);
        add_tree(job);
        add_root(job, "/tmp/root");
        step = add_dev(job);
        step->flags |= STEP_OPTIONAL;
        add_publish(job);
        ck_assert_int_eq(mount("empty", "/dev", "tmpfs", 0, NULL), 0);
        result = run(job);
        ck_assert_int_eq(umount2("/dev", MNT_DETACH), 0);
        ck_assert_done(result); /* what every container has is left out, and said so */
        ck_assert_ptr_nonnull(result.warnings);
        ck_assert_ptr_nonnull(strstr(result.warnings[0], "/dev/null"));
        ck_assert_uint_eq(result.steps[2].mount_id, 0);
        ck_assert_uint_eq(namespace_count(DEV), 0);
}
END_TEST

UNIT_MAIN("devices", test_whole, test_whole_of_a_user, test_whole_old_kernel, test_options, test_impostor, test_absent)
