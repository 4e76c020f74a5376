/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kinds of entries, a function each. What has a name already is replaced, but for a directory by a directory. */

#include "executor/extract-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util/array.h"

int extract_fail(struct extract *extract, enum failure_kind kind, int error, const char *what) {
        return worker_fail(extract->worker, kind, error, "%s: %s", extract->name && *extract->name ? extract->name : ".", what);
}

int extract_errno(struct extract *extract, int error, const char *what) {
        if (error == ENOMEM)
                return -ENOMEM;
        if (error == ENOSPC || error == EDQUOT)
                return extract_fail(extract, FAILURE_QUOTA_EXCEEDED, error, "the file system of the state directory is full");
        if (error == ENAMETOOLONG)
                return extract_fail(extract, FAILURE_INVALID_ARGS, error, "a component of the name is too long for the file system");
        return extract_fail(extract, FAILURE_MOUNT_FAILED, error, what);
}

int extract_new(struct worker *worker, const struct extract_setup *setup, struct extract **ret) {
        struct extract *extract = calloc(1, sizeof(*extract));

        if (!extract)
                return -ENOMEM;
        *extract = (struct extract) {.worker = worker, .setup = *setup, .parent = -1, .below = -1, .plain = true};
        *ret = extract;
        return 0;
}

struct extract *extract_free(struct extract *extract) {
        if (!extract)
                return NULL;
        extract_whiteouts_done(extract);
        for (size_t i = 0; i < extract->n_directories; i++) {
                free(extract->directories[i].name);
                free(extract->directories[i].acl);
        }
        free(extract->directories);
        extract_below_done(extract);
        extract_link_done(extract);
        free(extract->name);
        free(extract->link);
        free(extract->parent_name);
        (void) close_fd(extract->parent);
        free(extract);
        return NULL;
}

bool extract_is_plain(const struct extract *extract) {
        return extract->plain;
}

int extract_look(struct extract *extract, struct archive_entry *entry, const char **ret_name) {
        int r = extract_name(extract, entry);

        *ret_name = NULL;
        if (r != 0)
                return r;
        if (!extract->whiteout && !extract->opaque && !extract->left_out && !extract->link && archive_entry_filetype(entry) == AE_IFREG &&
            archive_entry_size(entry) > 0 && archive_entry_sparse_count(entry) == 0)
                *ret_name = extract->name;
        return 0;
}

int extract_write_all(struct extract *extract, int fd, const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno != EINTR)
                        return extract_errno(extract, errno, "writing");
                if (n > 0) {
                        data += n;
                        size -= (size_t) n;
                }
        }
        return 0;
}

static int damaged(struct extract *extract, struct archive *archive) {
        if (extract->worker && archive_errno(archive) == ENOMEM)
                return -ENOMEM;
        return worker_fail(extract->worker, FAILURE_INVALID_ARGS, 0, "%s: the tar is damaged or cut off in it: %s", extract->name,
                           archive_error_string(archive) ?: "");
}

/* What a worker_fail() of whoever feeds the archive has said comes first: worker_fail() sees to that. */
static int write_content(struct extract *extract, struct archive *archive, struct archive_entry *entry, int fd) {
        la_int64_t offset, at = 0;
        const void *data;
        size_t size;
        int r;

        for (;;) {
                r = archive_read_data_block(archive, &data, &size, &offset);
                if (r == ARCHIVE_EOF)
                        break;
                if (r < ARCHIVE_WARN)
                        return damaged(extract, archive);
                if (offset != at) {
                        extract->plain = false;
                        if (offset < at || lseek(fd, offset, SEEK_SET) < 0)
                                return extract_fail(extract, FAILURE_INVALID_ARGS, 0, "its holes are in no order");
                }
                r = extract_charge(extract, size);
                if (r == 0)
                        r = extract_write_all(extract, fd, data, size);
                if (r != 0)
                        return r;
                at = offset + (la_int64_t) size;
                if (worker_progress(extract->worker) < 0)
                        return -EPIPE;
        }
        if (at >= archive_entry_size(entry))
                return 0;
        extract->plain = false;
        return ftruncate(fd, archive_entry_size(entry)) < 0 ? extract_errno(extract, errno, "making a hole at its end") : 0;
}

