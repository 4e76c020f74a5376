/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The watch over the mount table, with real mounts in a mount namespace of the test's own. */

#include <string.h>
#include <sys/epoll.h>

#include "kernel/watch.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

static int epoll_on(const struct watch *watch) {
        struct epoll_event event = {.events = EPOLLPRI};
        int fd = epoll_create1(EPOLL_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(epoll_ctl(fd, EPOLL_CTL_ADD, watch_fd(watch), &event), 0);
        return fd;
}

static bool wakes(int epoll_fd, int timeout_ms) {
        struct epoll_event event;
        int n = epoll_wait(epoll_fd, &event, 1, timeout_ms);

        ck_assert_int_ge(n, 0);
        return n > 0 && (event.events & EPOLLPRI);
}

START_TEST(test_quiet) {
        _cleanup_(watch_freep) struct watch *watch = NULL;
        _cleanup_close_ int epoll_fd = -1;

        namespace_enter_with_room();
        ck_assert_int_eq(watch_open(&watch), 0);
        epoll_fd = epoll_on(watch);
        (void) watch_take(watch);
        (void) wakes(epoll_fd, 0);
        ck_assert(!watch_take(watch));
        ck_assert(!wakes(epoll_fd, 20));
}
END_TEST

START_TEST(test_mount_and_unmount) {
        _cleanup_(watch_freep) struct watch *watch = NULL;
        _cleanup_close_ int epoll_fd = -1;

        namespace_enter_with_room();
        ck_assert_int_eq(watch_open(&watch), 0);
        epoll_fd = epoll_on(watch);
        (void) watch_take(watch);
        (void) wakes(epoll_fd, 0);

        ck_assert_int_eq(mount("again", "/tmp", "tmpfs", 0, NULL), 0);
        ck_assert(wakes(epoll_fd, 1000));
        ck_assert(!wakes(epoll_fd, 20)); /* told once… */
        ck_assert(watch_take(watch));    /* …and still there to be taken */
        ck_assert(!watch_take(watch));

        ck_assert_int_eq(umount2("/tmp", 0), 0);
        ck_assert(wakes(epoll_fd, 1000));
        ck_assert(watch_take(watch));
        ck_assert(!watch_take(watch));
}
END_TEST

/* What happens while the table is read is told afterwards: no change falls between two readings. */
START_TEST(test_change_after_take) {
        _cleanup_(watch_freep) struct watch *watch = NULL;
        char first;

        namespace_enter_with_room();
        ck_assert_int_eq(watch_open(&watch), 0);
        (void) watch_take(watch);
        ck_assert_int_eq(read(watch_mountinfo_fd(watch), &first, 1), 1);
        ck_assert_int_eq(mount("again", "/tmp", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(read(watch_mountinfo_fd(watch), &first, 1), 1);
        ck_assert(watch_take(watch));
}
END_TEST

START_TEST(test_names) {
        _cleanup_(watch_freep) struct watch *watch = NULL;

        ck_assert_int_eq(watch_open(&watch), 0);
        ck_assert_str_eq(watch_tracking_name(watch_tracking(watch)), "mountinfo");
        ck_assert_str_eq(watch_tracking_name(WATCH_LISTMOUNT), "listmount");
        ck_assert_str_eq(watch_tracking_name(WATCH_FANOTIFY), "fanotify");
        ck_assert_ptr_null(watch_free(NULL));
}
END_TEST

UNIT_MAIN("watch", test_quiet, test_mount_and_unmount, test_change_after_take, test_names)
