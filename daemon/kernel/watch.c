/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The watch over the mount table: poll(2) on mountinfo, and fanotify(7) where the kernel notifies of mounts.
 *
 * The kernel remembers for each open file of mountinfo which change it reported last, and any poll of the file counts
 * as the report, the one inside epoll_wait(2) too. So the fd that sits in the event loop cannot be asked a second
 * time: it only wakes the loop, and watch_take() asks a file of its own. Both kinds of news come through one epoll fd:
 * who doesn't want to hear of them for a while turns one fd off and on, not two.
 */

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>

#include "kernel/syscalls.h"
#include "kernel/watch.h"
#include "util/log.h"

struct watch {
        enum watch_tracking tracking;
        int wake_fd;   /* epoll, in the caller's event loop */
        int poll_fd;   /* mountinfo, in that epoll */
        int table_fd;  /* polled by watch_take(), read by mountinfo_read() */
        int events_fd; /* the fanotify group, or -1 */
};

/* A queue without limit: trees of more mounts than the default of 16,384 events are ordinary, and what overflows
 * costs a listing of everything. */
static int open_group(bool limited) {
        _cleanup_close_ int group = -1, namespace = -1;

        group = fanotify_init(
                FAN_CLASS_NOTIF | FAN_REPORT_MNT | FAN_NONBLOCK | FAN_CLOEXEC | (limited ? 0 : FAN_UNLIMITED_QUEUE), 0);
        if (group < 0)
                return -errno;
        namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        if (namespace < 0)
                return -errno;
        if (fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_MNT_ATTACH | FAN_MNT_DETACH, namespace, NULL) < 0)
                return -errno;
        return TAKE_FD(group);
}

static int wake_on(const struct watch *watch, int fd, uint32_t events) {
        struct epoll_event event = {.events = events};

        return epoll_ctl(watch->wake_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? log_errno(LOG_ERR, errno, "poll for changed mounts") : 0;
}

static int open_poll(struct watch *watch) {
        watch->wake_fd = epoll_create1(EPOLL_CLOEXEC);
        if (watch->wake_fd < 0)
                return log_errno(LOG_ERR, errno, "epoll_create1");
        watch->poll_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC | O_NOCTTY);
        watch->table_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (watch->poll_fd < 0 || watch->table_fd < 0)
                return log_errno(LOG_ERR, errno, "open /proc/self/mountinfo");
        return wake_on(watch, watch->poll_fd, EPOLLPRI);
}

static int open_events(struct watch *watch, bool limited) {
        watch->events_fd = open_group(limited);
        if (watch->events_fd < 0)
                return log_errno(LOG_ERR, watch->events_fd, "ask for notifications of mounts");
        return wake_on(watch, watch->events_fd, EPOLLIN);
}

bool watch_probe(bool unlimited) {
        /* The mark on a namespace came together with this flag. Without a mark, closing costs nothing: with one, it waits
         * for every CPU to have taken notice, 10 ms or more. */
        _cleanup_close_ int group = fanotify_init(
                FAN_CLASS_NOTIF | FAN_REPORT_MNT | FAN_CLOEXEC | (unlimited ? FAN_UNLIMITED_QUEUE : 0), 0);

        return group >= 0;
}

int watch_open(enum watch_tracking tracking, bool limited, struct watch **ret) {
        _cleanup_(watch_freep) struct watch *watch = malloc(sizeof(*watch));
        int r;

        if (!watch)
                return log_oom();
        *watch = (struct watch){.tracking = tracking, .wake_fd = -1, .poll_fd = -1, .table_fd = -1, .events_fd = -1};
        r = open_poll(watch);
        if (r >= 0 && tracking == WATCH_FANOTIFY)
                r = open_events(watch, limited);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(watch);
        return 0;
}

struct watch *watch_free(struct watch *watch) {
        if (!watch)
                return NULL;
        (void) close_fd(watch->wake_fd);
        (void) close_fd(watch->poll_fd);
        (void) close_fd(watch->table_fd);
        (void) close_fd(watch->events_fd);
        free(watch);
        return NULL;
}

