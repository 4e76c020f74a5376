/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A user namespace is made by a child that is born in it, and its maps are only shown for a process that is in it: in
 * both cases a child that does nothing else, holds no fd and is killed as soon as it was of use. */

#include "kernel/userns.h"

#include <errno.h>
#include <endian.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/fscontext.h"
#include "kernel/space.h"
#include "kernel/tree.h"
#include "util/cleanup.h"

#define ACL_ACCESS "system.posix_acl_access"
#define INITIAL_USER_NAMESPACE 0xEFFFFFFDU /* PROC_USER_INIT_INO, include/linux/proc_ns.h */

enum { MAP_SIZE_MAX = 340 * 33 + 1 }; /* what the kernel shows of 340 extents */

/* A child and its directory in /proc, which is its own and nobody else's that got its pid: the child lives, or is not
 * reaped, while the pidfd is good. */
struct native {
        pid_t pid;
        int pidfd, directory;
};

#define NATIVE_INIT ((struct native){.pid = -1, .pidfd = -1, .directory = -1})

static void native_done(struct native *native) {
        if (native->pidfd >= 0) {
                (void) syscall(SYS_pidfd_send_signal, native->pidfd, SIGKILL, NULL, 0); /* it may have ended */
                (void) waitpid(native->pid, NULL, 0); /* or the kernel reaps it, where SIGCHLD is ignored */
        }
        (void) close_fd(native->pidfd);
        (void) close_fd(native->directory);
}
#define _cleanup_native_ _cleanup_(native_done)

