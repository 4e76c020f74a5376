/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames messages, both ways. */

#include "api/varlink-wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "util/array.h"
#include "util/log.h"

enum {
        READ_SIZE = 64 * 1024, /* at a time; and what an idle connection keeps at most */
        READ_FIRST = 4096,
};

/* fds that were read, with the byte that they came with: they are of the message that has it. */
struct arrival {
        uint64_t position;
        int fd;
};

struct letter {
        struct letter *next;
        char *text;
        size_t size, sent;
        struct bus_json_fds fds; /* go with the first byte */
};

struct varlink_wire {
        int fd;
        sd_event_source *io, *again; /* again: there may be a whole message in the buffer */
        const struct varlink_wire_handlers *handlers;
        void *userdata;
        char *buffer;
        size_t size, room, scanned;  /* bytes that were read; of them without a NUL */
        uint64_t position;           /* of the buffer's first byte in the stream */
        struct arrival *arrivals;
        size_t n_arrivals;
        struct letter *first, **last;
        size_t unwritten;
        bool paused, ended /* the other side writes no more */;
};

/* Nothing is read while a message waits in the buffer, so that the buffer holds one, and the beginning of the next. */
static bool wants_more(const struct varlink_wire *wire) {
        return !wire->paused && !wire->ended && !wire->first && wire->scanned == wire->size;
}

static int set_events(struct varlink_wire *wire) {
        uint32_t events = 0;

        if (wire->first)
                events |= EPOLLOUT;
        else if (wants_more(wire))
                events |= EPOLLIN;
        return sd_event_source_set_io_events(wire->io, events); /* EPOLLHUP is always told */
}

static void free_letter(struct letter *letter) {
        bus_json_fds_done(&letter->fds);
        free(letter->text);
        free(letter);
}

static void forget_arrivals(struct varlink_wire *wire) {
        for (size_t i = 0; i < wire->n_arrivals; i++)
                (void) close_fd(wire->arrivals[i].fd);
        free(wire->arrivals);
        wire->arrivals = NULL;
        wire->n_arrivals = 0;
}

struct varlink_wire *varlink_wire_free(struct varlink_wire *wire) {
        if (!wire)
                return NULL;
        (void) sd_event_source_disable_unref(wire->io);
        (void) sd_event_source_disable_unref(wire->again);
        while (wire->first) {
                struct letter *letter = wire->first;

                wire->first = letter->next;
                free_letter(letter);
        }
        forget_arrivals(wire);
        free(wire->buffer);
        (void) close_fd(wire->fd);
        free(wire);
        return NULL;
}

size_t varlink_wire_unwritten(const struct varlink_wire *wire) {
        return wire->unwritten;
}

size_t varlink_wire_fds(const struct varlink_wire *wire) {
        return wire->n_arrivals;
}

size_t varlink_wire_room(const struct varlink_wire *wire) {
        return wire->room;
}

void varlink_wire_cut(struct varlink_wire *wire) {
        (void) shutdown(wire->fd, SHUT_RDWR); /* the loop hears of the end, when nobody is in the middle of it */
}

void varlink_wire_pause(struct varlink_wire *wire) {
        wire->paused = true;
}

void varlink_wire_resume(struct varlink_wire *wire) {
        wire->paused = false;
        if (sd_event_source_set_enabled(wire->again, SD_EVENT_ONESHOT) < 0)
                varlink_wire_cut(wire);
}

/* Writing. */

