/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A loop device that frees itself; needs root and loop devices. */

#include "kernel/loop.h"

#include <errno.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include "tests/unit/namespace.h"

enum { IMAGE_SIZE = 64 * 1024 };

static int make_image(void) {
        int fd = open("/tmp/image", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, IMAGE_SIZE), 0);
        ck_assert_int_eq(pwrite(fd, "hello", 5, 0), 5);
        return fd;
}

static void check(bool readonly) {
        _cleanup_close_ int image = make_image(), device = -1;
        _cleanup_free_ char *path = NULL;
        struct loop_info64 info = {};
        char text[6] = "";
        int r = loop_attach(image, readonly, &device, &path), node;

        if (r == -ENODEV) {
                unit_skip("no loop devices");
                return;
        }
        ck_assert_int_eq(r, 0);
        ck_assert_int_eq(pread(device, text, 5, 0), 5);
        ck_assert_str_eq(text, "hello");
        ck_assert_int_eq(ioctl(device, LOOP_GET_STATUS64, &info), 0);
        ck_assert_int_eq(!!(info.lo_flags & LO_FLAGS_READ_ONLY), readonly);
        ck_assert(info.lo_flags & LO_FLAGS_AUTOCLEAR);
        if (readonly)
                ck_assert_int_lt(pwrite(device, "x", 1, 0), 0);
        device = close_fd(device);
        node = open(path, O_RDONLY | O_CLOEXEC);
        for (unsigned i = 0; i < 100 && node >= 0 && ioctl(node, LOOP_GET_STATUS64, &info) == 0; i++)
                (void) usleep(10000); /* it is freed by a work of the kernel's, or somebody else's by now */
        (void) close_fd(node);
}

START_TEST(test_attach) {
        if (!namespace_enter())
                return;
        check(true);
        check(false);
}
END_TEST

START_TEST(test_refused) {
        _cleanup_close_ int directory = -1;
        _cleanup_free_ char *path = NULL;
        int device = -1, r;

        if (!namespace_enter())
                return;
        directory = open("/tmp", O_RDONLY | O_CLOEXEC);
        r = loop_attach(directory, true, &device, &path);
        ck_assert_int_lt(r, 0);
        ck_assert_int_eq(device, -1);
        ck_assert_ptr_null(path);
}
END_TEST

UNIT_MAIN("loop", test_attach, test_refused)
