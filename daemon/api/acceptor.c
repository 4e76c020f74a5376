/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/acceptor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "util/log.h"

enum { PAUSE_US = 100 * 1000 /* after an accept that failed for want of fds or memory */ };

struct acceptor {
        sd_event *event;
        const char *what;
        int fd;
        acceptor_fn fn;
        void *userdata;
        sd_event_source *source, *pause;
};

static int on_pause_over(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct acceptor *acceptor = userdata;

        return sd_event_source_set_enabled(acceptor->source, SD_EVENT_ON);
}

/* Short of fds or memory the socket stays readable: the loop must not spin on it. */
static int take_breath(struct acceptor *acceptor) {
        int r = sd_event_source_set_enabled(acceptor->source, SD_EVENT_OFF);

        acceptor->pause = sd_event_source_disable_unref(acceptor->pause);
        if (r >= 0)
                r = sd_event_add_time_relative(acceptor->event, &acceptor->pause, CLOCK_MONOTONIC, PAUSE_US, 0, on_pause_over, acceptor);
        return r;
}

static int on_readable(sd_event_source *source _unused_, int fd, uint32_t revents _unused_, void *userdata) {
        struct acceptor *acceptor = userdata;
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), r;

        if (client < 0) {
                if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
                        return 0;
                (void) log_errno(LOG_ERR, errno, "accept a connection to the %s", acceptor->what);
                return take_breath(acceptor);
        }
        r = acceptor->fn(client, acceptor->userdata);
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "serve a connection to the %s", acceptor->what);
        return 0;
}

int acceptor_new(sd_event *event, int fd, const char *what, acceptor_fn fn, void *userdata, struct acceptor **ret) {
        struct acceptor *acceptor = calloc(1, sizeof(*acceptor));

        if (!acceptor) {
                (void) close_fd(fd);
                return log_oom();
        }
        *acceptor = (struct acceptor) {.event = event, .what = what, .fd = fd, .fn = fn, .userdata = userdata};
        *ret = acceptor;
        return 0;
}

struct acceptor *acceptor_free(struct acceptor *acceptor) {
        if (!acceptor)
                return NULL;
        acceptor_stop(acceptor);
        free(acceptor);
        return NULL;
}

int acceptor_start(struct acceptor *acceptor) {
        int r = sd_event_add_io(acceptor->event, &acceptor->source, acceptor->fd, EPOLLIN, on_readable, acceptor);

        return r < 0 ? log_errno(LOG_ERR, r, "listen on the %s", acceptor->what) : 0;
}

void acceptor_stop(struct acceptor *acceptor) {
        acceptor->pause = sd_event_source_disable_unref(acceptor->pause);
        acceptor->source = sd_event_source_disable_unref(acceptor->source);
        acceptor->fd = close_fd(acceptor->fd);
}
