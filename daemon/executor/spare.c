/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order comes through the channel, of which the front gets the other end once it is sent. */

#include "executor/spare.h"

#include <errno.h>
#include <sys/prctl.h>

#include "kernel/confine.h"
#include "util/channel.h"
#include "util/log.h"

/* What one that is made for an order has of it. */
struct order {
        const struct spare *spare;
        size_t n_fds, size;
        void *data;
};

static int carry_out(struct worker *worker, const int *fds, void *userdata) {
        const struct order *order = userdata;

        return order->spare->work(worker, fds, order->n_fds, order->data, order->size);
}

static int wait_for_order(struct worker *worker, const int *fds _unused_, void *userdata) {
        const struct spare *spare = userdata;
        _cleanup_message_ struct channel_message message = {};
        int r = worker_order(worker, &message);

        if (r <= 0)
                return r < 0 ? r : -EPIPE;
        (void) prctl(PR_SET_NAME, spare->setup.name); /* a name is for people */
        return spare->work(worker, message.fds, message.n_fds, message.data, message.size);
}

int spare_start(struct spare *spare, const int *fds, size_t n_fds, void *order, size_t size, int *ret_channel) {
        struct order own = {.spare = spare, .n_fds = n_fds, .data = order, .size = size};
        struct worker_setup setup = spare->setup;
        _cleanup_close_ int channel = TAKE_FD(spare->channel);

        spare->wanted = confine_room_lasts(); /* without it each has a room of its own, in which it would have to be until then */
        if (channel >= 0 && channel_send(channel, order, size, fds, n_fds) == 0) {
                *ret_channel = TAKE_FD(channel);
                return 0;
        }
        setup.fds = fds;
        setup.n_fds = n_fds;
        setup.work = carry_out;
        setup.userdata = &own;
        return worker_start(&setup, ret_channel);
}

bool spare_is_missing(const struct spare *spare) {
        return spare->wanted && spare->channel < 0;
}

void spare_prepare(struct spare *spare) {
        struct worker_setup setup = spare->setup;

        if (!spare_is_missing(spare))
                return;
        setup.name = "podmount-spare";
        setup.work = wait_for_order;
        setup.userdata = spare;
        if (worker_start(&setup, &spare->channel) < 0)
                spare->wanted = false; /* until the next order */
}
