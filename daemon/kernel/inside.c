/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is looked at or changed in another's namespace, one visit a call (kernel/visit.h). */

#include "kernel/inside.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "kernel/statmount.h"
#include "kernel/syscalls.h"
#include "kernel/submounts.h"
#include "kernel/tree.h"
#include "kernel/visit.h"
#include "util/array.h"
#include "util/log.h"

/* ioctl_nsfs(2), of Linux 6.11 and 6.12 */
struct namespace_info {
        uint32_t size, n_mounts;
        uint64_t id;
};
#define NAMESPACE_ID _IOR(0xb7, 0x5, uint64_t)
#define NAMESPACE_NEXT _IOR(0xb7, 0xb, struct namespace_info)
#define NAMESPACE_PREVIOUS _IOR(0xb7, 0xc, struct namespace_info)

#define INITIAL_MOUNT_NAMESPACE 0xEFFFFFF8U /* MNT_NS_INIT_INO, include/uapi/linux/nsfs.h, since 6.18; any number before */

bool inside_probe(void) {
        struct namespace_info info = {.size = sizeof(info)};
        _cleanup_close_ int own = visit_home(), next = -1;
        uint64_t id;

        if (own < 0 || inside_id(own, &id) < 0)
                return false;
        next = ioctl(own, NAMESPACE_NEXT, &info);
        return next >= 0 || errno == ENOENT;
}

int inside_id(int fd, uint64_t *ret) {
        return ioctl(fd, NAMESPACE_ID, ret) < 0 ? -errno : 0;
}

/* The ids are in no order of time, so both ways are gone. */
static int find_from(int own, unsigned long way, uint64_t id) {
        struct namespace_info info = {.size = sizeof(info)};
        int fd = ioctl(own, way, &info);

        while (fd >= 0 && info.id != id) {
                int next = ioctl(fd, way, &info);

                (void) close_fd(fd);
                fd = next;
        }
        return fd < 0 ? -errno : fd;
}

int inside_find(uint64_t id) {
        _cleanup_close_ int own = visit_home();
        uint64_t own_id;
        int r;

        if (own < 0)
                return own;
        r = inside_id(own, &own_id);
        if (r < 0)
                return r;
        if (own_id == id)
                return -EPERM;
        r = find_from(own, NAMESPACE_NEXT, id);
        return r == -ENOENT ? find_from(own, NAMESPACE_PREVIOUS, id) : r;
}

static bool same_file(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int inside_is_host(int fd) {
        struct stat it, own, first;

        if (fstat(fd, &it) < 0 || stat("/proc/self/ns/mnt", &own) < 0)
                return -errno;
        if (same_file(&it, &own) || it.st_ino == INITIAL_MOUNT_NAMESPACE)
                return 1;
        if (stat("/proc/1/ns/mnt", &first) < 0)
                return errno == ENOENT || errno == EACCES ? 0 : -errno; /* EACCES: it has capabilities that we have not */
        return same_file(&it, &first);
}

int inside_is_foreign(int fd) {
        _cleanup_close_ int owner = ioctl(fd, NS_GET_USERNS);
        struct stat theirs, own;

        if (owner < 0 && errno == EPERM)
                return 1; /* above or beside our own */
        if (owner < 0 || fstat(owner, &theirs) < 0 || stat("/proc/self/ns/user", &own) < 0)
                return -errno;
        return !same_file(&theirs, &own);
}

int inside_root(int fd) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r = visit_enter(&visit, fd), root;

        if (r < 0)
                return r;
        root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return root < 0 ? -errno : root;
}

static int stat_in(uint64_t namespace, uint64_t mount, struct mount_status *buffer, size_t size) {
        struct mount_id_request_in request = {
                .size = sizeof(request), .mount_id = mount, .parameter = MOUNT_STATUS_BASIC, .namespace = namespace};

        return syscall(SYS_statmount, &request, buffer, size, 0) < 0 ? -errno : 0;
}

static int list_in(uint64_t namespace) {
        struct mount_id_request_in request = {
                .size = sizeof(request), .mount_id = MOUNT_LIST_ROOT, .namespace = namespace};
        uint64_t id;

        return syscall(SYS_listmount, &request, &id, 1, 0) < 0 ? -errno : 0;
}

int inside_look(uint64_t namespace, uint64_t mount) {
        struct mount_status status;
        int r = stat_in(namespace, mount, &status, sizeof(status));

        if (r != -ENOENT)
                return r < 0 ? r : INSIDE_THERE;
        r = list_in(namespace);
        if (r == 0)
                return INSIDE_MISSING;
        return r == -ENOENT ? INSIDE_GONE : r;
}

/* The peer group of the mount that the fd lies on, 0 for none; called where that mount is. */
static int peer_group(struct statmount *statmount, int fd, uint64_t *ret) {
        struct statmount_line line;
        struct identity identity;
        int r = identity_read(fd, "", true, &identity);

        if (r == 0)
                r = statmount_read(statmount, identity.key, &line);
        if (r < 0)
                return r == -ENOENT ? -EINVAL : r;
        *ret = line.propagation & MS_SHARED ? line.peer_group : 0;
        return 0;
}

