/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The watch over the mount table by poll(2) on mountinfo.
 *
 * The kernel remembers for each open file which change it reported last, and any poll of the file counts as the report,
 * the one inside epoll_wait(2) too. So the fd that sits in the event loop cannot be asked a second time: it only wakes
 * the loop, and watch_take() asks a file of its own.
 */

#include <fcntl.h>
#include <poll.h>

#include "kernel/watch.h"
#include "util/log.h"

struct watch {
        int wake_fd;  /* in the caller's event loop */
        int table_fd; /* polled by watch_take(), read by mountinfo_read() */
};

int watch_open(struct watch **ret) {
        _cleanup_(watch_freep) struct watch *watch = malloc(sizeof(*watch));

        if (!watch)
                return log_oom();
        *watch = (struct watch){.wake_fd = -1, .table_fd = -1};
        watch->wake_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (watch->wake_fd < 0)
                return log_errno(LOG_ERR, errno, "open /proc/self/mountinfo");
        watch->table_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (watch->table_fd < 0)
                return log_errno(LOG_ERR, errno, "open /proc/self/mountinfo");
        *ret = TAKE_PTR(watch);
        return 0;
}

struct watch *watch_free(struct watch *watch) {
        if (!watch)
                return NULL;
        (void) close_fd(watch->wake_fd);
        (void) close_fd(watch->table_fd);
        free(watch);
        return NULL;
}

int watch_fd(const struct watch *watch) {
        return watch->wake_fd;
}

int watch_mountinfo_fd(const struct watch *watch) {
        return watch->table_fd;
}

enum watch_tracking watch_tracking(const struct watch *watch) {
        (void) watch; /* there is one way so far, and it works on every kernel */
        return WATCH_MOUNTINFO;
}

const char *watch_tracking_name(enum watch_tracking tracking) {
        switch (tracking) {
        case WATCH_MOUNTINFO:
                return "mountinfo";
        case WATCH_LISTMOUNT:
                return "listmount";
        case WATCH_FANOTIFY:
                return "fanotify";
        }
        return NULL;
}

bool watch_take(struct watch *watch) {
        struct pollfd poll_fd = {.fd = watch->table_fd, .events = POLLPRI};
        int n;

        do
                n = poll(&poll_fd, 1, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0) {
                /* Out of memory, at worst: a reading too many is better than one too few. */
                (void) log_errno(LOG_ERR, errno, "poll mountinfo");
                return true;
        }
        return n > 0 && (poll_fd.revents & (POLLPRI | POLLERR)) != 0;
}
