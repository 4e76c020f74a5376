/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The executor process: root, runs one job after the other, never returns to its caller.
 */

#include <stddef.h>

#include "util/cleanup.h"

struct executor_grants; /* executor/grants.h */

struct executor_setup {
        unsigned slot;
        int socket;          /* SOCK_SEQPACKET, blocking */
        int intent_fd;       /* read-write */
        int runtime_fd;      /* O_PATH on the runtime directory: nothing outside its pods/ and layers/ is ever a target */
        int layers_fd;       /* the directory that layers lie in, or -1: there are none */
        const int *stores;   /* the directories that the layers of additional stores lie in, in the order of their numbers from 1… */
        size_t n_stores;     /* …at most SETTINGS_STORES_MAX; -1 for one that cannot be used */
        const struct executor_grants *grants; /* shared with the keeper, which changes it when the configuration does */
        const char *without; /* kernel features to do without, for tests: see kernel/features.h; NULL: none */
};

/* Closes every other fd, names the process, takes PR_SET_PDEATHSIG, and serves jobs until the socket ends. Returns the
 * exit status. */
int executor_main(const struct executor_setup *setup);
