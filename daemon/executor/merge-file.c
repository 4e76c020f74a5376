/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File systems have a bound for the names of a file (ext4: 65000), and while there are both trees each has two: past that it is copied. */

#include "executor/merge-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "executor/extract-private.h"

enum { LIST_MAX = 64 * 1024, COPY_MAX = 64 * 1024 * 1024 /* bytes between two signs of life */ };

static bool begins_with(const char *text, const char *with) {
        return strncmp(text, with, strlen(with)) == 0;
}

/* ACLs that a directory gives to what is made in it. */
static int drop_inherited(struct merge *merge, int fd) {
        static const char *const names[] = {"system.posix_acl_access", "system.posix_acl_default"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (fremovexattr(fd, names[i]) < 0 && errno != ENODATA && errno != EOPNOTSUPP)
                        return merge_failed(merge, "something", errno, "removing an ACL");
        return 0;
}

static bool has_attribute(int fd, const char *key, const void *value, size_t size) {
        _cleanup_free_ void *is = malloc(LIST_MAX);

        return is && fgetxattr(fd, key, is, LIST_MAX) == (ssize_t) size && memcmp(is, value, size) == 0;
}

static int copy_attribute(struct merge *merge, int from, int to, const char *key, bool made) {
        _cleanup_free_ void *value = NULL;
        ssize_t size;
        int r;

        if (!made && !begins_with(key, "trusted.") && !begins_with(key, "security."))
                return 0;
        value = malloc(LIST_MAX);
        if (!value)
                return -ENOMEM;
        size = fgetxattr(from, key, value, LIST_MAX);
        if (size < 0)
                return errno == ENODATA || errno == EOPNOTSUPP ? 0 : merge_failed(merge, key, errno, "reading the attribute");
        r = made ? merge_charge(merge, key, 0, (uint64_t) size) : 0;
        if (r != 0)
                return r;
        if (begins_with(key, "security.") && has_attribute(to, key, value, (size_t) size))
                return 0; /* a label that it has by itself, as a rule */
        if (fsetxattr(to, key, value, (size_t) size, made ? 0 : XATTR_CREATE) == 0 || (!made && errno == EEXIST))
                return 0;
        return merge_failed(merge, key, errno, "setting the attribute");
}

int merge_attributes(struct merge *merge, int from, int to, bool made) {
        _cleanup_free_ char *list = malloc(LIST_MAX);
        ssize_t size;
        int r = made ? drop_inherited(merge, to) : 0;

        if (!list)
                return -ENOMEM;
        size = flistxattr(from, list, LIST_MAX);
        if (size < 0 && errno != EOPNOTSUPP)
                return merge_failed(merge, "something", errno, "reading its attributes");
        for (const char *key = list; r == 0 && key < list + size; key += strlen(key) + 1)
                r = copy_attribute(merge, from, to, key, made);
        return r;
}

static int copy_range(struct merge *merge, const char *name, int from, int to, off_t at, off_t end) {
        off_t out = at;

        while (at < end) {
                ssize_t n = copy_file_range(from, &at, to, &out, end - at < COPY_MAX ? (size_t) (end - at) : COPY_MAX, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return merge_failed(merge, name, n < 0 ? errno : EIO, "copying it, which has too many names");
                if (worker_progress(merge->worker) < 0)
                        return -EPIPE;
        }
        return 0;
}

/* Holes stay holes. */
static int copy_content(struct merge *merge, const char *name, int from, int to, off_t size) {
        int r = ftruncate(to, size) < 0 ? merge_failed(merge, name, errno, "copying it, which has too many names") : 0;

        for (off_t at = 0, end; r == 0 && at < size; at = end) {
                at = lseek(from, at, SEEK_DATA);
                if (at < 0)
                        return errno == ENXIO ? 0 : merge_failed(merge, name, errno, "copying it, which has too many names");
                end = lseek(from, at, SEEK_HOLE);
                if (end < 0)
                        return merge_failed(merge, name, errno, "copying it, which has too many names");
                r = copy_range(merge, name, from, to, at, end);
        }
        return r;
}

static int copy(struct merge *merge, int old, int new, const char *name, const struct stat *is) {
        const struct timespec times[] = {is->st_atim, is->st_mtim};
        _cleanup_close_ int from = -1, to = -1;
        int r;

        if (!S_ISREG(is->st_mode))
                return worker_fail(merge->worker, FAILURE_NOT_SUPPORTED, EMLINK, "%s, which the layer has, has too many names for one more while both are there", name);
        r = merge_charge(merge, name, 0, (uint64_t) is->st_size);
        if (r != 0)
                return r;
        from = openat(old, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        to = openat(new, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (from < 0 || to < 0)
                return merge_failed(merge, name, errno, "copying it, which has too many names");
        r = copy_content(merge, name, from, to, is->st_size);
        if (r == 0 && (fchown(to, is->st_uid, is->st_gid) < 0 || fchmod(to, is->st_mode & 07777) < 0))
                r = merge_failed(merge, name, errno, "setting owner and mode");
        if (r == 0)
                r = merge_attributes(merge, from, to, true);
        if (r == 0 && futimens(to, times) < 0)
                r = merge_failed(merge, name, errno, "setting its times");
        if (r != 0)
                return r;
        (void) close_fd(merge->copy);
        merge->copy = openat(new, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        merge->copied = is->st_ino;
        return merge->copy < 0 ? merge_failed(merge, name, errno, "opening it") : 0;
}

/* As the extraction has counted them. */
static int sum_attributes(struct merge *merge, int directory, const char *name, uint64_t *ret) {
        static char list[LIST_MAX];
        ssize_t size;

        if (fchdir(directory) < 0) /* there is no llistxattrat(2) before Linux 6.13 */
                return merge_failed(merge, name, errno, "entering its directory");
        size = llistxattr(name, list, sizeof(list));
        if (size < 0 && errno != EOPNOTSUPP)
                return merge_failed(merge, name, errno, "reading its attributes");
        for (const char *key = list; key < list + size; key += strlen(key) + 1) {
                ssize_t n = extract_keeps(key, true) ? lgetxattr(name, key, NULL, 0) : 0;

                if (n < 0 && errno != ENODATA)
                        return merge_failed(merge, name, errno, "reading its attributes");
                *ret += n > 0 ? (uint64_t) n : 0;
        }
        return 0;
}

int merge_charge_file(struct merge *merge, int directory, const char *name, uint64_t inodes, const struct stat *is) {
        uint64_t used = (uint64_t) is->st_blocks * 512, bytes = 0;
        int r = 0;

        if (is->st_nlink > 1) {
                if (!merge->charged)
                        merge->charged = map_new(MAP_KEY_U64);
                r = merge->charged ? map_put_u64(merge->charged, is->st_ino, merge) : -ENOMEM;
        }
        if (r < 0 && r != -EEXIST)
                return r;
        if (r == 0) {
                bytes = !S_ISREG(is->st_mode) ? 0 : (uint64_t) is->st_size < used ? (uint64_t) is->st_size : used; /* holes are nothing */
                r = sum_attributes(merge, directory, name, &bytes);
        } else
                r = 0;
        return r == 0 ? merge_charge(merge, name, inodes, bytes) : r;
}

int merge_link(struct merge *merge, int old, int new, const char *name, const struct stat *is) {
        int r = merge_charge_file(merge, old, name, 1, is);

        if (r != 0)
                return r;
        if (linkat(old, name, new, name, 0) == 0)
                return 0;
        if (errno == EMLINK && merge->copy >= 0 && merge->copied == is->st_ino && linkat(merge->copy, "", new, name, AT_EMPTY_PATH) == 0)
                return 0;
        return errno == EMLINK ? copy(merge, old, new, name, is) : merge_failed(merge, name, errno, "giving it its name again");
}
