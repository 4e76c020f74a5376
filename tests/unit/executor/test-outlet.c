/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a worker writes for a client, gathered on the way: all of it in order, and nothing that was to be forgotten. */

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "executor/outlet.h"
#include "plan/layer.h"
#include "tests/unit/executor/hands.h"
#include "util/channel.h"

enum {
        TURNS = 30,
        FILE_SIZE = 300 * 1000,
        FILE_FROM = 5000,
        LARGE = 700 * 1000, /* more than is held back */
        SMALL = 500,
        TOTAL = TURNS * (SMALL + FILE_SIZE - FILE_FROM) + LARGE,
};

enum scene { WHOLE, WITHOUT_PIPES, FORGOTTEN };

static uint8_t content[LARGE];

static int refuse(void *userdata) {
        (void) userdata;
        return -ECANCELED;
}

static int put(struct outlet *outlet, size_t size) {
        return outlet_put(outlet, content, size);
}

static int write_all(struct outlet *outlet, int file) {
        int r = 0;

        for (unsigned i = 0; i < TURNS && r == 0; i++) {
                r = put(outlet, SMALL);
                if (r == 0 && outlet_pass(outlet, file, FILE_FROM, FILE_SIZE - FILE_FROM) != FILE_SIZE - FILE_FROM)
                        return -EBADMSG;
        }
        return r == 0 ? put(outlet, LARGE) : r;
}

/* What may not go does not, and what comes after it does. */
static int forget(struct outlet *outlet, struct tar *tar) {
        outlet->tar = tar;
        tar_before(tar, refuse, NULL);
        if (put(outlet, SMALL) != 0 || outlet_flush(outlet) != -ECANCELED || put(outlet, LARGE) != -ECANCELED)
                return -EBADMSG;
        tar_before(tar, NULL, NULL);
        return put(outlet, SMALL) == 0 ? outlet_drop(outlet) : -EBADMSG;
}

static int work(struct worker *worker, const int *fds, void *userdata) {
        const enum scene scene = *(enum scene *) userdata;
        _cleanup_outlet_ struct outlet outlet = {.gathered = {-1, -1}};
        _cleanup_tar_ struct tar *tar = tar_new(outlet_put, &outlet);
        int r;

        if (!tar)
                return -ENOMEM;
        outlet_open(&outlet, worker, fds[0]);
        if (outlet.gathered[1] < 0)
                return -EMFILE;
        if (scene == WITHOUT_PIPES)
                outlet_close(&outlet);
        r = scene == FORGOTTEN ? forget(&outlet, tar) : 0;
        if (r == 0)
                r = write_all(&outlet, fds[1]);
        return r == 0 ? outlet_flush(&outlet) : r;
}

/* All that is in the pipe until its end. */
static void expect_all(int fd) {
        uint8_t *all = malloc(TOTAL + 1), *at = all;
        size_t size = 0;

        ck_assert_ptr_nonnull(all);
        for (ssize_t n = 1; n > 0; size += (size_t) n) {
                n = read(fd, all + size, TOTAL + 1 - size);
                ck_assert_int_ge(n, 0);
        }
        ck_assert_uint_eq(size, TOTAL);
        for (unsigned i = 0; i < TURNS; i++) {
                ck_assert_int_eq(memcmp(at, content, SMALL), 0);
                ck_assert_int_eq(memcmp(at + SMALL, content + FILE_FROM, FILE_SIZE - FILE_FROM), 0);
                at += SMALL + FILE_SIZE - FILE_FROM;
        }
        ck_assert_int_eq(memcmp(at, content, LARGE), 0);
        free(all);
}

static void check(enum scene scene) {
        _cleanup_message_ struct channel_message message = {};
        _cleanup_close_ int file = memfd_create("file", MFD_CLOEXEC), channel = -1;
        struct worker_setup setup = {.name = "podmount-test", .root = -1, .n_fds = 2, .work = work, .userdata = &scene};
        struct stream_head head;
        int ends[2];

        for (size_t i = 0; i < sizeof(content); i++)
                content[i] = (uint8_t) (i * 2654435761u >> 13);
        ck_assert_int_eq(write(file, content, FILE_SIZE), FILE_SIZE);
        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        setup.fds = (const int[]) {ends[1], file};
        ck_assert_int_eq(worker_start(&setup, &channel), 0);
        (void) close_fd(ends[1]);
        expect_all(ends[0]);
        (void) close_fd(ends[0]);
        do {
                channel_message_done(&message);
                ck_assert_int_eq(channel_receive(channel, 0, &message), 1);
                memcpy(&head, message.data, sizeof(head));
        } while (head.kind == STREAM_PROGRESS);
        ck_assert_uint_eq(head.kind, STREAM_DONE);
        ck_assert_uint_eq(head.figures[READ_DONE], TOTAL);
}

static bool begin(void) {
        if (!hands_begin(NULL))
                return false;
        (void) signal(SIGCHLD, SIG_IGN); /* as in an executor */
        return true;
}

START_TEST(test_order) {
        if (begin())
                check(WHOLE);
}
END_TEST

START_TEST(test_without_pipes) {
        if (begin())
                check(WITHOUT_PIPES);
}
END_TEST

START_TEST(test_forgotten) {
        if (begin())
                check(FORGOTTEN);
}
END_TEST

UNIT_MAIN("outlet", test_order, test_without_pipes, test_forgotten)
