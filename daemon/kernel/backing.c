/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Probes of the file system that layers lie on. The overlay mounts that they try are detached ones. */

#include "kernel/backing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "kernel/fscontext.h"
#include "kernel/syscalls.h"

enum { PROBE_DEPTH_MAX = 8 }; /* the deepest is what overlayfs makes in its work directory: 4 */

static const struct {
        uint64_t magic;
        const char *name;
} names[] = {
        {EXT4_SUPER_MAGIC, "ext4"}, {XFS_SUPER_MAGIC, "xfs"}, {BTRFS_SUPER_MAGIC, "btrfs"}, {F2FS_SUPER_MAGIC, "f2fs"},
        {TMPFS_MAGIC, "tmpfs"}, {RAMFS_MAGIC, "ramfs"}, {OVERLAYFS_SUPER_MAGIC, "overlay"}, {ECRYPTFS_SUPER_MAGIC, "ecryptfs"},
        {NFS_SUPER_MAGIC, "nfs"}, {MSDOS_SUPER_MAGIC, "vfat"}, {FUSE_SUPER_MAGIC, "fuse"}, {V9FS_MAGIC, "9p"},
};

static int open_directory(int directory, const char *name) {
        int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int make_directory(int directory, const char *name) {
        return mkdirat(directory, name, 0700) < 0 ? -errno : open_directory(directory, name);
}

static int make_file(int directory, const char *name) {
        int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        return fd < 0 ? -errno : fd;
}

/* Removes what a probe made, whatever it had come to. */
static int remove_probe(int directory, const char *name, unsigned depth) {
        _cleanup_closedir_ DIR *entries = NULL;
        int fd, r;

        if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        if (depth == PROBE_DEPTH_MAX)
                return -ELOOP;
        fd = open_directory(directory, name);
        if (fd < 0)
                return fd;
        entries = fdopendir(fd);
        if (!entries) {
                r = -errno;
                (void) close_fd(fd);
                return r;
        }
        errno = 0;
        for (struct dirent *entry; (entry = readdir(entries)); errno = 0) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                r = remove_probe(fd, entry->d_name, depth + 1);
                if (r < 0)
                        return r;
        }
        if (errno != 0)
                return -errno;
        return unlinkat(directory, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* Every entry of the directory that holds one file and one directory has its type. */
static int probe_d_type(int probe, bool *ret) {
        _cleanup_close_ int directory = make_directory(probe, "types"), file = -1, below = -1;
        _cleanup_closedir_ DIR *entries = NULL;
        unsigned told = 0;

        if (directory < 0)
                return directory;
        file = make_file(directory, "file");
        if (file < 0)
                return file;
        below = make_directory(directory, "directory");
        if (below < 0)
                return below;
        entries = fdopendir(directory);
        if (!entries)
                return -errno;
        (void) TAKE_FD(directory); /* the stream's now */
        errno = 0;
        for (struct dirent *entry; (entry = readdir(entries)); errno = 0)
                told += (strcmp(entry->d_name, "file") == 0 && entry->d_type == DT_REG) ||
                        (strcmp(entry->d_name, "directory") == 0 && entry->d_type == DT_DIR);
        if (errno != 0)
                return -errno;
        *ret = told == 2;
        return 0;
}

static int probe_xattrs(int probe, bool *ret) {
        _cleanup_close_ int directory = make_directory(probe, "attributes");
        char value = 0;

        if (directory < 0)
                return directory;
        *ret = fsetxattr(directory, "trusted.overlay.opaque", "y", 1, 0) == 0 &&
               fgetxattr(directory, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
        return 0;
}

static bool is_whiteout(int directory, const char *name) {
        struct stat st;

        return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
}

static int probe_whiteouts(int probe, bool *ret) {
        _cleanup_close_ int directory = make_directory(probe, "whiteouts"), file = -1;

        if (directory < 0)
                return directory;
        file = make_file(directory, "from");
        if (file < 0)
                return file;
        *ret = renameat2(directory, "from", directory, "to", RENAME_WHITEOUT) == 0 && is_whiteout(directory, "from");
        return 0;
}

/* A detached overlay of one lower directory, or a negative errno with the kernel's words. */
static int make_overlay(int lower, int upper, int work, const struct features *features, char **ret_words) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        int layers[] = {lower, upper}, r;

        r = fscontext_open(&context, "overlay");
        /* Without an upper directory the kernel wants two lower ones. */
        if (r >= 0)
                r = fscontext_set_layers(&context, layers, work < 0 ? 2 : 1, features->layer_fd, features->lowerdir_plus);
        if (r >= 0 && work >= 0)
                r = fscontext_set_directory(&context, "upperdir", upper, features->layer_fd);
        if (r >= 0 && work >= 0)
                r = fscontext_set_directory(&context, "workdir", work, features->layer_fd);
        if (r >= 0)
                r = fscontext_mount(&context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        /* Joined layers are named relative to /proc/self/fd (fscontext.h). */
        if (!features->lowerdir_plus && chdir("/") < 0)
                r = r < 0 ? r : -errno;
        if (r < 0 && !*ret_words)
                *ret_words = TAKE_PTR(context.words);
        return r;
}

/* The kernel takes some upper directories that it cannot use, read-only or with a line in its log: deleting a file of the
 * lower one says what it did. */
static int probe_overlay(int probe, const struct features *features, struct backing *backing) {
        _cleanup_close_ int lower = make_directory(probe, "lower"), upper = -1, work = -1, file = -1, below = -1, overlay = -1;

        if (lower < 0)
                return lower;
        upper = make_directory(probe, "upper");
        if (upper < 0)
                return upper;
        work = make_directory(probe, "work");
        if (work < 0)
                return work;
        file = make_file(lower, "file");
        if (file < 0)
                return file;
        below = make_overlay(lower, upper, -1, features, &backing->words);
        backing->lower = below >= 0;
        overlay = make_overlay(lower, upper, work, features, &backing->words);
        backing->upper = overlay >= 0 && unlinkat(overlay, "file", 0) == 0 && is_whiteout(upper, "file");
        return 0;
}

static int probe_all(int directory, const struct features *features, struct backing *backing) {
        _cleanup_close_ int probe = -1;
        struct statfs fs;
        int r;

        if (fstatfs(directory, &fs) < 0)
                return -errno;
        backing->magic = (uint32_t) fs.f_type; /* f_type is signed, the constants are not */
        probe = make_directory(directory, BACKING_PROBE_NAME);
        if (probe < 0)
                return probe;
        r = probe_d_type(probe, &backing->d_type);
        if (r >= 0)
                r = probe_xattrs(probe, &backing->xattrs);
        if (r >= 0)
                r = probe_whiteouts(probe, &backing->whiteouts);
        return r < 0 ? r : probe_overlay(probe, features, backing);
}

int backing_probe(int directory, const struct features *features, struct backing *ret) {
        _cleanup_backing_ struct backing backing = {};
        int r = remove_probe(directory, BACKING_PROBE_NAME, 0), removed;

        if (r < 0)
                return r;
        r = probe_all(directory, features, &backing);
        removed = remove_probe(directory, BACKING_PROBE_NAME, 0);
        if (r == -ENOSPC || r == -EDQUOT) {
                backing.full = true;
                r = 0;
        }
        if (r < 0 || removed < 0)
                return r < 0 ? r : removed;
        *ret = backing;
        backing = (struct backing) {};
        return 0;
}

void backing_done(struct backing *backing) {
        free(backing->words);
        *backing = (struct backing) {};
}

char *backing_name(const struct backing *backing) {
        char *name = NULL;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (names[i].magic == backing->magic)
                        return strdup(names[i].name);
        return asprintf(&name, "0x%" PRIx64, backing->magic) < 0 ? NULL : name;
}

int backing_judge(const struct backing *backing, const char *path, struct failure *f) {
        _cleanup_free_ char *name = backing_name(backing);
        const char *missing = NULL;

        if (!name)
                return -ENOMEM;
        if (backing->full)
                return failure_set(f, FAILURE_QUOTA_EXCEEDED, "%s lies on %s, which was full when podmountd started: make room there, and start it again",
                                   path, name);
        if (!backing->d_type)
                missing = "does not tell the types of files in its directories (xfs: made with ftype=0)";
        else if (!backing->xattrs)
                missing = "does not keep trusted.overlay attributes";
        else if (!backing->whiteouts)
                missing = "cannot leave a whiteout behind when it renames";
        else if (!backing->lower)
                missing = "is not taken by overlayfs as a layer";
        else if (!backing->upper)
                missing = "is not taken by overlayfs as an upper directory";
        if (!missing)
                return 0;
        return failure_set(f, FAILURE_NOT_SUPPORTED, "%s lies on %s, which %s%s%s: let --state-dir lie on ext4, xfs, btrfs or tmpfs", path,
                           name, missing, backing->words ? "; the kernel says: " : "", backing->words ? backing->words : "");
}