/* Enters the namespace, if there is one to enter, says so by a byte, and waits for its end. */
static _noreturn_ void live(int userns, int ready, pid_t parent) {
        char byte = 0;

        /* Whoever owns the namespace may send signals to it, and is not to look into it. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                _exit(1);
        if (userns >= 0 && setns(userns, CLONE_NEWUSER) < 0)
                _exit(errno);
        /* Entering has cleared both. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
                getppid() != parent)
                _exit(1);
        if (write(ready, &byte, 1) != 1 || close_range(0, ~0U, 0) < 0)
                _exit(1);
        for (;;)
                (void) pause();
}

/* `userns`: the namespace that it enters, or -1: it is born in a new one. */
static int native_start(struct native *native, int userns) {
        _cleanup_close_ int ours = -1, theirs = -1;
        char path[sizeof("/proc/") + 3 * sizeof(pid_t)], byte;
        pid_t parent = getpid();
        int pair[2];
        long pid;

        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        pid = syscall(SYS_clone, (userns < 0 ? CLONE_NEWUSER : 0) | CLONE_PIDFD | SIGCHLD, NULL, &native->pidfd, NULL, 0);
        if (pid == 0)
                live(userns, theirs, parent);
        if (pid < 0) {
                native->pidfd = -1;
                return -errno;
        }
        native->pid = (pid_t) pid;
        theirs = close_fd(theirs);
        if (read(ours, &byte, 1) != 1)
                return userns >= 0 ? -EPERM : -EIO;
        (void) snprintf(path, sizeof(path), "/proc/%d", native->pid); /* cannot be cut: sized for any pid */
        native->directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (native->directory < 0)
                return -errno;
        return syscall(SYS_pidfd_send_signal, native->pidfd, 0, NULL, 0) < 0 ? -ESRCH : 0;
}

/* In one write, as the kernel wants it. */
static int write_map(const struct native *native, const char *name, const char *map) {
        _cleanup_close_ int fd = openat(native->directory, name, O_WRONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = write(fd, map, strlen(map));
        if (n < 0)
                return -errno;
        return (size_t) n == strlen(map) ? 0 : -EIO;
}

int userns_make(const char *uid_map, const char *gid_map) {
        _cleanup_native_ struct native native = NATIVE_INIT;
        int r = native_start(&native, -1), fd;

        if (r == 0)
                r = write_map(&native, "uid_map", uid_map);
        if (r == 0)
                r = write_map(&native, "gid_map", gid_map);
        if (r < 0)
                return r;
        fd = openat(native.directory, "ns/user", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int check(int fd) {
        struct stat status;
        int kind = space_kind(fd);

        if (kind < 0)
                return kind;
        if (fstat(fd, &status) < 0)
                return -errno;
        return kind != CLONE_NEWUSER || status.st_ino == INITIAL_USER_NAMESPACE ? -EINVAL : 0;
}

int userns_owner(int fd, uid_t *ret) {
        int r = check(fd);

        if (r < 0)
                return r;
        return ioctl(fd, NS_GET_OWNER_UID, ret) < 0 ? -errno : 0;
}

static int read_map(const struct native *native, const char *name, char **ret) {
        _cleanup_close_ int fd = openat(native->directory, name, O_RDONLY | O_CLOEXEC);
        _cleanup_free_ char *text = malloc(MAP_SIZE_MAX + 1);
        size_t size = 0;
        ssize_t n = 0;

        if (fd < 0)
                return -errno;
        if (!text)
                return -ENOMEM;
        while (size < MAP_SIZE_MAX && (n = read(fd, text + size, MAP_SIZE_MAX - size)) > 0)
                size += (size_t) n;
        if (n < 0)
                return -errno;
        text[size] = '\0';
        *ret = TAKE_PTR(text);
        return 0;
}

int userns_read(int fd, char **ret_uid_map, char **ret_gid_map) {
        _cleanup_free_ char *uid_map = NULL, *gid_map = NULL;
        _cleanup_native_ struct native native = NATIVE_INIT;
        int r = check(fd);

        if (r == 0)
                r = native_start(&native, fd);
        if (r == 0)
                r = read_map(&native, "uid_map", &uid_map);
        if (r == 0)
                r = read_map(&native, "gid_map", &gid_map);
        if (r < 0)
                return r;
        *ret_uid_map = TAKE_PTR(uid_map);
        *ret_gid_map = TAKE_PTR(gid_map);
        return 0;
}

/* An ACL with one user of its own, who is in the file system's ids. */
struct small_acl {
        struct posix_acl_xattr_header header;
        struct posix_acl_xattr_entry entries[5];
};

static int set_acl(int directory, uint32_t user) {
        static const struct {
                uint16_t tag, permissions;
        } rows[] = {{ACL_USER_OBJ, 7}, {ACL_USER, 5}, {ACL_GROUP_OBJ, 5}, {ACL_MASK, 5}, {ACL_OTHER, 0}};
        struct small_acl acl = {.header.a_version = htole32(POSIX_ACL_XATTR_VERSION)};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                acl.entries[i] = (struct posix_acl_xattr_entry) {.e_tag = htole16(rows[i].tag), .e_perm = htole16(rows[i].permissions),
                        .e_id = htole32(rows[i].tag == ACL_USER ? user : (uint32_t) ACL_UNDEFINED_ID)};
        return fsetxattr(directory, ACL_ACCESS, &acl, sizeof(acl), 0) < 0 ? -errno : 0;
}

static int get_acl(int directory, uint32_t *ret_user) {
        struct small_acl acl;
        ssize_t size = fgetxattr(directory, ACL_ACCESS, &acl, sizeof(acl));

        if (size != sizeof(acl))
                return size < 0 ? -errno : -EBADMSG;
        *ret_user = le32toh(acl.entries[1].e_id);
        return 0;
}

int userns_maps_acls(void) {
        enum { STORED = 1, SHOWN = 0 };
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        _cleanup_close_ int mount = -1, directory = -1, userns = -1, mapped = -1;
        uint32_t user = STORED;
        int r = fscontext_open(&context, "tmpfs");

        if (r < 0)
                return r;
        mount = fscontext_mount(&context, 0);
        if (mount < 0)
                return mount;
        directory = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = directory < 0 ? -errno : set_acl(directory, STORED);
        if (r < 0)
                return r == -EOPNOTSUPP ? 0 : r;
        userns = userns_make("1 0 1\n", "1 0 1\n");
        if (userns < 0)
                return userns;
        r = tree_idmap(mount, false, userns);
        if (r < 0)
                return r == -EINVAL ? 0 : r;
        mapped = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = mapped < 0 ? -errno : get_acl(mapped, &user);
        return r < 0 ? r : user == SHOWN;
}
