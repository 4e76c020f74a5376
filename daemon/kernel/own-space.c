/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A copy of a namespace takes as long as that has mounts, and each of them is in use twice for a moment: so no copy is made of the
 * host's. */

#include "kernel/own-space.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/detach.h"
#include "kernel/fscontext.h"
#include "kernel/identity.h"
#include "kernel/inside.h"
#include "kernel/mountinfo.h"
#include "kernel/resolve.h"
#include "kernel/space.h"
#include "kernel/statmount.h"
#include "kernel/tree.h"
#include "kernel/visit.h"

enum { SIZE = 64 * 1024, MODE = 0755 };

/* The directory with all above it, on a detached mount. */
static int make_directories(int mount, const char *path) {
        _cleanup_free_ char *copy = strdup(path + 1);
        char *rest = copy, *name;
        int at, r = 0;

        if (!copy)
                return -ENOMEM;
        at = fcntl(mount, F_DUPFD_CLOEXEC, 3);
        while (at >= 0 && (name = strsep(&rest, "/"))) {
                int next = mkdirat(at, name, MODE) < 0 && errno != EEXIST ? -1 : openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

                r = next < 0 ? -errno : 0;
                (void) close_fd(at);
                at = next;
        }
        if (at < 0)
                return r < 0 ? r : -errno;
        (void) close_fd(at);
        return 0;
}

static int furnish(const char *const *directories) {
        _cleanup_close_ int place = fscontext_tmpfs(SIZE, 0, MODE, 0, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        int r = place < 0 ? place : make_directories(place, "/proc");

        for (const char *const *directory = directories; r == 0 && *directory; directory++)
                r = make_directories(place, *directory);
        if (r == 0)
                r = tree_set(place, false, MOUNT_ATTR_RDONLY, 0, 0);
        return r < 0 ? r : TAKE_FD(place);
}

/* Runtimes that join the namespace want to set themselves up by it (user_namespaces(7), pid_namespaces(7)). */
static int mount_proc(int place) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        _cleanup_close_ int mount = -1;
        int r = fscontext_open(&context, "proc");

        if (r < 0)
                return r;
        mount = fscontext_mount(&context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        return mount < 0 ? mount : tree_attach(mount, place, "proc");
}

static int make_one(int seed, const char *const *directories) {
        _cleanup_close_ int place = -1, made = -1;
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r = visit_enter(&visit, seed);

        if (r < 0)
                return r;
        made = visit_copy(&visit);
        if (made < 0)
                return made;
        /* listmount(2) and statmount(2) of another namespace take for its root what is mounted on the very first of its mounts, and look
         * for that among younger ones alone (grab_requested_root() of Linux 6.18): so it is made now, and not before. */
        place = furnish(directories);
        r = place < 0 ? place : visit_change_root(place);
        if (r == 0)
                r = mount_proc(place);
        return r < 0 ? r : TAKE_FD(made);
}

/* Linux binds the file of a mount namespace only where its number is above that of the namespace it is bound in, so that none keeps
 * itself alive. Since 6.18 processors draw numbers from ranges of their own: a new one may have the lower number all the same. */
static bool can_be_bound(int namespace) {
        _cleanup_close_ int home = visit_home();
        uint64_t own, its;

        return home < 0 || inside_id(home, &own) < 0 || inside_id(namespace, &its) < 0 || its > own;
}

static int make_on(int cpu, int seed, const char *const *directories) {
        _cleanup_close_ int made = -1;
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0)
                return -errno;
        made = make_one(seed, directories);
        if (made < 0)
                return made;
        return can_be_bound(made) ? TAKE_FD(made) : -EAGAIN;
}

/* On the processor that has drawn this process's own number, or one that was as late. */
static int make_elsewhere(int seed, const char *const *directories) {
        cpu_set_t allowed;
        int r = -EAGAIN;

        if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
                return -errno;
        for (int cpu = 0; cpu < CPU_SETSIZE && r == -EAGAIN; cpu++)
                if (CPU_ISSET(cpu, &allowed))
                        r = make_on(cpu, seed, directories);
        if (sched_setaffinity(0, sizeof(allowed), &allowed) < 0) {
                int error = errno;

                (void) close_fd(r);
                return -error;
        }
        return r == -EAGAIN ? -ELOOP : r;
}

int own_space_make(int seed, const char *const *directories) {
        _cleanup_close_ int made = make_one(seed, directories);

        if (made < 0)
                return made;
        return can_be_bound(made) ? TAKE_FD(made) : make_elsewhere(seed, directories);
}

void own_space_leave(int directory, const char *name) {
        if (detach_enter(directory) == 0)
                (void) detach_name(name, false); /* -EINVAL: there is none; -EBUSY: it is needed */
        detach_leave();
}

static int is_of_id(const struct mountinfo_line *line, void *userdata) {
        uint64_t *found = userdata;

        if (line->id == (uint32_t) *found && line->optional && strstr(line->optional, "shared:"))
                *found |= UINT64_C(1) << 32;
        return 0;
}

