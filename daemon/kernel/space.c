/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file system shows the namespaces of whoever opens its context (fsopen(2)); a pid namespace is that of a process's
 * children, never its own, so for proc it takes a child where the kernel has no option for it. */

#include "kernel/space.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/detach.h"
#include "kernel/tree.h"
#include "util/array.h"
#include "util/channel.h"
#include "util/log.h"

#define INITIAL_USER_NAMESPACE 0xEFFFFFFDU /* PROC_USER_INIT_INO, include/linux/proc_ns.h */
/* Those that the kernel begins with have fixed numbers, all others come above them (PROC_DYNAMIC_FIRST). */
#define INITIAL_FIRST 0xEFFFFFF0U
#define INITIAL_LAST 0xEFFFFFFFU
#ifndef CLONE_NEWTIME /* Linux 5.6 */
#define CLONE_NEWTIME 0x00000080
#endif

enum { ANCESTORS_MAX = 64 }; /* the kernel nests 32 */

int space_kind(int fd) {
        struct statfs fs;
        int kind;

        if (fstatfs(fd, &fs) < 0)
                return -errno;
        if ((unsigned long) fs.f_type != NSFS_MAGIC)
                return -EINVAL;
        kind = ioctl(fd, NS_GET_NSTYPE);
        return kind < 0 ? -errno : kind;
}

int space_is_owned_by(int fd, uid_t uid) {
        _cleanup_close_ int owner = ioctl(fd, NS_GET_USERNS);

        for (unsigned i = 0; owner >= 0 && i < ANCESTORS_MAX; i++) {
                struct stat status;
                uid_t found;
                int parent;

                if (fstat(owner, &status) < 0)
                        return -errno;
                if (status.st_ino == INITIAL_USER_NAMESPACE)
                        return 0;
                if (ioctl(owner, NS_GET_OWNER_UID, &found) < 0)
                        return -errno;
                if (found == uid)
                        return 1;
                parent = ioctl(owner, NS_GET_PARENT);
                (void) close_fd(owner);
                owner = parent;
        }
        return owner < 0 && errno != EPERM ? -errno : 0;
}

int space_is_of(int fd, uid_t uid) {
        uid_t maker;

        if (space_kind(fd) == CLONE_NEWUSER && ioctl(fd, NS_GET_OWNER_UID, &maker) == 0 && maker == uid)
                return space_is_host(fd) == 0;
        return space_is_owned_by(fd, uid);
}

/* What is gone, or a process of which this one may not know, is not the same. */
static int is_that_of(const char *process, const char *name, const struct stat *it) {
        char path[sizeof("/proc/self/ns/cgroup") + 8];
        struct stat theirs;

        (void) snprintf(path, sizeof(path), "/proc/%s/ns/%s", process, name); /* cannot be cut: sized for the longest */
        if (stat(path, &theirs) < 0)
                return errno == ENOENT || errno == EACCES ? 0 : -errno;
        return theirs.st_dev == it->st_dev && theirs.st_ino == it->st_ino;
}

int space_is_host(int fd) {
        static const struct {
                int kind;
                const char *name;
        } names[] = {
                {CLONE_NEWCGROUP, "cgroup"}, {CLONE_NEWIPC, "ipc"}, {CLONE_NEWNS, "mnt"}, {CLONE_NEWNET, "net"},
                {CLONE_NEWPID, "pid"}, {CLONE_NEWUSER, "user"}, {CLONE_NEWUTS, "uts"}, {CLONE_NEWTIME, "time"},
        };
        int kind = space_kind(fd), r = 0;
        struct stat it;

        if (kind < 0)
                return kind;
        if (fstat(fd, &it) < 0)
                return -errno;
        if (it.st_ino >= INITIAL_FIRST && it.st_ino <= INITIAL_LAST)
                return 1;
        for (size_t i = 0; i < ELEMENTSOF(names) && r == 0; i++) {
                if (names[i].kind != kind)
                        continue;
                r = is_that_of("self", names[i].name, &it);
                if (r == 0)
                        r = is_that_of("1", names[i].name, &it);
        }
        return r;
}

