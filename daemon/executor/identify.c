/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_IDENTIFY: whether a caller lives where this daemon does, which takes privilege to see. */

#include <errno.h>

#include "executor/run.h"
#include "kernel/namespaces.h"

int hand_identify(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        struct namespaces_match match;
        int r = namespaces_compare(run->fds[step->source.fd], &match);

        if (r == -ESRCH)
                return run_fail(run, FAILURE_ACCESS_DENIED, -r,
                        "the calling process has ended, so nobody can be told who it was");
        if (r < 0)
                return run_fail(run, FAILURE_ACCESS_DENIED, -r, "the calling process cannot be looked at");
        run->result->steps[i].id = (match.mount ? IDENTIFY_HOST_MOUNT_NAMESPACE : 0U) |
                                   (match.user ? IDENTIFY_HOST_USER_NAMESPACE : 0U) |
                                   (match.root ? IDENTIFY_HOST_ROOT_DIRECTORY : 0U) |
                                   (match.pid ? IDENTIFY_HOST_PID_NAMESPACE : 0U);
        return 0;
}
