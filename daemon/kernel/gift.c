/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The locks are set when a mount namespace is copied for another user namespace than its own. So a child makes both, the
 * user namespace with all ids mapped to themselves, so that it still reaches every path, and clones from the copy. What
 * it finds the path from is its working directory: the one reference that unshare(2) moves to the copied mounts.
 */

#include "kernel/gift.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "kernel/fscontext.h"
#include "kernel/resolve.h"
#include "kernel/syscalls.h"
#include "kernel/tree.h"
#include "util/channel.h"
#include "util/log.h"

enum { END_MS = 1000 /* that a killed child may take */ };

#define ALL_IDS "0 0 4294967295"

struct giver {
        int socket, pidfd;
        pid_t pid;
};

static void giver_done(struct giver *giver) {
        struct pollfd ended = {.fd = giver->pidfd, .events = POLLIN};

        if (giver->pidfd >= 0)
                (void) syscall(SYS_pidfd_send_signal, giver->pidfd, SIGKILL, NULL, 0); /* it may have ended by itself */
        /* Its own fd of the clone would keep that busy. */
        if (giver->pidfd >= 0)
                (void) poll(&ended, 1, END_MS);
        (void) close_fd(giver->pidfd);
        (void) close_fd(giver->socket);
}

/* Both directions: how far it went, 0 or a positive errno, and in the end the fd. */
static int say(int socket, int error, int fd) {
        int32_t word = error;

        return channel_send(socket, &word, sizeof(word), &fd, fd >= 0 ? 1 : 0);
}

static int hear(int socket, int *ret_fd) {
        _cleanup_message_ struct channel_message message = {};
        int32_t word;
        int r = channel_receive(socket, 0, &message);

        if (r < 0)
                return r;
        if (r == 0 || message.size != sizeof(word))
                return -EIO;
        memcpy(&word, message.data, sizeof(word));
        if (word != 0)
                return word > 0 ? -word : -EIO;
        if (ret_fd && message.n_fds != 1)
                return -EIO;
        if (ret_fd)
                *ret_fd = TAKE_FD(message.fds[0]);
        return 0;
}

static int clone_locked(const char *path) {
        _cleanup_close_ int place = -1, clone = -1;
        int r;

        if (unshare(CLONE_NEWNS) < 0)
                return -errno;
        place = resolve_in_root(AT_FDCWD, path);
        if (place < 0)
                return place;
        clone = tree_clone(place, true);
        if (clone < 0)
                return clone;
        /* The copy is a slave of what it was copied from. */
        r = tree_set(clone, true, 0, 0, MS_PRIVATE);
        return r < 0 ? r : TAKE_FD(clone);
}

static _noreturn_ void give(int root, const char *path, int socket, pid_t parent) {
        int fd;

        (void) prctl(PR_SET_NAME, "podmount-giver"); /* a name is for people */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent || fchdir(root) < 0)
                _exit(1);
        if (dup2(socket, STDIN_FILENO) < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
                _exit(1);
        if (unshare(CLONE_NEWUSER) < 0) {
                (void) say(STDIN_FILENO, errno, -1); /* unheard, it ends just the same */
                _exit(1);
        }
        if (say(STDIN_FILENO, 0, -1) < 0 || hear(STDIN_FILENO, NULL) < 0)
                _exit(1);
        fd = clone_locked(path);
        (void) say(STDIN_FILENO, fd < 0 ? -fd : 0, fd); /* unheard, it ends just the same */
        _exit(0);
}

/* A place for the mount in a namespace of our own: a small tmpfs on the root directory, entered. */
static int make_place(bool directory) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        _cleanup_close_ int tmpfs = -1, root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r = fscontext_open(&context, "tmpfs");

        if (r < 0 || root < 0)
                return r < 0 ? r : -errno;
        tmpfs = fscontext_mount(&context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (tmpfs < 0)
                return tmpfs;
        r = tree_attach(tmpfs, root, "");
        if (r < 0)
                return r;
        /* The root directory, too: below another than the namespace's nobody makes a user namespace. */
        return fchdir(tmpfs) < 0 || chroot(".") < 0 ? -errno : resolve_make(tmpfs, "m", !directory);
}