static const char *own_path(int kind) {
        switch (kind) {
        case CLONE_NEWPID:
                return "/proc/self/ns/pid_for_children";
        case CLONE_NEWNET:
                return "/proc/self/ns/net";
        case CLONE_NEWIPC:
                return "/proc/self/ns/ipc";
        case CLONE_NEWCGROUP:
                return "/proc/self/ns/cgroup";
        default:
                return NULL;
        }
}

int space_enter(struct space_visit *visit, int fd, int kind) {
        const char *own = own_path(kind);
        int back = own ? open(own, O_RDONLY | O_CLOEXEC) : -1;

        if (back < 0)
                return own ? -errno : -EINVAL;
        if (setns(fd, kind) < 0) {
                int r = -errno;

                (void) close_fd(back);
                return r;
        }
        *visit = (struct space_visit){.back = back, .kind = kind};
        return 0;
}

void space_leave(struct space_visit *visit) {
        if (visit->back < 0)
                return;
        if (setns(visit->back, visit->kind) < 0) {
                (void) log_errno(LOG_CRIT, errno, "return from a namespace: this process ends, another takes over");
                abort();
        }
        visit->back = close_fd(visit->back);
}

static _noreturn_ void child(int socket) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        int r = fscontext_open(&context, "proc"), error = -r;

        r = channel_send(socket, &error, sizeof(error), &context.fd, r == 0 ? 1 : 0);
        _exit(r < 0);
}

/* What the child sends: an errno, or 0 and the context. */
static int receive(int socket, struct fscontext *context) {
        _cleanup_message_ struct channel_message message = {};
        int error, r = channel_receive(socket, 0, &message);

        if (r <= 0 || message.size != sizeof(error))
                return r < 0 ? r : -EIO;
        memcpy(&error, message.data, sizeof(error));
        if (error != 0)
                return error > 0 ? -error : -EIO;
        if (message.n_fds != 1)
                return -EIO;
        *context = (struct fscontext){.fd = TAKE_FD(message.fds[0])};
        return 0;
}

static int open_by_child(struct fscontext *context, int fd) {
        _cleanup_space_visit_ struct space_visit visit = SPACE_VISIT_INIT;
        _cleanup_close_ int ours = -1, theirs = -1;
        int pair[2], r;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        r = space_enter(&visit, fd, CLONE_NEWPID);
        if (r < 0)
                return r;
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                child(theirs);
        theirs = close_fd(theirs);
        r = receive(ours, context);
        (void) waitpid(pid, NULL, 0); /* or the kernel reaps it, where SIGCHLD is ignored */
        return r;
}

int space_open_proc(struct fscontext *context, int fd, bool pidns) {
        int r;

        if (!pidns)
                return open_by_child(context, fd);
        r = fscontext_open(context, "proc");
        return r < 0 ? r : fscontext_set_fd(context, "pidns", fd);
}

bool space_probe_pidns(void) {
        _cleanup_close_ int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;

        return own >= 0 && space_open_proc(&context, own, true) == 0;
}

int space_pinned(int directory, const char *name) {
        _cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        int kind;

        if (fd < 0)
                return -errno;
        kind = space_kind(fd);
        if (kind == -EINVAL) /* a plain file: nothing is bound to it any more, or yet */
                return -ENOENT;
        return kind < 0 ? kind : TAKE_FD(fd);
}

int space_pin(int namespace, int directory, const char *name) {
        _cleanup_close_ int there = space_pinned(directory, name), file = -1, mount = -1;
        int r;

        if (there >= 0)
                return -EEXIST;
        if (there != -ENOENT)
                return there;
        file = openat(directory, name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0444);
        if (file < 0)
                return -errno;
        file = close_fd(file);
        mount = tree_clone(namespace, false);
        r = mount < 0 ? mount : tree_set(mount, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0, MS_PRIVATE);
        if (r == 0)
                r = tree_attach(mount, directory, name);
        if (r == 0) /* what it lies on may have made it shared */
                r = tree_set(mount, false, 0, 0, MS_PRIVATE);
        if (r < 0)
                (void) space_unpin(directory, name);
        return r;
}

int space_unpin(int directory, const char *name) {
        int r = detach_enter(directory);

        if (r == 0)
                r = detach_name(name, true);
        detach_leave();
        if (r < 0 && r != -EINVAL && r != -ENOENT)
                return r;
        return unlinkat(directory, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}
