/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What keeper and front say to each other over their socket pair (util/channel.h): one header, for some kinds followed
 * by text or accompanied by fds. Both ends are non-blocking.
 */

#include <stdint.h>

#include "util/cleanup.h"

enum control_kind {
        /* keeper → front */
        CONTROL_EXECUTOR, /* a new executor for the slot: fds are its socket and its intent file, read-only */
        CONTROL_SETTINGS, /* re-read: the settings as text follow */
        CONTROL_STOP,     /* finish what runs, answer, exit */
        /* front → keeper */
        CONTROL_REPLACE,  /* the slot's executor hangs: kill it, start another */
        CONTROL_MORE,     /* all executors are held up, and jobs wait: start one more, in a slot of its own, if there may be more */
};

struct control_header {
        uint32_t kind;
        uint32_t slot;
};
