/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A program that runs for a pod, with all that it starts. Nobody waits for it but a process of its own:
 *
 *     executor ── supervisor ── guard ── program      the guard is the first process of namespaces that the program never leaves, and
 *                                                     ends with it, or by the supervisor's hand when the time is over, when the
 *                                                     front closes the channel or when the executor dies: the kernel then ends all
 *                                                     that is left in there, and the supervisor tells after that alone
 *
 * What it writes to stderr is sent to the front as it comes (executor/stream-message.h), up to a limit; in the end STREAM_DONE, or
 * STREAM_FAILED with a sentence. Figure 0 says how many bytes were left out.
 */

#include <stdbool.h>
#include <stdint.h>

#include "plan/step.h"

enum { GC_SAID_MAX = 64 * 1024 /* bytes of stderr that the front is sent */ };

struct gc_run {
        const char *path, *uuid;
        const char *root; /* below `pod`, the directory that becomes its root; NULL: it runs on the host */
        int pod;          /* the pod's directory, where it begins: with `root` a detached clone of the pod's tree, which is taken over
                           * by the new processes */
        int userns;       /* of all ids as they are, or -1 */
        bool debug;
        const struct job_caller *caller; /* who it is */
        uint64_t timeout_us;
};

/* In the executor. *ret_channel: the front's end. The fds stay the caller's. A negative errno, logged. */
int gc_run_start(const struct gc_run *run, int *ret_channel);
