/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File systems in image files: mounted through a loop device that goes with them, or refused with a reason and nothing
 * left. Needs loop devices and mkfs.ext4. */

#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "tests/unit/executor/hands.h"

#define IMAGE "/tmp/src/image"

static bool begin(void) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_close_ int control = -1;

        if (!hands_begin(NULL))
                return false;
        control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
        if (control < 0 || system("command -v mkfs.ext4 >/dev/null 2>&1") != 0) {
                unit_skip("no loop devices, or no mkfs.ext4");
                return false;
        }
        result = make_pod();
        return true;
}

static void make_image(const char *errors) {
        _cleanup_free_ char *command = NULL;

        ck_assert_int_gt(asprintf(&command, "mkfs.ext4 -q -F -O ^has_journal -d /tmp/root/etc -e %s " IMAGE " 512k >/dev/null", errors), 0);
        ck_assert_int_eq(system(command), 0);
}

static struct step *add_image(struct job *job, const char *type, const char *source) {
        struct step *step = add_step(job, STEP_IMAGE, source, "/data");

        step->type = strdup(type);
        return step;
}

/* How many loop devices lie on the test's own files. */
static unsigned count_loops(void) {
        unsigned n = 0;

        for (unsigned i = 0; i < 256; i++) {
                _cleanup_free_ char *path = NULL;
                struct loop_info64 info = {};
                struct stat status;
                int fd;

                ck_assert_int_gt(asprintf(&path, "/dev/loop%u", i), 0);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && stat(IMAGE, &status) == 0)
                        n += info.lo_inode == status.st_ino && info.lo_device == status.st_dev;
                (void) close_fd(fd);
        }
        return n;
}

/* The kernel frees them a moment after their last user. */
static void check_no_loops(void) {
        for (unsigned i = 0; i < 500 && count_loops() > 0; i++)
                (void) usleep(10000);
        ck_assert_uint_eq(count_loops(), 0);
}

static void check_mounted(bool root, bool readonly) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_free_ char *line = NULL;
        struct job *job = new_job(root);
        struct step *step = add_image(job, "ext4", IMAGE);

        step->attr_set = readonly ? MOUNT_ATTR_RDONLY : 0;
        result = run(job);
        ck_assert_done(result);
        ck_assert(exists(ROOTFS "/data/file"));
        line = namespace_line(ROOTFS "/data");
        ck_assert_msg(strstr(line, " ext4 /dev/loop") || strstr(line, "/proc/self/fd/"), "%s", line);
        ck_assert_uint_eq(!!strstr(line, "nosuid,nodev"), !root);
        ck_assert_uint_eq(count_loops(), 1);
        if (readonly)
                ck_assert_int_lt(mkdir(ROOTFS "/data/new", 0700), 0);
        else {
                ck_assert_int_eq(mkdir(ROOTFS "/data/new", 0700), 0);
                ck_assert_int_eq(rmdir(ROOTFS "/data/new"), 0);
        }
        ck_assert_int_eq(umount2(ROOTFS "/data", 0), 0);
        check_no_loops();
}

START_TEST(test_mounted) {
        if (!begin())
                return;
        make_image("continue");
        check_mounted(true, false);
        check_mounted(true, true);
        /* A user mounts what it may open, and writes only to what it may write. */
        ck_assert_int_eq(chmod(IMAGE, 0644), 0);
        check_mounted(false, true);
        ck_assert_int_eq(chmod(IMAGE, 0666), 0);
        check_mounted(false, false);
}
END_TEST

START_TEST(test_not_the_callers) {
        if (!begin())
                return;
        make_image("continue");
        for (unsigned mode = 0600; mode <= 0644; mode += 044) {
                _cleanup_job_result_ struct job_result result = {};
                struct job *job = new_job(false);

                ck_assert_int_eq(chmod(IMAGE, mode), 0);
                add_image(job, "ext4", IMAGE);
                result = run(job);
                ck_assert_failed(result, FAILURE_SOURCE_DENIED, IMAGE);
        }
        check_no_loops();
        ck_assert_uint_eq(namespace_count(ROOTFS "/data"), 0);
}
END_TEST

/* An image says itself what its kernel does about errors; that it panics is not for the image to say. */
START_TEST(test_no_panic) {
        static const struct {
                const char *option, *shown;
        } rows[] = {{NULL, "errors=remount-ro"}, {"continue", "errors=continue"}};

        if (!begin())
                return;
        make_image("panic");
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_job_result_ struct job_result result = {};
                _cleanup_free_ char *line = NULL;
                struct job *job = new_job(true);
                struct step *step = add_image(job, "ext4", IMAGE);

                if (rows[i].option)
                        add_option(step, "errors", rows[i].option);
                result = run(job);
                ck_assert_done(result);
                line = namespace_line(ROOTFS "/data");
                ck_assert_msg(!strstr(line, "panic"), "%s", line);
                ck_assert_msg(strstr(line, rows[i].shown), "%s", line);
                ck_assert_int_eq(umount2(ROOTFS "/data", 0), 0);
        }
        check_no_loops();
}
END_TEST

static void refused(const char *type, const char *source, uint32_t flags, enum failure_kind kind, const char *words) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_free_ char *before = namespace_snapshot();
        struct job *job = new_job(true);

        add_image(job, type, source)->flags |= flags;
        result = run(job);
        ck_assert_failed(result, kind, words);
        namespace_unchanged(before);
        check_no_loops();
}

START_TEST(test_refused) {
        if (!begin())
                return;
        make_image("continue");
        ck_assert_int_eq(mknod("/tmp/src/block", S_IFBLK | 0600, makedev(7, 0)), 0);
        make_file("/tmp/src/noise", "no file system\n");
        ck_assert_int_eq(truncate("/tmp/src/noise", 65536), 0);
        refused("ext4", IMAGE, STEP_DEVICE, FAILURE_NO_SUCH_SOURCE, "is no block device");
        refused("ext4", "/tmp/src", 0, FAILURE_NO_SUCH_SOURCE, "is neither a file nor a block device");
        refused("ext4", "/dev/null", 0, FAILURE_NO_SUCH_SOURCE, "is neither a file nor a block device");
        refused("ext4", "/tmp/src/none", 0, FAILURE_NO_SUCH_SOURCE, "/tmp/src/none");
        refused("ext4", "/tmp/src/noise", 0, FAILURE_MOUNT_FAILED, "cannot be mounted as ext4 at /data");
        refused("squashfs", IMAGE, 0, FAILURE_MOUNT_FAILED, "cannot be mounted as squashfs at /data");
}
END_TEST

/* The right to mount images is none to mount what is on the host's block devices. */
START_TEST(test_block_device) {
        _cleanup_close_ int fd = -1;

        if (!begin())
                return;
        make_image("continue");
        for (unsigned i = 0; i < 256 && fd < 0; i++) {
                _cleanup_free_ char *path = NULL;

                ck_assert_int_gt(asprintf(&path, "/dev/loop%u", i), 0);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd >= 0)
                        refused("ext4", path, 0, FAILURE_ACCESS_DENIED, "is a block device, which the right to mount images does not cover");
        }
        if (fd < 0)
                unit_skip("no loop device to be read");
}
END_TEST

UNIT_MAIN("image", test_mounted, test_not_the_callers, test_no_panic, test_refused, test_block_device)
