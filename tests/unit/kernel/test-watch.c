/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The watch over the mount table, with real mounts in a mount namespace of the test's own. */

#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/epoll.h>

#include "kernel/statmount.h"
#include "kernel/watch.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

static int epoll_on(const struct watch *watch) {
        struct epoll_event event = {.events = EPOLLIN};
        int fd = epoll_create1(EPOLL_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(epoll_ctl(fd, EPOLL_CTL_ADD, watch_fd(watch), &event), 0);
        return fd;
}

static bool wakes(int epoll_fd, int timeout_ms) {
        struct epoll_event event;
        int n = epoll_wait(epoll_fd, &event, 1, timeout_ms);

        ck_assert_int_ge(n, 0);
        return n > 0 && (event.events & EPOLLIN);
}

START_TEST(test_quiet) {
        _cleanup_(watch_freep) struct watch *watch = NULL;
        _cleanup_close_ int epoll_fd = -1;

        namespace_enter_with_room();
        ck_assert_int_eq(watch_open(WATCH_MOUNTINFO, false, &watch), 0);
        epoll_fd = epoll_on(watch);
        (void) watch_take(watch, NULL);
        (void) wakes(epoll_fd, 0);
        ck_assert(!watch_take(watch, NULL));
        ck_assert(!wakes(epoll_fd, 20));
}
END_TEST

START_TEST(test_mount_and_unmount) {
        _cleanup_(watch_freep) struct watch *watch = NULL;
        _cleanup_close_ int epoll_fd = -1;

        namespace_enter_with_room();
        ck_assert_int_eq(watch_open(WATCH_MOUNTINFO, false, &watch), 0);
        epoll_fd = epoll_on(watch);
        (void) watch_take(watch, NULL);
        (void) wakes(epoll_fd, 0);

        ck_assert_int_eq(mount("again", "/tmp", "tmpfs", 0, NULL), 0);
        ck_assert(wakes(epoll_fd, 1000));
        ck_assert(!wakes(epoll_fd, 20)); /* told once… */
        ck_assert(watch_take(watch, NULL));    /* …and still there to be taken */
        ck_assert(!watch_take(watch, NULL));

        ck_assert_int_eq(umount2("/tmp", 0), 0);
        ck_assert(wakes(epoll_fd, 1000));
        ck_assert(watch_take(watch, NULL));
        ck_assert(!watch_take(watch, NULL));
}
END_TEST

/* What happens while the table is read is told afterwards: no change falls between two readings. */
START_TEST(test_change_after_take) {
        _cleanup_(watch_freep) struct watch *watch = NULL;
        char first;

        namespace_enter_with_room();
        ck_assert_int_eq(watch_open(WATCH_MOUNTINFO, false, &watch), 0);
        (void) watch_take(watch, NULL);
        ck_assert_int_eq(read(watch_mountinfo_fd(watch), &first, 1), 1);
        ck_assert_int_eq(mount("again", "/tmp", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(read(watch_mountinfo_fd(watch), &first, 1), 1);
        ck_assert(watch_take(watch, NULL));
}
END_TEST

/* Each mount that comes, moves or goes is named by its unique id, and nothing else is. */
START_TEST(test_events) {
        _cleanup_(statmount_freep) struct statmount *statmount = statmount_new();
        _cleanup_(watch_freep) struct watch *watch = NULL;
        _cleanup_free_ uint64_t *ids = NULL;
        struct statmount_line line;
        struct watch_events events;
        size_t n;

        if (!namespace_enter() || !unit_has_tracking(WATCH_FANOTIFY))
                return;
        make_directory("/tmp/a");
        make_directory("/tmp/b");
        ck_assert_int_eq(watch_open(WATCH_FANOTIFY, false, &watch), 0);
        ck_assert_int_eq(watch_next(watch, &events), 0);

        ck_assert_int_eq(mount("a source", "/tmp/a", "tmpfs", MS_NOSUID | MS_NOATIME, "size=64k"), 0);
        ck_assert_int_eq(watch_next(watch, &events), 1);
        ck_assert_uint_eq(events.n, 1);
        ck_assert(!events.overflow);
        ck_assert_int_eq(watch_next(watch, &events), 0);
        ck_assert_int_eq(statmount_list(&ids, &n), 0);
        ck_assert_uint_eq(ids[n - 1], events.ids[0]); /* the youngest of all */
        ck_assert_int_eq(statmount_read(statmount, events.ids[0], &line), 0);
        ck_assert_uint_eq(line.id, events.ids[0]);
        ck_assert_str_eq(line.point, "/tmp/a");
        ck_assert_str_eq(line.root, "/");
        ck_assert_str_eq(line.type, "tmpfs");
        ck_assert_uint_eq(line.attributes, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME);
        ck_assert_uint_ne(line.propagation & MS_PRIVATE, 0);
        ck_assert_uint_ne(line.namespace, 0);
        if (line.source)
                ck_assert_str_eq(line.source, "a source");
        if (line.options)
                ck_assert_ptr_nonnull(strstr(line.options, "size=64k"));

        ck_assert_int_eq(mount("/tmp/a", "/tmp/b", NULL, MS_MOVE, NULL), 0);
        ck_assert_int_eq(watch_next(watch, &events), 1);
        ck_assert_uint_eq(events.n, 1);
        ck_assert_uint_eq(events.ids[0], line.id);
        ck_assert_int_eq(mount(NULL, "/tmp/b", NULL, MS_REMOUNT | MS_BIND, NULL), 0);
        ck_assert_int_eq(watch_next(watch, &events), 0);
        ck_assert_int_eq(umount2("/tmp/b", MNT_DETACH), 0);
        ck_assert_int_eq(watch_next(watch, &events), 1);
        ck_assert_uint_eq(events.ids[0], line.id);
        ck_assert_int_eq(statmount_read(statmount, line.id, &line), -ENOENT);
}
END_TEST

/* One change of /tmp: by mount_setattr(2), or by mount(2) if `flags` are given. */
struct change_told {
        const char *what;
        struct mount_attr attributes;
        unsigned long flags;
        bool polled; /* whether the poll tells it */
};

static void change(const struct change_told *row) {
        struct mount_attr attributes = row->attributes;

        if (row->flags)
                ck_assert_msg(mount(NULL, "/tmp", NULL, row->flags, NULL) == 0, "%s", row->what);
        else
                ck_assert_msg(mount_setattr(AT_FDCWD, "/tmp", 0, &attributes, sizeof(attributes)) == 0, "%s", row->what);
}

/*
 * No notification tells of changed attributes or propagation. The poll tells of what mount_setattr(2) does and of
 * remounts, but not of propagation that mount(2) changed: that is only seen by whoever looks.
 */
START_TEST(test_changes_told) {
        static const struct change_told rows[] = {
                {"mount_setattr read-only", {.attr_set = MOUNT_ATTR_RDONLY}, 0, true},
                {"mount_setattr writable", {.attr_clr = MOUNT_ATTR_RDONLY}, 0, true},
                {"mount_setattr shared", {.propagation = MS_SHARED}, 0, true},
                {"mount_setattr private", {.propagation = MS_PRIVATE}, 0, true},
                {"mount remounted, its flags alone", {}, MS_REMOUNT | MS_BIND | MS_RDONLY, true},
                {"mount remounted", {}, MS_REMOUNT, true},
                {"mount shared", {}, MS_SHARED, false},
                {"mount private", {}, MS_PRIVATE, false},
                {"mount unbindable", {}, MS_UNBINDABLE, false},
        };
        _cleanup_(watch_freep) struct watch *notified = NULL, *polled = NULL;
        struct watch_events events;
        const char *more = NULL;

        if (!namespace_enter())
                return;
        if (unit_features().mount_events) {
                ck_assert_int_eq(watch_open(WATCH_FANOTIFY, false, &notified), 0);
                (void) watch_next(notified, &events);
        }
        ck_assert_int_eq(watch_open(WATCH_MOUNTINFO, false, &polled), 0);
        (void) watch_take(polled, NULL);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                bool told;

                change(&rows[i]);
                told = watch_take(polled, NULL);
                ck_assert_msg(told || !rows[i].polled, "the poll does not tell of: %s", rows[i].what);
                if (told && !rows[i].polled)
                        more = "this kernel's poll tells of propagation that mount(2) changes";
                if (notified && watch_next(notified, &events) > 0)
                        more = "this kernel notifies of changed attributes or propagation";
        }
        if (more)
                unit_skip(more);
}
END_TEST

/* Texts that are longer than the buffer is at first. */
START_TEST(test_long_texts) {
        _cleanup_(statmount_freep) struct statmount *statmount = statmount_new();
        _cleanup_free_ uint64_t *ids = NULL;
        struct statmount_line line;
        char name[201];
        size_t n;

        if (!namespace_enter() || !unit_has_tracking(WATCH_LISTMOUNT))
                return;
        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        for (unsigned i = 0; i < 15; i++) { /* relative to the last: neither path is longer than PATH_MAX */
                make_directory(name);
                ck_assert_int_eq(chdir(name), 0);
        }
        make_directory("m");
        ck_assert_int_eq(mount(".", "m", NULL, MS_BIND, NULL), 0); /* its root is as long as its mount point */
        ck_assert_int_eq(statmount_list(&ids, &n), 0);
        ck_assert_int_eq(statmount_read(statmount, ids[n - 1], &line), 0);
        ck_assert_uint_eq(strlen(line.root), 15 * sizeof(name));
        ck_assert_uint_eq(strlen(line.point), strlen("/tmp") + 15 * sizeof(name) + strlen("/m"));
}
END_TEST

START_TEST(test_names) {
        _cleanup_(watch_freep) struct watch *watch = NULL;

        ck_assert_int_eq(watch_open(WATCH_MOUNTINFO, false, &watch), 0);
        ck_assert_str_eq(watch_tracking_name(watch_tracking(watch)), "mountinfo");
        ck_assert_str_eq(watch_tracking_name(WATCH_LISTMOUNT), "listmount");
        ck_assert_str_eq(watch_tracking_name(WATCH_FANOTIFY), "fanotify");
        ck_assert_ptr_null(watch_free(NULL));
}
END_TEST

UNIT_MAIN("watch", test_quiet, test_mount_and_unmount, test_change_after_take, test_events, test_changes_told,
        test_long_texts, test_names)