/* Owner, mode, attributes and, for what is no directory, times. An owner first: that takes bits of the mode away. */
static int dress(struct extract *extract, struct archive_entry *entry, int fd, struct extract_directory *directory) {
        struct timespec times[2];
        uid_t uid;
        gid_t gid;
        int r = extract_ids(extract, entry, &uid, &gid);

        if (r == 0 && (fchown(fd, uid, gid) < 0 || fchmod(fd, archive_entry_perm(entry) & 07777) < 0))
                r = extract_errno(extract, errno, "setting its owner and mode");
        if (r == 0)
                r = extract_attributes(extract, entry, fd, directory ? &directory->acl : NULL, directory ? &directory->acl_size : NULL);
        if (r != 0 || directory)
                return r;
        extract_times(entry, times);
        return futimens(fd, times) < 0 ? extract_errno(extract, errno, "setting its times") : 0;
}

static int write_file(struct extract *extract, struct archive *archive, struct archive_entry *entry, int directory, const char *name) {
        const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
        _cleanup_close_ int fd = -1;
        int r = extract_count(extract);

        if (r != 0)
                return r;
        fd = openat(directory, name, flags, 0600);
        if (fd < 0 && errno == EEXIST) {
                r = extract_remove(extract, directory, name);
                if (r != 0)
                        return r;
                fd = openat(directory, name, flags, 0600);
        }
        if (fd < 0)
                return extract_errno(extract, errno, "making the file");
        r = archive_entry_size(entry) > 0 ? write_content(extract, archive, entry, fd) : 0;
        return r != 0 ? r : dress(extract, entry, fd, NULL);
}

int extract_note(struct extract *extract, char kind, const char *first, const char *second) {
        int r = extract_charge(extract, 1 + strlen(first) + 1 + (second ? strlen(second) + 1 : 0));

        if (r == 0)
                r = extract_write_all(extract, extract->setup.notes, (const uint8_t *) &kind, 1);
        if (r == 0)
                r = extract_write_all(extract, extract->setup.notes, (const uint8_t *) first, strlen(first) + 1);
        return r == 0 && second ? extract_write_all(extract, extract->setup.notes, (const uint8_t *) second, strlen(second) + 1) : r;
}

int extract_opaque(struct extract *extract, const char *name) {
        size_t size = strlen(name) + 1;
        int r;

        if (extract->setup.base)
                return 0;
        r = extract_count(extract);
        if (r == 0)
                r = extract_charge(extract, size);
        if (r == 0)
                r = extract_write_all(extract, extract->setup.opaque, (const uint8_t *) name, size);
        return r == 0 ? extract_hide(extract, name) : r;
}

static int open_directory(struct extract *extract, int directory, const char *name, int *ret) {
        struct stat st;
        int r;

        if (mkdirat(directory, name, 0700) < 0) {
                if (errno != EEXIST)
                        return extract_errno(extract, errno, "making the directory");
                if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return extract_errno(extract, errno, "looking at what is there");
                if (!S_ISDIR(st.st_mode)) {
                        r = extract_remove(extract, directory, name);
                        if (r == 0) /* nothing shone through that either */
                                r = extract_opaque(extract, extract->name);
                        if (r == 0 && mkdirat(directory, name, 0700) < 0)
                                r = extract_errno(extract, errno, "making the directory");
                        if (r != 0)
                                return r;
                }
        }
        *ret = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return *ret < 0 ? extract_errno(extract, errno, "opening the directory") : 0;
}