static ssize_t send_letter(int fd, const struct letter *letter) {
        union {
                char bytes[CMSG_SPACE(VARLINK_FDS_MAX * sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec part = {.iov_base = letter->text + letter->sent, .iov_len = letter->size - letter->sent};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

        if (letter->sent == 0 && letter->fds.n_fds > 0) {
                size_t size = letter->fds.n_fds * sizeof(int);

                memset(&control, 0, sizeof(control));
                control.align = (struct cmsghdr) {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(size)};
                memcpy(CMSG_DATA(&control.align), letter->fds.fds, size);
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(size);
        }
        return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Writes until the socket is full. A broken connection is the loop's to tell. */
static void flush(struct varlink_wire *wire) {
        while (wire->first) {
                struct letter *letter = wire->first;
                ssize_t n = send_letter(wire->fd, letter);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != EAGAIN)
                        varlink_wire_cut(wire);
                if (n < 0)
                        return;
                letter->sent += (size_t) n;
                wire->unwritten -= (size_t) n;
                if (letter->sent < letter->size)
                        continue;
                wire->first = letter->next;
                if (!wire->first)
                        wire->last = &wire->first;
                free_letter(letter);
        }
}

int varlink_wire_send(struct varlink_wire *wire, struct json_object *object, struct bus_json_fds *fds) {
        struct letter *letter;
        const char *text;
        size_t size;
        int r;

        text = json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
        if (!text)
                return -ENOMEM;
        if (size > VARLINK_MESSAGE_MAX || (fds && fds->n_fds > VARLINK_FDS_MAX))
                return -E2BIG;
        letter = calloc(1, sizeof(*letter));
        if (!letter)
                return -ENOMEM;
        letter->text = malloc(size + 1);
        if (!letter->text) {
                free(letter);
                return -ENOMEM;
        }
        memcpy(letter->text, text, size + 1); /* with its NUL, which ends the message */
        letter->size = size + 1;
        if (fds) {
                letter->fds = *fds;
                *fds = (struct bus_json_fds) {};
        }
        *wire->last = letter;
        wire->last = &letter->next;
        wire->unwritten += letter->size;
        if (wire->first == letter)
                flush(wire);
        r = set_events(wire);
        if (r < 0)
                varlink_wire_cut(wire);
        return 0;
}

/* Reading. */

static int make_room(struct varlink_wire *wire) {
        size_t room = wire->room > 0 ? wire->room * 2 : READ_FIRST;
        char *larger;

        if (wire->room - wire->size >= READ_FIRST / 2 && wire->room > 0)
                return 0;
        if (room > VARLINK_MESSAGE_MAX + READ_SIZE)
                room = VARLINK_MESSAGE_MAX + READ_SIZE;
        if (room == wire->room)
                return wire->size < wire->room ? 0 : -E2BIG;
        if (!wire->handlers->may_grow(room, wire->userdata))
                return -EDQUOT;
        larger = realloc(wire->buffer, room);
        if (!larger)
                return -ENOMEM;
        wire->buffer = larger;
        wire->room = room;
        return 0;
}

/* Those of the last message that has begun: a message before it may be whole, with its own. */
static size_t count_fds(const struct varlink_wire *wire) {
        const char *end = wire->size > 1 ? memrchr(wire->buffer, '\0', wire->size - 1) : NULL;
        uint64_t begin = wire->position + (end ? (uint64_t) (end - wire->buffer) + 1 : 0);
        size_t n = 0;

        while (n < wire->n_arrivals && wire->arrivals[wire->n_arrivals - 1 - n].position >= begin)
                n++;
        return n;
}

/* Keeps what came with the last byte that was read. */
static int take_fds(struct varlink_wire *wire, struct msghdr *message) {
        int r = message->msg_flags & MSG_CTRUNC ? -EMFILE : 0;

        for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
                size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int), n_before;

                if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
                        continue;
                n_before = count_fds(wire);
                for (size_t i = 0; i < n; i++) {
                        struct arrival *arrival = NULL;
                        int fd;

                        memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
                        if (!wire->handlers->take_fd(fd, wire->n_arrivals, wire->userdata))
                                fd = -1;
                        if (r == 0 && n_before + i >= VARLINK_FDS_MAX)
                                r = -E2BIG;
                        if (r == 0)
                                arrival = array_append(&wire->arrivals, &wire->n_arrivals);
                        if (!arrival) {
                                (void) close_fd(fd);
                                r = r == 0 ? -ENOMEM : r;
                                continue;
                        }
                        *arrival = (struct arrival) {.position = wire->position + wire->size - 1, .fd = fd};
                }
        }
        return r;
}

static int read_some(struct varlink_wire *wire) {
        union {
                char bytes[CMSG_SPACE(VARLINK_FDS_MAX * sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec part;
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
        ssize_t n;
        int r = make_room(wire);

        if (r < 0)
                return r;
        part = (struct iovec) {.iov_base = wire->buffer + wire->size, .iov_len = wire->room - wire->size};
        if (part.iov_len > READ_SIZE)
                part.iov_len = READ_SIZE;
        n = recvmsg(wire->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                wire->ended = true;
        wire->size += (size_t) n;
        return n == 0 ? 0 : take_fds(wire, &message);
}

/* Moves to the message those that came with its bytes, or with bytes before it. */
static int collect_fds(struct varlink_wire *wire, uint64_t end, struct bus_json_fds *fds) {
        size_t n = 0;

        while (n < wire->n_arrivals && wire->arrivals[n].position <= end)
                n++;
        if (n == 0)
                return 0;
        fds->fds = calloc(n, sizeof(*fds->fds));
        fds->used = calloc(n, sizeof(*fds->used));
        if (!fds->fds || !fds->used) {
                bus_json_fds_done(fds);
                return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++)
                fds->fds[i] = wire->arrivals[i].fd;
        fds->n_fds = n;
        wire->n_arrivals -= n;
        if (wire->n_arrivals > 0)
                memmove(wire->arrivals, wire->arrivals + n, wire->n_arrivals * sizeof(*wire->arrivals));
        else
                forget_arrivals(wire);
        return 0;
}

static void drop_bytes(struct varlink_wire *wire, size_t n) {
        wire->size -= n;
        wire->position += n;
        wire->scanned = 0;
        if (wire->size > 0)
                memmove(wire->buffer, wire->buffer + n, wire->size);
        else if (wire->room > READ_SIZE) {
                free(wire->buffer);
                wire->buffer = NULL;
                wire->room = 0;
        }
}

/* Hands over the first message, if there is a whole one. */
static int take_message(struct varlink_wire *wire) {
        struct bus_json_fds fds = {};
        const char *end;
        size_t size;
        int r;

        end = wire->size > wire->scanned ? memchr(wire->buffer + wire->scanned, '\0', wire->size - wire->scanned) : NULL;
        if (!end) {
                wire->scanned = wire->size;
                return wire->size > VARLINK_MESSAGE_MAX ? -E2BIG : 0;
        }
        size = (size_t) (end - wire->buffer);
        if (size > VARLINK_MESSAGE_MAX)
                return -E2BIG;
        r = collect_fds(wire, wire->position + size, &fds);
        if (r >= 0)
                r = wire->handlers->message(wire->buffer, size, &fds, wire->userdata);
        bus_json_fds_done(&fds);
        drop_bytes(wire, size + 1);
        if (r >= 0 && wire->size > 0)
                r = sd_event_source_set_enabled(wire->again, SD_EVENT_ONESHOT); /* the others have their turns in between */
        return r;
}

/* What is to be done after anything happened. Frees the wire if that is it. */
static void go_on(struct varlink_wire *wire, int r) {
        if (r >= 0 && !wire->paused && !wire->first)
                r = take_message(wire);
        if (r >= 0)
                r = set_events(wire);
        if (r < 0 && r != -ECONNRESET)
                (void) log_errno(LOG_INFO, r, "a varlink connection is ended");
        if (r < 0 || (wire->ended && !wire->paused && !wire->first && (wire->size == 0 || wire->scanned == wire->size)))
                wire->handlers->closed(wire->userdata);
}

static int on_io(sd_event_source *source _unused_, int fd _unused_, uint32_t revents, void *userdata) {
        struct varlink_wire *wire = userdata;
        int r = 0;

        if (revents & (EPOLLHUP | EPOLLERR)) { /* nobody reads what we would say */
                wire->handlers->closed(wire->userdata);
                return 0;
        }
        if (revents & EPOLLOUT)
                flush(wire);
        if ((revents & EPOLLIN) && wants_more(wire))
                r = read_some(wire);
        go_on(wire, r);
        return 0;
}

static int on_again(sd_event_source *source _unused_, void *userdata) {
        go_on(userdata, 0);
        return 0;
}

int varlink_wire_new(sd_event *event, int fd, const struct varlink_wire_handlers *handlers, void *userdata, struct varlink_wire **ret) {
        _cleanup_(varlink_wire_freep) struct varlink_wire *wire = calloc(1, sizeof(*wire));
        int r;

        if (!wire)
                return -ENOMEM;
        wire->fd = -1;
        wire->handlers = handlers;
        wire->userdata = userdata;
        wire->last = &wire->first;
        r = sd_event_add_io(event, &wire->io, fd, EPOLLIN, on_io, wire);
        if (r >= 0)
                r = sd_event_add_defer(event, &wire->again, on_again, wire);
        if (r >= 0)
                r = sd_event_source_set_enabled(wire->again, SD_EVENT_OFF);
        if (r < 0)
                return r;
        wire->fd = fd;
        *ret = TAKE_PTR(wire);
        return 0;
}