/* Whether what is attached in that peer group appears in this process's own namespace. */
static int reaches_own(struct statmount *statmount, uint64_t group) {
        _cleanup_free_ uint64_t *ids = NULL;
        size_t n = 0;
        int r = statmount_list(&ids, &n);

        for (size_t i = 0; i < n && r == 0; i++) {
                struct statmount_line line;

                r = statmount_read(statmount, ids[i], &line);
                if (r == 0 && (line.peer_group == group || line.master_group == group))
                        return 1;
                if (r == -ENOENT || r == -EPERM)
                        r = 0; /* gone meanwhile */
        }
        return r;
}

/* Mounting where the host's namespace looks on would be mounting on the host. */
static int check_place(int fd, int target) {
        _cleanup_(statmount_freep) struct statmount *statmount = statmount_new();
        uint64_t group = 0;
        int r;

        if (!statmount)
                return -ENOMEM;
        {
                _cleanup_visit_ struct visit visit = VISIT_INIT;

                r = visit_enter(&visit, fd);
                if (r == 0)
                        r = peer_group(statmount, target, &group);
        }
        if (r < 0 || group == 0)
                return r;
        r = reaches_own(statmount, group);
        return r > 0 ? -EREMOTE : r;
}

int inside_attach(int fd, int mount, int target) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r = check_place(fd, target);

        if (r == 0)
                r = visit_enter(&visit, fd);
        return r < 0 ? r : tree_attach(mount, target, "");
}

/* What is covered by the mount at the target is what the new one comes to lie on. */
static int check_below(int fd, int target) {
        _cleanup_(statmount_freep) struct statmount *statmount = statmount_new();
        struct statmount_line line;
        struct identity identity;
        uint64_t group = 0;
        int r = statmount ? identity_read(target, "", true, &identity) : -ENOMEM;

        if (r == 0) {
                _cleanup_visit_ struct visit visit = VISIT_INIT;

                r = visit_enter(&visit, fd);
                if (r == 0)
                        r = statmount_read(statmount, identity.key, &line);
                if (r == 0)
                        r = statmount_read(statmount, line.parent_id, &line);
                if (r == 0 && line.propagation & MS_SHARED)
                        group = line.peer_group;
        }
        if (r == 0 && group != 0)
                r = reaches_own(statmount, group);
        return r > 0 ? -EREMOTE : r;
}

int inside_replace(int fd, int mount, int target, bool *ret_attached) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r = check_below(fd, target);

        *ret_attached = false;
        if (r == 0)
                r = visit_enter(&visit, fd);
        if (r == 0)
                r = tree_attach_beneath(mount, target);
        if (r < 0)
                return r;
        *ret_attached = true;
        return visit_detach(&visit, target);
}

int inside_propagate(int fd, int mount, bool recursive, uint64_t propagation) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r = visit_enter(&visit, fd);

        return r < 0 ? r : tree_set(mount, recursive, 0, 0, propagation);
}

int inside_detach(int fd, int mount) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r = visit_enter(&visit, fd);

        return r < 0 ? r : visit_detach(&visit, mount);
}

/* Where a mount is, as this process's root directory shows it. */
static int mount_point(uint64_t mount, char **ret) {
        _cleanup_(statmount_freep) struct statmount *statmount = statmount_new();
        struct statmount_line line;
        int r = statmount ? statmount_read(statmount, mount, &line) : -ENOMEM;

        if (r < 0)
                return r;
        *ret = strdup(line.point ?: "");
        return *ret ? 0 : -ENOMEM;
}

/* The directory that it is in, and its name there; the string is the caller's. */
static int find_here(uint64_t mount, int *ret_parent, char **ret_name) {
        _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), parent = -1;
        _cleanup_free_ char *point = NULL;
        struct identity identity;
        char *name;
        int r = root < 0 ? -errno : mount_point(mount, &point);

        if (r < 0)
                return r;
        name = strrchr(point, '/');
        if (!name || !name[1])
                return -ESTALE;
        *name++ = 0;
        parent = resolve_beneath(root, point + (*point == '/'), false);
        if (parent < 0)
                return -ESTALE;
        r = identity_read(parent, name, true, &identity);
        if (r < 0 || identity.key != mount || !identity.mount_root)
                return -ESTALE;
        *ret_name = strdup(name);
        if (!*ret_name)
                return -ENOMEM;
        *ret_parent = TAKE_FD(parent);
        return 0;
}

static int copy_text(const char *from, char **ret) {
        *ret = strdup(from ?: "");
        return *ret ? 0 : -ENOMEM;
}