static int write_directory(struct extract *extract, struct archive_entry *entry, int directory, const char *name) {
        struct extract_directory *slot;
        _cleanup_close_ int fd = -1;
        int r = *name ? extract_count(extract) : 0;

        if (r == 0 && *name)
                r = open_directory(extract, directory, name, &fd);
        else if (r == 0) {
                fd = openat(extract->setup.root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = fd < 0 ? extract_errno(extract, errno, "opening the directory") : 0;
        }
        if (r != 0)
                return r;
        slot = array_append(&extract->directories, &extract->n_directories);
        if (!slot)
                return -ENOMEM;
        slot->name = strdup(extract->name);
        if (!slot->name)
                return -ENOMEM;
        extract_times(entry, slot->times);
        extract->has_root |= !*name;
        r = extract_strip(extract, fd);
        return r == 0 ? dress(extract, entry, fd, slot) : r;
}

/* Anything without content, made by one call. */
static int make_node(struct archive_entry *entry, int directory, const char *name) {
        dev_t device = archive_entry_rdev(entry);
        const char *to;
        int r;

        switch (archive_entry_filetype(entry)) {
        case AE_IFLNK:
                to = archive_entry_symlink(entry);
                r = to && *to ? symlinkat(to, directory, name) : (errno = EINVAL, -1);
                break;
        case AE_IFIFO:
                r = mknodat(directory, name, S_IFIFO | 0600, 0);
                break;
        case AE_IFCHR:
                r = mknodat(directory, name, S_IFCHR | 0600, device);
                break;
        case AE_IFBLK:
                r = mknodat(directory, name, S_IFBLK | 0600, device);
                break;
        default: /* write_other() lets nothing else in here */
                return -EINVAL;
        }
        return r < 0 ? -errno : 0;
}

static int write_other(struct extract *extract, struct archive_entry *entry, int directory, const char *name) {
        const mode_t type = archive_entry_filetype(entry);
        struct timespec times[2];
        uid_t uid;
        gid_t gid;
        int r = extract_count(extract);

        if (r == 0 && type != AE_IFLNK && type != AE_IFIFO && type != AE_IFCHR && type != AE_IFBLK)
                r = extract_fail(extract, FAILURE_INVALID_ARGS, 0, "an entry of a type that a layer cannot have");
        if (r == 0 && (type == AE_IFCHR || type == AE_IFBLK) && !extract->setup.devices)
                r = extract_fail(extract, FAILURE_ACCESS_DENIED, 0, "it is a device node, and those are for root");
        if (r == 0 && type == AE_IFLNK && !*(archive_entry_symlink(entry) ?: ""))
                r = extract_fail(extract, FAILURE_INVALID_ARGS, 0, "a symbolic link that leads nowhere: its target is empty");
        if (r == 0 && type == AE_IFCHR && archive_entry_rdev(entry) == 0)
                r = extract_fail(extract, FAILURE_INVALID_ARGS, 0, "a character device 0:0 would be a whiteout; a tar has .wh.NAME for that");
        if (r == 0)
                r = extract_ids(extract, entry, &uid, &gid);
        if (r != 0)
                return r;
        r = make_node(entry, directory, name);
        if (r == -EEXIST) {
                r = extract_remove(extract, directory, name);
                if (r != 0)
                        return r;
                r = make_node(entry, directory, name);
        }
        if (r < 0)
                return extract_errno(extract, -r, "making it");
        extract_times(entry, times);
        if (fchownat(directory, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
            (type != AE_IFLNK && fchmodat(directory, name, archive_entry_perm(entry) & 07777, 0) < 0) ||
            utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                return extract_errno(extract, errno, "setting its owner, mode and times");
        return type == AE_IFLNK ? 0 : extract_special_acl(extract, entry, directory, name);
}

int extract_write(struct extract *extract, struct archive *archive, struct archive_entry *entry) {
        const char *base;
        int directory, r;

        if (extract->left_out)
                return 0;
        if (extract->whiteout)
                return extract_write_whiteout(extract, entry);
        if (extract->opaque)
                return extract_write_opaque(extract, entry);
        r = extract_parent(extract, extract->name, EXTRACT_MAKE, &directory, &base);
        if (r != 0)
                return r;
        if (!*base && (extract->link || archive_entry_filetype(entry) != AE_IFDIR))
                return extract_fail(extract, FAILURE_INVALID_ARGS, 0, "the root of a layer is a directory");
        if (extract->link)
                return extract_write_link(extract, directory, base);
        if (archive_entry_filetype(entry) == AE_IFDIR)
                return write_directory(extract, entry, directory, base);
        if (archive_entry_filetype(entry) == AE_IFREG)
                return write_file(extract, archive, entry, directory, base);
        return write_other(extract, entry, directory, base);
}

static int finish_one(struct extract *extract, const struct extract_directory *of) {
        _cleanup_close_ int fd = -1;
        const char *base;
        int directory, r;

        r = extract_parent(extract, of->name, EXTRACT_SEEK, &directory, &base);
        if (r != 0)
                return r == -ENOENT ? 0 : r; /* it was replaced, or something above it */
        fd = openat(*base ? directory : extract->setup.root, *base ? base : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : extract_errno(extract, errno, "opening the directory once more");
        if (of->acl && fsetxattr(fd, "system.posix_acl_default", of->acl, of->acl_size, 0) < 0)
                return extract_errno(extract, errno, "setting its default ACL");
        if (!of->acl && extract->led) /* the tar had it once more, without one */
                (void) fremovexattr(fd, "system.posix_acl_default");
        return futimens(fd, of->times) < 0 ? extract_errno(extract, errno, "setting its times") : 0;
}

int extract_finish(struct extract *extract) {
        int r = extract_place_copies(extract);

        if (r == 0)
                r = extract_lead_root(extract);
        /* What comes twice has the times that came last. */
        for (size_t i = 0; i < extract->n_directories && r == 0; i++)
                r = finish_one(extract, &extract->directories[i]);
        return r == 0 ? extract_drop_whiteouts(extract) : r;
}
