/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Its own pipe never blocks; only moving on waits for the reader. */

#include "executor/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "plan/layer.h"

enum {
        OWN_SIZE = 1024 * 1024, /* of the pipe: a page of it for each page of a file, and for each write at least one */
        HELD_MAX = 512 * 1024,  /* then it is moved on: half of what the client's pipe takes */
        WRITE_MAX = 64 * 1024,  /* at once: how far a slow reader is shows in between… */
        PASS_MAX = 256 * 1024,  /* …and where nothing is copied */
};

void outlet_open(struct outlet *outlet, struct worker *worker, int fd) {
        *outlet = (struct outlet) {.worker = worker, .fd = fd, .gathered = {-1, -1}};
        if (pipe2(outlet->gathered, O_CLOEXEC) < 0)
                return;
        (void) fcntl(outlet->gathered[1], F_SETPIPE_SZ, OWN_SIZE); /* a smaller one is moved on more often, and that is all */
        if (fcntl(outlet->gathered[1], F_SETFL, O_WRONLY | O_NONBLOCK) < 0)
                outlet_close(outlet); /* it would wait for itself */
}

void outlet_close(struct outlet *outlet) {
        for (size_t i = 0; i < 2; i++)
                outlet->gathered[i] = close_fd(outlet->gathered[i]);
        outlet->held = 0;
}

static bool is_gathering(const struct outlet *outlet) {
        return outlet->gathered[1] >= 0;
}

static int note(struct outlet *outlet, ssize_t n) {
        worker_figures(outlet->worker)[READ_DONE] += (uint64_t) n;
        return worker_progress(outlet->worker) < 0 ? -EPIPE : 0;
}

static int release(const struct outlet *outlet) {
        return outlet->tar ? tar_release(outlet->tar) : 0;
}

int outlet_drop(void *userdata) {
        struct outlet *outlet = userdata;
        const bool gathering = is_gathering(outlet);
        struct tar *tar = outlet->tar;

        if (gathering && outlet->held > 0) {
                outlet_close(outlet);
                outlet_open(outlet, outlet->worker, outlet->fd);
                outlet->tar = tar;
        }
        return 0;
}

int outlet_flush(struct outlet *outlet) {
        int r = outlet->held > 0 ? release(outlet) : 0;

        if (r < 0)
                (void) outlet_drop(outlet);
        while (outlet->held > 0 && r == 0) {
                ssize_t n = splice(outlet->gathered[0], NULL, outlet->fd, NULL, outlet->held < PASS_MAX ? outlet->held : PASS_MAX, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                outlet->held -= (size_t) n;
                r = note(outlet, n);
        }
        return r;
}

/* `n` bytes have been taken, or errno says why not. */
static int taken(struct outlet *outlet, ssize_t n) {
        if (!is_gathering(outlet))
                return note(outlet, n);
        outlet->held += (size_t) n;
        return outlet->held >= HELD_MAX ? outlet_flush(outlet) : 0;
}

/* It is full. */
static bool is_full(const struct outlet *outlet, ssize_t n) {
        return n < 0 && errno == EAGAIN && outlet->held > 0;
}

static int target(const struct outlet *outlet) {
        return is_gathering(outlet) ? outlet->gathered[1] : outlet->fd;
}

int outlet_put(void *userdata, const void *data, size_t size) {
        struct outlet *outlet = userdata;
        int r = is_gathering(outlet) ? 0 : release(outlet);

        for (const uint8_t *at = data; size > 0 && r == 0;) {
                ssize_t n = write(target(outlet), at, size < WRITE_MAX ? size : WRITE_MAX);

                if (n < 0 && errno == EINTR)
                        continue;
                if (is_full(outlet, n)) {
                        r = outlet_flush(outlet);
                        continue;
                }
                if (n < 0)
                        return -errno;
                at += n;
                size -= (size_t) n;
                r = taken(outlet, n);
        }
        return r;
}

ssize_t outlet_pass(void *userdata, int fd, off_t at, size_t size) {
        struct outlet *outlet = userdata;
        off64_t offset = at;
        size_t done = 0;
        int r = is_gathering(outlet) ? 0 : release(outlet);

        while (done < size && done < SSIZE_MAX - PASS_MAX && r == 0) {
                ssize_t n = splice(fd, &offset, target(outlet), NULL, size - done < PASS_MAX ? size - done : PASS_MAX, SPLICE_F_MORE);

                if (n < 0 && errno == EINTR)
                        continue;
                if (is_full(outlet, n)) {
                        r = outlet_flush(outlet);
                        continue;
                }
                if (n < 0 && errno == EPIPE)
                        return -EPIPE;
                if (n < 0) /* reading says what is wrong with the file, or does better */
                        return done > 0 ? (ssize_t) done : -EOPNOTSUPP;
                if (n == 0)
                        break;
                done += (size_t) n;
                r = taken(outlet, n);
        }
        return r < 0 ? r : (ssize_t) done;
}
