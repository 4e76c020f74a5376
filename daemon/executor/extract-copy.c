/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What lies below and is no directory, copied as overlayfs does that when it is first written to, but for attributes that no tar may set. What lies below is
 * read-only and stays as it is; what is written is charged before, as the content of a tar.
 */

#include "executor/extract-private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACL_ACCESS "system.posix_acl_access"

enum {
        PART_MAX = 16 * 1024 * 1024, /* bytes that are charged at a time, between two signs of life */
        BUFFER_SIZE = 128 * 1024,
        VALUE_MAX = 64 * 1024, /* the kernel's XATTR_SIZE_MAX */
};

static int copy_failed(struct extract *extract) {
        return extract_errno(extract, errno, "copying what it is a hard link to from the layers below");
}

/* Where the file system does not copy by itself, as from an overlay. */
static int copy_bytes(struct extract *extract, int from, int to, off_t at, off_t end) {
        static uint8_t buffer[BUFFER_SIZE];

        while (at < end) {
                ssize_t n = pread(from, buffer, end - at < BUFFER_SIZE ? (size_t) (end - at) : BUFFER_SIZE, at);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n == 0)
                        errno = EIO;
                if (n <= 0 || lseek(to, at, SEEK_SET) < 0)
                        return copy_failed(extract);
                r = extract_write_all(extract, to, buffer, (size_t) n);
                if (r != 0)
                        return r;
                at += n;
        }
        return 0;
}

static int copy_part(struct extract *extract, int from, int to, off_t at, off_t end) {
        off_t out = at;

        while (at < end) {
                ssize_t n = copy_file_range(from, &at, to, &out, (size_t) (end - at), 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
                        return copy_failed(extract);
                if (n <= 0) /* or it ends, as read(2) will say */
                        return copy_bytes(extract, from, to, at, end);
        }
        return 0;
}

static int copy_range(struct extract *extract, int from, int to, off_t at, off_t end) {
        int r = 0;

        for (off_t next; r == 0 && at < end; at = next) {
                next = end - at < PART_MAX ? end : at + PART_MAX;
                r = extract_charge(extract, (uint64_t) (next - at));
                if (r == 0)
                        r = copy_part(extract, from, to, at, next);
                if (r == 0 && worker_progress(extract->worker) < 0)
                        r = -EPIPE;
        }
        return r;
}

/* Holes stay holes. */
static int copy_content(struct extract *extract, int from, int to, off_t size) {
        int r = ftruncate(to, size) < 0 ? copy_failed(extract) : 0;

        for (off_t at = 0, end; r == 0 && at < size; at = end) {
                off_t data = lseek(from, at, SEEK_DATA);

                if (data < 0 && errno == ENXIO)
                        return 0;
                if (data < 0) /* a file system that cannot tell */
                        return copy_range(extract, from, to, at, size);
                end = lseek(from, data, SEEK_HOLE);
                if (end <= data || end > size)
                        end = size;
                r = copy_range(extract, from, to, data, end);
        }
        return r;
}

/* The owner before the mode, and both before a file's capabilities: each takes away what comes after it. */
static int copy_file(struct extract *extract, int directory, const char *base, const struct stat *is, int to, const char *name) {
        const struct timespec times[] = {is->st_atim, is->st_mtim};
        _cleanup_close_ int from = openat(directory, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), made = -1;
        int r;

        if (from < 0)
                return copy_failed(extract);
        made = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (made < 0)
                return copy_failed(extract);
        r = copy_content(extract, from, made, is->st_size);
        if (r == 0 && (fchown(made, is->st_uid, is->st_gid) < 0 || fchmod(made, is->st_mode & 07777) < 0))
                r = extract_errno(extract, errno, "setting owner and mode of a copy");
        if (r == 0)
                r = extract_copy_attributes(extract, from, made, NULL);
        if (r == 0 && futimens(made, times) < 0)
                r = extract_errno(extract, errno, "setting the times of a copy");
        return r;
}

/* Of a FIFO or device, by its name: nobody opens those. */
static int copy_acl(struct extract *extract, int from, const char *base, int to, const char *name) {
        _cleanup_free_ void *value = malloc(VALUE_MAX);
        ssize_t size;
        int r;

        if (!value)
                return -ENOMEM;
        if (fchdir(from) < 0)
                return copy_failed(extract);
        size = lgetxattr(base, ACL_ACCESS, value, VALUE_MAX);
        if (size < 0)
                return errno == ENODATA || errno == EOPNOTSUPP ? 0 : copy_failed(extract);
        r = extract_check_acl(extract, ACL_ACCESS, value, (size_t) size);
        if (r == 0)
                r = extract_charge(extract, (uint64_t) size);
        if (r == 0 && (fchdir(to) < 0 || lsetxattr(name, ACL_ACCESS, value, (size_t) size, 0) < 0))
                r = extract_errno(extract, errno, "setting the ACL of a copy");
        return r;
}

static int make_link(int directory, const char *base, int to, const char *name) {
        char target[PATH_MAX];
        ssize_t size = readlinkat(directory, base, target, sizeof(target) - 1);

        if (size < 0)
                return -1;
        target[size] = '\0';
        return symlinkat(target, to, name);
}

static int copy_other(struct extract *extract, int directory, const char *base, const struct stat *is, int to, const char *name) {
        const struct timespec times[] = {is->st_atim, is->st_mtim};
        const bool device = S_ISCHR(is->st_mode) || S_ISBLK(is->st_mode), link = S_ISLNK(is->st_mode);
        int r;

        if (device && !extract->setup.devices)
                return extract_fail(extract, FAILURE_ACCESS_DENIED, 0, "it is a hard link to a device node of the layers below, and those are for root");
        if (!device && !link && !S_ISFIFO(is->st_mode))
                return extract_fail(extract, FAILURE_INVALID_ARGS, 0, "it is a hard link to something of a type that the tar of a layer cannot have");
        r = link ? make_link(directory, base, to, name) : mknodat(to, name, (is->st_mode & S_IFMT) | 0600, device ? is->st_rdev : 0);
        if (r < 0)
                return copy_failed(extract);
        if (fchownat(to, name, is->st_uid, is->st_gid, AT_SYMLINK_NOFOLLOW) < 0 || (!link && fchmodat(to, name, is->st_mode & 07777, 0) < 0))
                return extract_errno(extract, errno, "setting owner and mode of a copy");
        r = link ? 0 : copy_acl(extract, directory, base, to, name);
        if (r == 0 && utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                r = extract_errno(extract, errno, "setting the times of a copy");
        return r;
}

int extract_copy(struct extract *extract, int from, const char *base, const struct stat *is, int to, const char *name) {
        if (!extract_is_mapped(extract, is))
                return extract_not_mapped(extract, "file", extract->link);
        return S_ISREG(is->st_mode) ? copy_file(extract, from, base, is, to, name) : copy_other(extract, from, base, is, to, name);
}
