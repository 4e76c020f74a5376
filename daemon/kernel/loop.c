/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A free number is asked for and then set up; somebody else may have taken it in between, so it is tried again. */

#include "kernel/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

enum { TRIES_MAX = 64 };

static int open_node(const char *path, bool readonly) {
        int fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd >= 0)
                return fd;
        return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
}

static int configure(int device, int image, bool readonly) {
        struct loop_config config = {
                .fd = (uint32_t) image,
                .info.lo_flags = LO_FLAGS_AUTOCLEAR | (readonly ? LO_FLAGS_READ_ONLY : 0),
        };

        strcpy((char *) config.info.lo_file_name, "podmount");
        return ioctl(device, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

static int try_one(int control, int image, bool readonly, int *ret_fd, char **ret_path) {
        _cleanup_close_ int device = -1;
        _cleanup_free_ char *path = NULL;
        int r = ioctl(control, LOOP_CTL_GET_FREE);

        if (r < 0)
                return errno == ENOSPC ? -ENODEV : -errno;
        if (asprintf(&path, "/dev/loop%d", r) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        device = open_node(path, readonly);
        if (device < 0)
                return device;
        r = configure(device, image, readonly);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(device);
        *ret_path = TAKE_PTR(path);
        return 0;
}

int loop_attach(int image, bool readonly, int *ret_fd, char **ret_path) {
        _cleanup_close_ int control = open_node("/dev/loop-control", false);
        int r = control < 0 ? control : -EBUSY;

        for (unsigned i = 0; r == -EBUSY && i < TRIES_MAX; i++)
                r = try_one(control, image, readonly, ret_fd, ret_path);
        return r;
}
