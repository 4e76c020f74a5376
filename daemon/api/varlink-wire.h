/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One connection's bytes, as https://varlink.org has them: JSON objects, each ended by a NUL byte, over a stream socket of AF_UNIX.
 * fds come and go with the bytes of one message by SCM_RIGHTS (unix(7)), and a message names them by their places. Knows nothing of
 * what the messages say.
 *
 * One message is handed over at a time: while it is being answered (between varlink_wire_pause() and varlink_wire_resume()), and while
 * the other side leaves an answer unread, nothing more is read. So what a connection can take of our memory is one message and one answer.
 */

#include <systemd/sd-event.h>

#include "util/bus-json.h"

enum varlink_wire_limits {
        VARLINK_MESSAGE_MAX = 16 * 1024 * 1024, /* bytes, the NUL not counted */
        VARLINK_FDS_MAX = 253,                  /* of one message: SCM_RIGHTS takes no more */
};

struct varlink_wire;

struct varlink_wire_handlers {
        /* A whole message of `size` bytes, without its NUL. The fds are the handler's to take: what it leaves is closed. A negative errno
         * ends the connection. */
        int (*message)(const char *text, size_t size, struct bus_json_fds *fds, void *userdata);
        /* Whether the room for what is read, but is no whole message yet, may become this large. */
        bool (*may_grow)(size_t size, void *userdata);
        /* Whether an fd that has come may be kept, besides so many that no message has taken yet; else it is the handler's, and the message that
         * it came with has none in its place. */
        bool (*take_fd)(int fd, size_t n_others, void *userdata);
        /* The other side is gone, or was cut off: to be freed now. */
        void (*closed)(void *userdata);
};

/* Takes the fd over on success. `handlers` is kept. */
int varlink_wire_new(sd_event *event, int fd, const struct varlink_wire_handlers *handlers, void *userdata, struct varlink_wire **ret);
struct varlink_wire *varlink_wire_free(struct varlink_wire *wire);
DEFINE_CLEANUP(struct varlink_wire *, varlink_wire_free)

/* Queues an object and the fds that it names (moved out), and writes what the socket takes. -E2BIG past VARLINK_MESSAGE_MAX, nothing queued;
 * -ENOMEM. That nobody reads any more, the loop tells. */
int varlink_wire_send(struct varlink_wire *wire, struct json_object *object, struct bus_json_fds *fds);

/* No further message is handed over from now on, or again from now on, by the loop. */
void varlink_wire_pause(struct varlink_wire *wire);
void varlink_wire_resume(struct varlink_wire *wire);

/* Ends the connection: `closed` is called from the loop. */
void varlink_wire_cut(struct varlink_wire *wire);

/* Bytes that the other side has not read yet, and the room that what was read takes. */
size_t varlink_wire_unwritten(const struct varlink_wire *wire);
size_t varlink_wire_room(const struct varlink_wire *wire);
/* fds that have come and no message has taken yet. */
size_t varlink_wire_fds(const struct varlink_wire *wire);
