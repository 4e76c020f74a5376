/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_FIND: the first of several paths in a container that is a program, looked at with the caller's rights. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "executor/run.h"
#include "executor/source.h"
#include "kernel/identity.h"
#include "util/log.h"

enum { TRIED_MAX = 8 /* that the sentence names */ };

/* Why the path is no program; NULL when it is one. */
static const char *judge(struct run *run, int root, const char *path) {
        uint64_t attributes;
        struct stat status;
        _cleanup_close_ int fd = source_open_in(run, root, path);

        if (fd < 0)
                return fd == -ENOENT ? "does not exist" : strerrordesc_np(-fd) ?: "cannot be opened";
        if (fstat(fd, &status) < 0 || identity_attributes(fd, &attributes) < 0)
                return "does not answer";
        if (!S_ISREG(status.st_mode))
                return "is no regular file";
        if ((status.st_mode & 0111) == 0)
                return "has no execute permission";
        return attributes & MOUNT_ATTR_NOEXEC ? "lies on a mount with noexec" : NULL;
}

int hand_find(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_free_ char *tried = NULL;
        size_t n = 0;
        int root, r = run_container_root(run, step->container, &root);

        for (; r == 0 && step->stubs[n]; n++) {
                const char *why = judge(run, root, step->stubs[n]);
                char *longer;

                if (!why) {
                        run->result->steps[i].id = n + 1;
                        return 0;
                }
                if (n >= TRIED_MAX)
                        continue;
                if (asprintf(&longer, "%s%s%s %s", tried ?: "", tried ? ", " : "", step->stubs[n], why) < 0)
                        return log_oom();
                free(tried);
                tried = longer;
        }
        return r != 0 ? r
                      : run_fail(run, FAILURE_NO_SUCH_SOURCE, 0, "container %s has no such program: %s%s", step->container,
                                tried ?: "", n > TRIED_MAX ? ", and more" : "");
}
