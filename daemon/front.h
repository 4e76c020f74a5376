/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The front: the process that reads what clients send. No capability, a uid of its own, one event loop (manager.h).
 */

#include <stdbool.h>
#include <sys/types.h>

#include "kernel/watch.h"
#include "runtime.h"
#include "state.h"
#include "stores.h"
#include "util/settings.h"

struct front_setup {
        pid_t keeper;
        uid_t uid;
        gid_t gid;
        int control;                       /* control.h, the front's end */
        int sockets[RUNTIME_SLOTS_MAX];    /* of the executors, by slot; -1: none */
        struct runtime *runtime;     /* of it the front uses path, fd, listen_fd, varlink_fd and the intent fds */
        const struct state *state;         /* …and of this one the records */
        const struct stores *stores;       /* …and of these */
        struct watch *watch;
        char *const *features;             /* names of what the kernel offers */
        bool bus;
        struct settings settings;
};

/* Gives up every privilege and serves until it is told to stop. Returns the exit status. Runs in a child of its own: the
 * fds and objects of the setup are its own then. */
int front_main(const struct front_setup *setup);