/* Attached in a namespace of ours, copied for another user namespace, cloned from the copy. */
static int lock(int mount) {
        _cleanup_close_ int root = -1, place = -1, copy = -1, clone = -1;
        struct stat status;
        int r;

        if (fstat(mount, &status) < 0 || unshare(CLONE_NEWNS) < 0)
                return -errno;
        root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC); /* that of the copy */
        r = root < 0 ? -errno : tree_set(root, true, 0, 0, MS_PRIVATE);
        if (r < 0)
                return r;
        place = make_place(S_ISDIR(status.st_mode));
        r = place < 0 ? place : tree_attach(mount, place, "");
        if (r < 0)
                return r;
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return -errno;
        copy = resolve_beneath(AT_FDCWD, "m", false);
        if (copy < 0)
                return copy;
        clone = tree_clone(copy, true);
        if (clone < 0)
                return clone;
        r = tree_set(clone, true, 0, 0, MS_PRIVATE);
        return r < 0 ? r : TAKE_FD(clone);
}

static _noreturn_ void lock_and_give(int mount, int socket, pid_t parent) {
        int fd;

        (void) prctl(PR_SET_NAME, "podmount-giver"); /* a name is for people */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
                _exit(1);
        fd = lock(mount);
        (void) say(socket, fd < 0 ? -fd : 0, fd); /* unheard, it ends just the same */
        _exit(0);
}

/* `root` is -1 for a giver that locks the mount. */
static int giver_start(int root, const char *path, int mount, struct giver *ret) {
        struct giver giver = {.socket = -1, .pidfd = -1};
        pid_t parent = getpid();
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        /* Like fork(2), with a pidfd. */
        giver.pid = (pid_t) syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &giver.pidfd, NULL, 0);
        if (giver.pid == 0 && root < 0)
                lock_and_give(mount, pair[1], parent);
        if (giver.pid == 0)
                give(root, path, pair[1], parent);
        if (giver.pid < 0) {
                int r = -errno;

                (void) close_fd(pair[0]);
                (void) close_fd(pair[1]);
                return r;
        }
        (void) close_fd(pair[1]);
        giver.socket = pair[0];
        *ret = giver;
        return 0;
}

/* The child cannot have ended and its pid be another's: it waits for us to go on, or else this has no effect on it. */
static int map_ids(const struct giver *giver) {
        static const char *const maps[] = {"uid_map", "gid_map"};

        for (size_t i = 0; i < ELEMENTSOF(maps); i++) {
                char path[sizeof("/proc//uid_map") + 3 * sizeof(pid_t)];
                _cleanup_close_ int fd = -1;

                (void) snprintf(path, sizeof(path), "/proc/%d/%s", giver->pid, maps[i]); /* cannot be cut: sized for any pid */
                fd = open(path, O_WRONLY | O_CLOEXEC);
                if (fd < 0 || write(fd, ALL_IDS, strlen(ALL_IDS)) < 0)
                        return -errno;
        }
        return 0;
}

int gift_clone(int root, const char *path) {
        _cleanup_(giver_done) struct giver giver = {.socket = -1, .pidfd = -1};
        int fd = -1, r = giver_start(root, path, -1, &giver);

        if (r == 0)
                r = hear(giver.socket, NULL);
        if (r == 0)
                r = map_ids(&giver);
        if (r == 0)
                r = say(giver.socket, 0, -1);
        if (r == 0)
                r = hear(giver.socket, &fd);
        return r < 0 ? r : fd;
}

int gift_lock(int mount) {
        _cleanup_(giver_done) struct giver giver = {.socket = -1, .pidfd = -1};
        int fd = -1, r = giver_start(-1, NULL, mount, &giver);

        if (r == 0)
                r = hear(giver.socket, &fd);
        return r < 0 ? r : fd;
}
