/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The path of a target on the host is taken literally: no component of it may be a symlink, so that it leads where the
 * configuration's list says, whoever owns the directories on the way. What remains is that these may be renamed: the place is
 * asked of the kernel before and after something is mounted there. */

#include "executor/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "util/log.h"
#include "util/path.h"

static int open_literally(const char *path) {
        _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

        return root < 0 ? -errno : resolve_beneath(root, path + 1, false);
}

int host_pins(const struct executor *executor, char **ret) {
        _cleanup_close_ int directory = resolve_beneath(executor->runtime_fd, "ns", false);

        *ret = NULL;
        if (directory == -ENOENT)
                return 0;
        return directory < 0 ? log_errno(LOG_ERR, directory, "open ns/ in the runtime directory") : resolve_where(directory, ret);
}

/* The directory for namespaces, which is root's, and the step's name in it; -1 for a step that is about another place. */
static int open_pins(const struct run *run, const struct step *step, const char **ret_name) {
        _cleanup_close_ int directory = resolve_beneath(run->executor->runtime_fd, "ns", false);
        _cleanup_free_ char *where = NULL;
        int r = directory < 0 ? directory : resolve_where(directory, &where);
        const char *name = r < 0 ? NULL : path_below(step->target, where);

        if (!name || !path_is_component(name))
                return -1;
        *ret_name = name;
        return TAKE_FD(directory);
}

/* An empty file for a namespace to be bound to; a place elsewhere is not made: -ENOENT. */
static int make_point(struct run *run, size_t i) {
        struct hand *hand = &run->hands[i];
        const char *name;
        _cleanup_close_ int directory = open_pins(run, &run->job->steps[i], &name);
        _cleanup_close_ int fd = -1;

        if (directory < 0)
                return -ENOENT;
        fd = resolve_make(directory, name, true);
        if (fd < 0)
                return fd == -EEXIST ? 0 : fd;
        if (hand->base >= 0)
                return 0;
        hand->rest = strdup(name);
        if (!hand->rest) {
                run_unmake(directory, name, true);
                return log_oom();
        }
        hand->base = TAKE_FD(directory);
        hand->file = true;
        return 0;
}

void host_leave_point(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        struct hand *hand = &run->hands[i];
        const char *name;
        _cleanup_close_ int directory = open_pins(run, step, &name);

        if (directory < 0 || hand->base >= 0)
                return;
        if (!(step->flags & STEP_RESTORE)) {
                run_unmake(directory, name, true);
                return;
        }
        hand->rest = strdup(name);
        if (!hand->rest)
                return (void) log_oom(); /* the file stays until the next start */
        hand->base = TAKE_FD(directory);
        hand->file = true;
}

static int open_failed(struct run *run, const struct step *step, int r) {
        switch (-r) {
        case ENOENT:
                return run_fail(run, FAILURE_INVALID_TARGET, -r,
                        "target %s does not exist on the host, where podmount makes no mount points; make it first", step->target);
        case ELOOP:
        case EXDEV:
                return run_fail(run, FAILURE_ESCAPES_ROOT, -r,
                        "target %s on the host leads over a symlink; name the place itself", step->target);
        default:
                return run_fail(run, FAILURE_INVALID_TARGET, -r, "target %s on the host cannot be reached", step->target);
        }
}

int host_check_place(struct run *run, size_t i, int fd) {
        const struct step *step = &run->job->steps[i];
        _cleanup_free_ char *where = NULL;
        int r = resolve_where(fd, &where);

        if (r < 0 || strcmp(where, step->target) == 0)
                return r;
        return run_fail(run, FAILURE_INVALID_TARGET, 0,
                "target %s on the host is another place than its path says: a directory above it was renamed meanwhile; try again",
                step->target);
}

static int check(struct run *run, const struct step *step, int fd, bool file) {
        struct identity identity;
        struct statfs fs;
        int r = identity_read(fd, "", run->executor->features.unique_id, &identity);

        if (r < 0)
                return log_errno(LOG_ERR, r, "look at a target");
        if (identity.mount_root)
                return run_fail(run, FAILURE_TARGET_IN_USE, 0,
                        "target %s on the host is a mount point already; unmount what is there first", step->target);
        if (!file && !S_ISDIR(identity.mode))
                return run_fail(run, FAILURE_INVALID_TARGET, ENOTDIR,
                        "target %s on the host is a file where a directory is needed", step->target);
        if (file && S_ISDIR(identity.mode))
                return run_fail(run, FAILURE_INVALID_TARGET, EISDIR,
                        "target %s on the host is a directory where a file is needed", step->target);
        if (fstatfs(fd, &fs) < 0)
                return run_fail(run, FAILURE_INVALID_TARGET, errno, "the file system of target %s does not answer", step->target);
        if (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC)
                return run_fail(run, FAILURE_INVALID_TARGET, 0, "target %s on the host lies in a proc file system or a sysfs",
                        step->target);
        return 0;
}

int host_open_target(struct run *run, size_t i, bool file, int *ret_fd) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int fd = open_literally(step->target);
        int r = fd == -ENOENT && file ? make_point(run, i) : 0;

        if (r == 0 && fd == -ENOENT)
                fd = open_literally(step->target);
        if (r == 0 || r == -ENOENT)
                r = fd < 0 ? open_failed(run, step, fd) : check(run, step, fd, file);
        if (r == 0)
                r = host_check_place(run, i, fd);
        if (r == 0)
                *ret_fd = TAKE_FD(fd);
        return r;
}

int host_open(const char *path) {
        _cleanup_close_ int fd = open_literally(path);
        _cleanup_free_ char *where = NULL;
        int r = fd < 0 ? fd : resolve_where(fd, &where);

        if (r < 0)
                return r;
        return strcmp(where, path) == 0 ? TAKE_FD(fd) : -ESTALE;
}
