/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A process that lives in a mount namespace of its own, as one in a container does, and what can be done in its place. */

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/namespace.h"

struct dweller {
        pid_t pid;
        int pidfd, namespace;
        bool userns; /* its mount namespace is owned by a user namespace of its own */
};

static inline int dweller_namespace(pid_t pid, const char *kind) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kind); /* fits: a pid and a word */
        return open(path, O_RDONLY | O_CLOEXEC);
}

/* `uid` not 0: that user makes the user namespace. `root`: its root directory, or NULL. `private`: cut from our peer
 * groups. Ends with the test. */
static inline _unused_ struct dweller dweller_start(bool userns, uid_t uid, const char *root, bool private) {
        struct dweller dweller = {.userns = userns};
        int ready[2];
        char byte;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        dweller.pid = fork();
        ck_assert_int_ge(dweller.pid, 0);
        if (dweller.pid == 0) {
                if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || (uid != 0 && (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)))
                        _exit(1);
                if (unshare(CLONE_NEWNS | (userns ? CLONE_NEWUSER : 0)) < 0)
                        _exit(2);
                if (private && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                        _exit(3);
                if (root && (chroot(root) < 0 || chdir("/") < 0))
                        _exit(4);
                (void) !write(ready[1], "x", 1);
                for (;;)
                        pause();
        }
        (void) close(ready[1]);
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        (void) close(ready[0]);
        dweller.pidfd = (int) syscall(SYS_pidfd_open, dweller.pid, 0);
        dweller.namespace = dweller_namespace(dweller.pid, "mnt");
        ck_assert_int_ge(dweller.pidfd, 0);
        ck_assert_int_ge(dweller.namespace, 0);
        return dweller;
}

static inline _unused_ void dweller_end(struct dweller *dweller) {
        (void) kill(dweller->pid, SIGKILL);
        ck_assert_int_eq(waitpid(dweller->pid, NULL, 0), dweller->pid);
        (void) close(dweller->pidfd);
        (void) close(dweller->namespace);
        dweller->pidfd = dweller->namespace = -1;
}

/* What `fn` says (0 or a negative errno) when it is called by the root of the dweller's namespaces, in its root directory. */
static inline _unused_ int dweller_do(const struct dweller *dweller, int (*fn)(const char *path), const char *path) {
        int status, user = dweller_namespace(dweller->pid, "user"), root;
        char link[64];
        pid_t pid;

        (void) snprintf(link, sizeof(link), "/proc/%d/root", dweller->pid); /* fits: a pid */
        root = open(link, O_PATH | O_DIRECTORY | O_CLOEXEC);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if ((dweller->userns && setns(user, CLONE_NEWUSER) < 0) || setns(dweller->namespace, CLONE_NEWNS) < 0 ||
                        fchdir(root) < 0 || chroot(".") < 0)
                        _exit(255);
                _exit(-fn(path));
        }
        (void) close(user);
        (void) close(root);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        ck_assert_int_ne(WEXITSTATUS(status), 255);
        return -WEXITSTATUS(status);
}

static inline _unused_ int dweller_finds(const char *path) {
        return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static inline _unused_ int dweller_is_writable(const char *path) {
        return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static inline _unused_ int dweller_clear(const char *path, uint64_t attribute) {
        struct mount_attr attributes = {.attr_clr = attribute};

        return mount_setattr(AT_FDCWD, path, 0, &attributes, sizeof(attributes)) < 0 ? -errno : 0;
}

static inline _unused_ int dweller_clears_nodev(const char *path) {
        return dweller_clear(path, MOUNT_ATTR_NODEV);
}

static inline _unused_ int dweller_clears_readonly(const char *path) {
        return dweller_clear(path, MOUNT_ATTR_RDONLY);
}

static inline _unused_ int dweller_unmounts(const char *path) {
        return umount2(path, MNT_DETACH) < 0 ? -errno : 0;
}