static int is_on_shared(int directory) {
        _cleanup_(statmount_freep) struct statmount *statmount = statmount_new();
        _cleanup_close_ int text = -1;
        struct statmount_line line;
        struct identity identity;
        uint32_t id;
        uint64_t found;
        size_t skipped;
        int r = statmount ? identity_read(directory, "", true, &identity) : -ENOMEM;

        if (r == 0)
                r = statmount_read(statmount, identity.key, &line);
        if (r == 0)
                return (line.propagation & MS_SHARED) != 0;
        r = identity_mount_id(directory, &id); /* the kernel has no better */
        text = r < 0 ? -1 : open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (r < 0 || text < 0)
                return r < 0 ? r : -errno;
        found = id;
        r = mountinfo_read(text, is_of_id, &found, &skipped);
        return r < 0 ? r : found >> 32 != 0;
}

/* 1, 0, or a negative errno. */
static int has_files_in_use(int directory) {
        _cleanup_closedir_ DIR *entries = NULL;
        const struct dirent *entry;
        int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat above, status;

        entries = fd < 0 ? NULL : fdopendir(fd);
        if (!entries || fstat(directory, &above) < 0) {
                int error = errno;

                if (!entries)
                        (void) close_fd(fd);
                return -error;
        }
        for (;;) {
                errno = 0;
                entry = readdir(entries);
                if (!entry)
                        return -errno;
                if (entry->d_name[0] == '.')
                        continue;
                if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
                        if (errno != ENOENT)
                                return -errno;
                } else if (status.st_dev != above.st_dev) /* what is bound is a file of another file system */
                        return 1;
        }
}

int own_space_prepare(int directory) {
        _cleanup_close_ int clone = -1;
        struct identity identity;
        int r = identity_read(directory, "", false, &identity);

        if (r == 0 && identity.mount_root) /* also of one that died in between */
                return tree_set(directory, false, 0, 0, MS_PRIVATE);
        if (r < 0)
                return r;
        r = has_files_in_use(directory);
        if (r != 0)
                return r < 0 ? r : 0;
        r = is_on_shared(directory);
        if (r <= 0)
                return r;
        clone = tree_clone(directory, false);
        r = clone < 0 ? clone : tree_set(clone, false, 0, 0, MS_PRIVATE);
        if (r == 0)
                r = tree_attach(clone, directory, "");
        return r < 0 ? r : tree_set(clone, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0, MS_PRIVATE);
}

int own_space_open(int directory, const char *name) {
        _cleanup_close_ int fd = space_pinned(directory, name);
        int r;

        if (fd < 0)
                return fd;
        if (space_kind(fd) != CLONE_NEWNS)
                return -EINVAL;
        r = inside_is_host(fd);
        if (r != 0)
                return r < 0 ? r : -EPERM;
        return TAKE_FD(fd);
}

int own_space_mountinfo(int namespace) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r = visit_enter(&visit, namespace);

        return r < 0 ? r : visit_mountinfo(&visit);
}

/* The kernel says EACCES of what is gone, too (proc_pid_ns(5)), and, whatever capabilities there are, where a security module hides a process. */
static bool is_nobody(int error) {
        return error == ENOENT || error == ESRCH || error == EACCES;
}

/* Of a process's threads: 1, 0 or a negative errno. */
static int find_thread(int processes, const char *pid, const struct stat *wanted) {
        char path[sizeof("/task/") + 2 * NAME_MAX + sizeof("/ns/mnt")];
        _cleanup_closedir_ DIR *threads = NULL;
        const struct dirent *entry;
        struct stat seen;
        int fd;

        (void) snprintf(path, sizeof(path), "%s/task", pid);
        fd = openat(processes, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        threads = fd < 0 ? NULL : fdopendir(fd);
        if (!threads) {
                int error = errno;

                (void) close_fd(fd);
                return is_nobody(error) ? 0 : -error;
        }
        while (errno = 0, entry = readdir(threads)) {
                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(path, sizeof(path), "%s/ns/mnt", entry->d_name);
                if (fstatat(fd, path, &seen, 0) < 0) {
                        if (!is_nobody(errno))
                                return -errno;
                } else if (seen.st_dev == wanted->st_dev && seen.st_ino == wanted->st_ino)
                        return 1;
        }
        return is_nobody(errno) ? 0 : -errno;
}

int own_space_find_process(int namespace, pid_t *ret) {
        _cleanup_closedir_ DIR *processes = opendir("/proc");
        const struct dirent *entry;
        struct stat wanted;

        if (!processes || fstat(namespace, &wanted) < 0)
                return -errno;
        while (errno = 0, entry = readdir(processes)) {
                int r = entry->d_name[0] < '1' || entry->d_name[0] > '9' ? 0 : find_thread(dirfd(processes), entry->d_name, &wanted);

                if (r > 0)
                        *ret = (pid_t) strtol(entry->d_name, NULL, 10);
                if (r != 0)
                        return r;
        }
        return -errno;
}

int own_space_directory(int namespace, const char *path, bool bare) {
        _cleanup_close_ int root = inside_root(namespace);

        return root < 0 ? root : resolve_beneath(root, path + 1, bare);
}