int watch_fd(const struct watch *watch) {
        return watch->wake_fd;
}

void watch_fds(const struct watch *watch, int ret[static WATCH_FDS]) {
        ret[0] = watch->wake_fd;
        ret[1] = watch->poll_fd;
        ret[2] = watch->table_fd;
        ret[3] = watch->events_fd;
}

int watch_mountinfo_fd(const struct watch *watch) {
        return watch->table_fd;
}

enum watch_tracking watch_tracking(const struct watch *watch) {
        return watch->tracking;
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

bool watch_take(struct watch *watch, bool *ret_events) {
        struct pollfd fds[] = {
                {.fd = watch->table_fd, .events = POLLPRI},
                {.fd = watch->events_fd, .events = POLLIN}, /* without one, poll(2) passes it over */
        };
        int n;

        do
                n = poll(fds, ret_events ? 2 : 1, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0) {
                /* Out of memory, at worst: a reading too many is better than one too few. */
                (void) log_errno(LOG_ERR, errno, "poll mountinfo");
                if (ret_events)
                        *ret_events = false;
                return true;
        }
        if (ret_events)
                *ret_events = fds[1].revents != 0;
        return (fds[0].revents & (POLLPRI | POLLERR)) != 0;
}

/* The mount that an event is about, in what follows its metadata; 0 for one without. */
static uint64_t event_mount(const char *position, const char *end) {
        while ((size_t) (end - position) >= sizeof(struct fanotify_event_info_header)) {
                struct mount_event info = {};

                memcpy(&info, position, sizeof(struct fanotify_event_info_header));
                if (info.size < sizeof(struct fanotify_event_info_header) || info.size > end - position)
                        return 0;
                if (info.type == FAN_EVENT_INFO_TYPE_MNT && info.size >= sizeof(info)) {
                        memcpy(&info, position, sizeof(info));
                        return info.id;
                }
                position += info.size;
        }
        return 0;
}

int watch_next(struct watch *watch, struct watch_events *ret) {
        /* An event about a mount has 40 bytes: no more of them fit than the caller has room for. */
        char buffer[WATCH_EVENTS_MAX * (sizeof(struct fanotify_event_metadata) + sizeof(struct mount_event))];
        const char *position = buffer, *end;
        ssize_t size;

        if (watch->events_fd < 0)
                return 0;
        do
                size = read(watch->events_fd, buffer, sizeof(buffer));
        while (size < 0 && errno == EINTR);
        if (size < 0)
                return errno == EAGAIN ? 0 : -errno;
        ret->n = 0;
        ret->overflow = false;
        end = buffer + size;
        while ((size_t) (end - position) >= sizeof(struct fanotify_event_metadata)) {
                struct fanotify_event_metadata event;
                uint64_t id;

                memcpy(&event, position, sizeof(event));
                if (event.vers != FANOTIFY_METADATA_VERSION || event.metadata_len < sizeof(event) ||
                        event.event_len < event.metadata_len || event.event_len > end - position)
                        return -EPROTO;
                if (event.mask & FAN_Q_OVERFLOW)
                        ret->overflow = true;
                id = event_mount(position + event.metadata_len, position + event.event_len);
                if (id != 0 && ret->n < WATCH_EVENTS_MAX)
                        ret->ids[ret->n++] = id;
                else if (id != 0)
                        ret->overflow = true; /* shorter events than known: what is left out is found like lost ones */
                position += event.event_len;
        }
        return 1;
}

size_t watch_pending(const struct watch *watch) {
        int bytes = 0;

        if (watch->events_fd < 0)
                return 0;
        /* fanotify(7) counts the metadata alone, not what follows it. */
        if (ioctl(watch->events_fd, FIONREAD, &bytes) < 0 || bytes < 0)
                return SIZE_MAX;
        return (size_t) bytes / FAN_EVENT_METADATA_LEN;
}