static int take_line(const struct statmount_line *line, const char *point, struct inside_mount *ret) {
        size_t size = strlen(point);
        const char *path = line->point ?: "";

        ret->id = line->id;
        ret->mount_id = line->mount_id;
        ret->device = line->device;
        ret->attributes = line->attributes | (line->superblock_flags & MS_RDONLY ? MOUNT_ATTR_RDONLY : 0);
        if (copy_text(strncmp(path, point, size) == 0 ? path + size : path, &ret->path) < 0 ||
            copy_text(line->source, &ret->source) < 0)
                return -ENOMEM;
        return copy_text(line->type, &ret->type);
}

void inside_mounts_free(struct inside_mount *mounts, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(mounts[i].path);
                free(mounts[i].source);
                free(mounts[i].type);
        }
        free(mounts);
}

size_t inside_mount_bytes(const struct inside_mount *mount) {
        return sizeof(*mount) + strlen(mount->path) + strlen(mount->source) + strlen(mount->type) + 3;
}

/* Ids ascend with the age of mounts, and what was cloned together was cloned from the top. */
static int take_one(struct statmount *statmount, uint64_t id, const char *point, size_t *left, struct inside_mount **mounts, size_t *n) {
        struct inside_mount *slot;
        struct statmount_line line;
        int r = statmount_read(statmount, id, &line);

        if (r < 0)
                return r;
        slot = array_append(mounts, n);
        r = slot ? take_line(&line, point, slot) : -ENOMEM;
        if (r < 0)
                return r;
        return __builtin_sub_overflow(*left, inside_mount_bytes(slot), left) ? -E2BIG : 0;
}

static int list_here(struct statmount *statmount, uint64_t mount, size_t most, struct inside_mount **mounts, size_t *n) {
        enum { BATCH = 256 };
        _cleanup_free_ char *point = NULL;
        uint64_t ids[BATCH], last = 0;
        int r = mount_point(mount, &point), found = BATCH;

        if (r == 0)
                r = take_one(statmount, mount, point, &most, mounts, n);
        for (; r == 0 && found == BATCH; last = ids[BATCH - 1]) {
                found = submounts_list(mount, last, ids, BATCH);
                r = found < 0 ? found : 0;
                for (int i = 0; i < found && r == 0; i++) {
                        r = take_one(statmount, ids[i], point, &most, mounts, n);
                        if (r == -ENOENT)
                                r = 0; /* gone meanwhile */
                }
        }
        return r;
}

int inside_list(int fd, uint64_t mount, size_t most, struct inside_mount **ret, size_t *ret_n) {
        _cleanup_(statmount_freep) struct statmount *statmount = statmount_new();
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        struct inside_mount *mounts = NULL;
        size_t n = 0;
        int r = statmount ? visit_enter(&visit, fd) : -ENOMEM;

        if (r == 0)
                r = list_here(statmount, mount, most, &mounts, &n);
        if (r < 0) {
                inside_mounts_free(mounts, n);
                return r;
        }
        *ret = mounts;
        *ret_n = n;
        return 0;
}

static int unmount_here(uint64_t mount, bool lazy) {
        _cleanup_close_ int parent = -1;
        _cleanup_free_ char *name = NULL;
        int r = find_here(mount, &parent, &name);

        if (r < 0)
                return r;
        if (fchdir(parent) < 0)
                return -errno;
        parent = close_fd(parent);
        return umount2(name, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) < 0 ? -errno : 0;
}

int inside_unmount(int fd, uint64_t mount, bool lazy) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r = visit_enter(&visit, fd);

        return r < 0 ? r : unmount_here(mount, lazy);
}

/* Whether the directory is `top`, or ".." leads there. */
static int is_below(int directory, const struct stat *top) {
        _cleanup_close_ int fd = fcntl(directory, F_DUPFD_CLOEXEC, 3);
        struct stat last = {}, status;

        for (;;) {
                int above;

                if (fd < 0 || fstat(fd, &status) < 0)
                        return -errno;
                if (same_file(&status, top))
                        return 1;
                if (same_file(&status, &last))
                        return 0; /* the root is its own parent */
                last = status;
                above = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
                (void) close_fd(fd);
                fd = above;
        }
}

int inside_open(int fd, uint64_t mount, int root) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        _cleanup_close_ int parent = -1, found = -1;
        _cleanup_free_ char *name = NULL;
        struct identity identity;
        struct stat top;
        int r;

        if (fstat(root, &top) < 0)
                return -errno;
        r = visit_enter(&visit, fd);
        if (r == 0)
                r = find_here(mount, &parent, &name);
        if (r == 0)
                r = is_below(parent, &top);
        if (r <= 0)
                return r < 0 ? r : -EXDEV;
        found = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (found < 0)
                return -ESTALE;
        r = identity_read(found, "", true, &identity);
        if (r < 0 || identity.key != mount || !identity.mount_root)
                return -ESTALE;
        return TAKE_FD(found);
}

int inside_set(int fd, int mount, bool recursive, uint64_t set, uint64_t clear) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r = visit_enter(&visit, fd);

        return r < 0 ? r : tree_set(mount, recursive, set, clear, 0);
}
