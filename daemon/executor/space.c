/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File systems of a namespace that came as an fd: whoever is not root names only what is its own, as the kernel sees
 * it, and so never one of the host's. */

#include "kernel/space.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "executor/filesystem.h"
#include "executor/source.h"

static const struct {
        const char *type, *name;
        int kind;
} rows[] = {
        {"proc", "pid", CLONE_NEWPID},
        {"sysfs", "network", CLONE_NEWNET},
        {"mqueue", "ipc", CLONE_NEWIPC},
        {"cgroup", "cgroup", CLONE_NEWCGROUP},
        {"cgroup2", "cgroup", CLONE_NEWCGROUP},
};

static int check(struct run *run, const struct step *step, int fd, size_t row) {
        int r = space_kind(fd);

        if (r < 0 || r != rows[row].kind)
                return run_fail(run, FAILURE_INVALID_ARGS, 0,
                        "%s, which names the namespace of %s at %s, is %s; send one of /proc/PID/ns/%s",
                        source_fd_name(run, step->space.fd), step->type, step->target, r < 0 ? "no namespace" : "a namespace of another kind",
                        rows[row].kind == CLONE_NEWNET ? "net" : rows[row].name);
        if (run->job->caller.root)
                return 0;
        r = space_is_owned_by(fd, run->job->caller.uid);
        if (r == 1)
                return 0;
        return run_fail(run, FAILURE_ACCESS_DENIED, r < 0 ? -r : 0,
                "the %s namespace of %s at %s belongs to somebody else: only namespaces of a user namespace that the "
                "caller made can be named",
                rows[row].name, step->type, step->target);
}

int filesystem_open_in(struct run *run, const struct step *step, struct fscontext *context, struct space_visit *visit) {
        int fd = run->fds[step->space.fd], r;
        size_t row = 0;

        while (row < ELEMENTSOF(rows) && strcmp(rows[row].type, step->type) != 0)
                row++;
        if (row == ELEMENTSOF(rows))
                return -EINVAL;
        r = check(run, step, fd, row);
        if (r != 0)
                return r;
        if (rows[row].kind == CLONE_NEWPID)
                r = space_open_proc(context, fd, run->executor->features.proc_pidns);
        else
                r = space_enter(visit, fd, rows[row].kind);
        if (r < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "the %s namespace of %s at %s cannot be used%s",
                        rows[row].name, step->type, step->target, r == -ENOMEM ? ", it has ended" : "");
        if (rows[row].kind == CLONE_NEWPID)
                return 0;
        r = fscontext_open(context, step->type);
        return r < 0 ? filesystem_failed(run, step, context, NULL, r) : 0;
}
