/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Raw system calls, as few as the same result needs. */

#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

#ifndef SYS_statmount
#define SYS_statmount 457
#endif
#ifndef SYS_listmount
#define SYS_listmount 458
#endif

static int must(int r, const char *what) {
        if (r < 0) {
                fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
                exit(EXIT_FAILURE);
        }
        return r;
}

int raw_open(int root_fd, const char *path) {
        struct open_how how = {
                .flags = O_PATH | O_CLOEXEC,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };

        return (int) syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

static int resolve(int root_fd, const char *path) {
        return must(raw_open(root_fd, path), path);
}

static void attribute(int fd, uint64_t set, uint64_t propagation) {
        struct mount_attr attr = {.attr_set = set, .propagation = propagation};

        must(mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)), "mount_setattr");
}

static int cloned(const char *source, uint64_t set) {
        _cleanup_close_ int fd = must(open(source, O_PATH | O_CLOEXEC), source);
        int tree = must(open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH), "open_tree");

        attribute(tree, set, MS_PRIVATE);
        attribute(tree, 0, MS_SHARED);
        return tree;
}

int raw_clone(const char *source) {
        return cloned(source, 0);
}

void raw_attach(int tree, int at) {
        must(move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), "move_mount");
}

static int made(const char *type, uint64_t set) {
        _cleanup_close_ int context = must(fsopen(type, FSOPEN_CLOEXEC), type);
        int tree;

        must(fsconfig(context, FSCONFIG_SET_STRING, "source", type, 0), "fsconfig source");
        must(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "fsconfig create");
        tree = must(fsmount(context, FSMOUNT_CLOEXEC, (unsigned) set), "fsmount");
        attribute(tree, 0, MS_SHARED);
        return tree;
}

static void attach(int tree, int root_fd, const char *target) {
        _cleanup_close_ int at = resolve(root_fd, target);

        raw_attach(tree, at);
}

void raw_bind(const char *source, int root_fd, const char *target) {
        _cleanup_close_ int tree = cloned(source, 0);

        attach(tree, root_fd, target);
}

void raw_unmount(int root_fd, const char *target, int lazy) {
        must(fchdir(root_fd), "fchdir");
        must(umount2(target, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)), "umount2");
}

static void made_at(const char *type, int root_fd, const char *target) {
        _cleanup_close_ int tree = made(type, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);

        attach(tree, root_fd, target);
}

void raw_pod(const char *root, const char *source, const char *point) {
        static const char *const systems[][2] = {
                {"proc", "proc"}, {"tmpfs", "tmp"}, {"sysfs", "sys"}, {"tmpfs", "dev"}, {"tmpfs", "run"}, {"mqueue", "mnt"},
        };
        static const char *const binds[] = {"b0", "b1", "b2", "b3", "b4"};
        _cleanup_close_ int tree = made("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV), rootfs = -1, inside = -1, at = -1;

        must(mkdirat(tree, "main", 0755), "mkdir");
        must(mkdirat(tree, "main/rootfs", 0755), "mkdir");
        rootfs = cloned(root, 0);
        attach(rootfs, tree, "main/rootfs");
        inside = resolve(tree, "main/rootfs");
        for (size_t i = 0; i < ELEMENTSOF(systems); i++)
                made_at(systems[i][0], inside, systems[i][1]);
        for (size_t i = 0; i < ELEMENTSOF(binds); i++) {
                _cleanup_close_ int clone = cloned(source, MOUNT_ATTR_RDONLY);

                attach(clone, inside, binds[i]);
        }
        at = must(open(point, O_PATH | O_CLOEXEC), point);
        must(move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), "move_mount");
}

int raw_tree(void) {
        return made("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

int raw_rootfs(int tree, const char *root) {
        _cleanup_close_ int rootfs = -1;

        must(mkdirat(tree, "main", 0755), "mkdir");
        must(mkdirat(tree, "main/rootfs", 0755), "mkdir");
        rootfs = cloned(root, 0);
        attach(rootfs, tree, "main/rootfs");
        return resolve(tree, "main/rootfs");
}

void raw_bind_at(int source_fd, const char *source, int root_fd, const char *target, uint64_t set) {
        _cleanup_close_ int fd = *source ? must(openat(source_fd, source, O_PATH | O_CLOEXEC), source) : -1;
        _cleanup_close_ int tree = must(open_tree(fd < 0 ? source_fd : fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH),
                                        "open_tree");

        attribute(tree, set, MS_PRIVATE);
        attribute(tree, 0, MS_SHARED);
        attach(tree, root_fd, target);
}

void raw_file_system(const char *type, const char *source, const char *const *options, size_t n_options, int root_fd,
        const char *target, uint64_t set) {
        _cleanup_close_ int context = must(fsopen(type, FSOPEN_CLOEXEC), type), tree = -1;

        must(fsconfig(context, FSCONFIG_SET_STRING, "source", source, 0), "fsconfig source");
        for (size_t i = 0; i < n_options; i++) {
                char name[64];
                const char *equals = strchr(options[i], '=');

                (void) snprintf(name, sizeof(name), "%.*s", (int) (equals - options[i]), options[i]); /* names are short */
                must(fsconfig(context, FSCONFIG_SET_STRING, name, equals + 1, 0), options[i]);
        }
        must(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), type);
        tree = must(fsmount(context, FSMOUNT_CLOEXEC, (unsigned) set), "fsmount");
        attribute(tree, 0, MS_SHARED);
        attach(tree, root_fd, target);
}

void raw_publish(int tree, const char *point) {
        _cleanup_close_ int at = must(open(point, O_PATH | O_CLOEXEC), point);

        must(move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), "move_mount");
        must(close(tree), "close");
}

unsigned long long raw_id(int root_fd, const char *target) {
        struct statx sx = {};

        must(statx(root_fd, target, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID_UNIQUE, &sx), "statx");
        return sx.stx_mnt_id;
}

void raw_teardown(int root_fd, const unsigned long long *ids, size_t n) {
        char name[32];

        must(fchdir(root_fd), "fchdir");
        for (size_t i = n; i-- > 0;) {
                (void) snprintf(name, sizeof(name), "t%zu", i); /* 32 bytes hold any size_t */
                if (raw_id(root_fd, name) == ids[i])
                        must(umount2(name, UMOUNT_NOFOLLOW), "umount2");
        }
}

void raw_list(void) {
        /* struct mnt_id_req of the kernel's <linux/mount.h>, which is newer than Debian 12's */
        struct {
                uint32_t size, spare;
                uint64_t mount_id, parameter;
        } request = {.size = sizeof(request)};
        enum { PAGE = 4096, EVERYTHING = 0x3ff }; /* all that a table shows, from STATMOUNT_SB_BASIC to STATMOUNT_SB_SOURCE */
        static uint64_t ids[PAGE];
        static char buffer[4096];
        uint64_t after = 0;
        long n;

        do {
                request.mount_id = UINT64_MAX; /* LSMT_ROOT */
                request.parameter = after;
                n = syscall(SYS_listmount, &request, ids, (size_t) PAGE, 0);
                must((int) n, "listmount");
                for (long i = 0; i < n; i++) {
                        request.mount_id = after = ids[i];
                        request.parameter = EVERYTHING;
                        must((int) syscall(SYS_statmount, &request, buffer, sizeof(buffer), 0), "statmount");
                }
        } while (n == PAGE);
}
