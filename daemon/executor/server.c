/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File systems that a process of the client's serves: FUSE by its open /dev/fuse, 9p by transport fds. Nothing is asked
 * of such a file system when it is made: its server may begin to answer only when it knows that it is mounted. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "executor/filesystem.h"
#include "executor/source.h"
#include "util/log.h"

enum { FUSE_MAJOR = 10, FUSE_MINOR = 229 };

bool server_is_one(const struct step *step) {
        return step->kind == STEP_FILESYSTEM && (strcmp(step->type, "fuse") == 0 || strcmp(step->type, "9p") == 0);
}

static const struct step_option *find(const struct step *step, const char *name) {
        for (size_t i = 0; i < step->n_options; i++)
                if (strcmp(step->options[i].name, name) == 0)
                        return &step->options[i];
        return NULL;
}

bool server_is_file(const struct step *step) {
        const struct step_option *mode = server_is_one(step) ? find(step, "rootmode") : NULL;

        return mode && mode->value && mode->value[strspn(mode->value, "0")] == '1';
}

static int check_fuse(struct run *run, const struct step *step, uint32_t fd, int flags) {
        struct stat status;

        if (fstat(run->fds[fd], &status) < 0)
                return log_errno(LOG_ERR, errno, "fstat a server's fd");
        if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(FUSE_MAJOR, FUSE_MINOR))
                return run_fail(run, FAILURE_INVALID_ARGS, 0,
                        "%s of the fuse at %s is not /dev/fuse; open that for reading and writing and send it",
                        source_fd_name(run, fd), step->target);
        if ((flags & O_ACCMODE) != O_RDWR)
                return run_fail(run, FAILURE_INVALID_ARGS, 0,
                        "%s of the fuse at %s is not open for reading and writing", source_fd_name(run, fd),
                        step->target);
        return 0;
}

/* A mount is in the name of who asks for it, or of whom root says. */
static int check_owner(struct run *run, const struct step *step) {
        const struct step_option *user = find(step, "user_id"), *group = find(step, "group_id");

        if (run->job->caller.root)
                return 0;
        if ((user && strtoull(user->value, NULL, 10) != run->job->caller.uid) ||
                (group && strtoull(group->value, NULL, 10) != run->job->caller.gid))
                return run_fail(run, FAILURE_ACCESS_DENIED, 0,
                        "user_id and group_id of the fuse at %s are not the caller's own; leave them out",
                        step->target);
        return 0;
}

int server_check(struct run *run, const struct step *step) {
        int r = strcmp(step->type, "fuse") == 0 ? check_owner(run, step) : 0;

        if (r != 0)
                return r;
        for (size_t i = 0; i < step->n_options; i++) {
                const struct step_option *option = &step->options[i];
                int flags;

                if (option->fd == STEP_NO_FD)
                        continue;
                flags = fcntl(run->fds[option->fd], F_GETFL);
                if (flags < 0)
                        return log_errno(LOG_ERR, errno, "look at a server's fd");
                if (flags & O_PATH)
                        return run_fail(run, FAILURE_INVALID_ARGS, 0,
                                "%s, given as option %s of %s, was opened with O_PATH, and no data goes through such a one",
                                source_fd_name(run, option->fd), option->name, step->target);
                r = strcmp(step->type, "fuse") == 0 ? check_fuse(run, step, option->fd, flags) : 0;
                if (r != 0)
                        return r;
        }
        return 0;
}

static int set_number(
        struct run *run, const struct step *step, struct fscontext *context, const char *name, uint32_t id) {
        char text[3 * sizeof(id) + 1];
        int r;

        if (find(step, name))
                return 0;
        (void) snprintf(text, sizeof(text), "%" PRIu32, id); /* cannot be cut: sized for any number */
        r = fscontext_set(context, name, text);
        return r < 0 ? filesystem_failed(run, step, context, name, r) : 0;
}

int server_set_options(struct run *run, const struct step *step, struct fscontext *context) {
        int r = 0;

        if (strcmp(step->type, "fuse") != 0)
                return 0;
        if (!find(step, "rootmode"))
                r = fscontext_set(context, "rootmode", "40000");
        if (r < 0)
                return filesystem_failed(run, step, context, "rootmode", r);
        r = set_number(run, step, context, "user_id", run->job->caller.uid);
        return r != 0 ? r : set_number(run, step, context, "group_id", run->job->caller.gid);
}
